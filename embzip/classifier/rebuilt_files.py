"""The record of a file that was written over a compressed table, or with other kernels."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from embzip.embedding import CompressedEmbedding

LOW_SNR_DB = 12.0  # below it, labels changed in a real model of which only the sizes were said


@dataclass(frozen=True, eq=False)
class RebuiltTable:
    """One table of a file that has several; the fields are those of `Rebuilt`."""

    layer: str
    embedding: CompressedEmbedding
    snr_db: float


@dataclass(frozen=True)
class KeptKernels:
    """A layer, or a constant of a graph, whose numbers stay as they are, and why."""

    layer: str
    numbers: int
    why: str


@dataclass(frozen=True)
class RebuiltKernels:
    """The kernels of a file of Keras or TensorFlow: how they are stored, and their bytes.

    `left` are those that stay as they are.
    """

    form: str
    bytes_before: int
    bytes_after: int
    left: tuple[KeptKernels, ...] = ()


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A file that was written over a compressed table, or with kernels in another form.

    Attributes
    ----------
    format
        `embz`, `keras`, `frozen` or `savedmodel`.
    layer
        The Embedding layer, or the graph's table; None for our own models.
    embedding
        The compressed table; None for a file of Keras or TensorFlow whose tables were kept.
    bytes_before, bytes_after
        Of the whole files.
    counts_bytes, training_bytes
        Bytes of `bytes_before` that are token counts, and optimizer slots or other tensors that
        only training needs. They are left out, which no codec does.
    snr_db
        How much larger the numbers of the table before are than what the codec changed in them,
        before folding and tuning; infinite for an exact table, None where the table was kept.
    tuned
        Whether the tuned model was kept; None without tuning.
    more, kernels
        Of a file of Keras or TensorFlow: further tables that were compressed, and the kernels.
    """

    path: str
    format: str
    layer: str | None
    embedding: CompressedEmbedding | None
    bytes_before: int
    bytes_after: int
    counts_bytes: int = 0
    training_bytes: int = 0
    snr_db: float | None = None
    tuned: bool | None = None
    more: tuple[RebuiltTable, ...] = ()
    kernels: RebuiltKernels | None = None

    @property
    def kept_bytes(self) -> int:
        """Bytes before, without those that are left out and not compressed."""
        return self.bytes_before - self.counts_bytes - self.training_bytes

    @property
    def compression_ratio(self) -> float:
        """Kept bytes over bytes after: what the codec, and nothing else, did."""
        return self.kept_bytes / self.bytes_after

    @property
    def low_snr(self) -> bool:
        """Whether the table changed so much that answers may."""
        every = (self.snr_db, *(table.snr_db for table in self.more))
        return any(snr is not None and snr < LOW_SNR_DB for snr in every)

    def to_json(self) -> dict[str, Any]:
        """Return the fields, what the table is, and the ratio, ready for `json.dumps`.

        An SNR that is not finite is None there; `exact` says whether no number changed.
        """
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        table, snr = named.pop("embedding"), self.snr_db
        named["more"] = [_table_json(each) for each in self.more]
        return {
            **named,
            "kernels": self.kernels and asdict(self.kernels),
            "snr_db": snr if snr is not None and math.isfinite(snr) else None,
            "exact": snr == math.inf,
            "low_snr": self.low_snr,
            "codec": None if table is None else table.codec.spec,
            "rows": None if table is None else table.rows,
            "dim": None if table is None else table.dim,
            "kept_bytes": self.kept_bytes,
            "compression_ratio": self.compression_ratio,
        }


def _table_json(table: RebuiltTable) -> dict[str, Any]:
    small = table.embedding
    return {
        "layer": table.layer,
        "codec": small.codec.spec,
        "rows": small.rows,
        "dim": small.dim,
        "snr_db": table.snr_db if math.isfinite(table.snr_db) else None,
        "exact": table.snr_db == math.inf,
    }
