"""Rebuilds a classifier on a compressed table, without a framework.

The table stays compressed in memory: rows are decoded when they are looked up. Linear decoding (SVD
components, column scales, a mean) is folded into the kernels that read the table (convolutions, a
projection, the dense layer after a mean). So with a rank-64 table, convolutions are also 64 wide.
Nothing is trained here; `embzip.tf.tune` fine-tunes the result.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from embzip.classifier import Classifier, Kit
from embzip.classifier.folding import folded
from embzip.classifier.matching import matched
from embzip.classifier.storage import storage
from embzip.codecs.chain import Codec
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.embz.budgets import FileCodec, file_codec
from embzip.errors import InputError
from embzip.types import Arrays, Matrix

Model = TypeVar("Model", Classifier, Kit)
LOW_SNR_DB = 12.0  # below it, labels changed in a real model of which only the sizes were said
_RIDGE = 0.05  # share of the mean variance added to the metric, so that every direction counts


@dataclass(frozen=True, eq=False)
class RebuiltTable:
    """One table of a file that has several; the fields are those of `Rebuilt`."""

    layer: str
    embedding: CompressedEmbedding
    snr_db: float


@dataclass(frozen=True)
class RebuiltKernels:
    """The kernels of a file of Keras or TensorFlow: how they are stored, and their bytes."""

    form: str
    bytes_before: int
    bytes_after: int


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


def rebuild(
    classifier: Classifier,
    embedding: CompressedEmbedding | None = None,
    *,
    codec: str | Codec | None = None,
    fold: bool = True,
    kernels: str | None = None,
    seed: int = 0,
) -> Classifier:
    """Return a new classifier over a compressed table.

    Parameters
    ----------
    classifier
        The model, usually with a float32 table.
    embedding
        A compressed table to use instead of the model's own. Rows are matched by token. Its
        vocabulary must be that of the model or a part of it; missing tokens become unknown. For a
        foreign table without an unknown row, the row nearest to the model's unknown row is used.
    codec
        Instead of `embedding`: the codec that compresses the model's own table. The error is
        weighted by the square root of the token counts, if the table has counts, and by the metric
        of the kernels that read it (`reading_metric`). A size of `auto` bounds the table, as in
        `embzip.compress`; commands bound the file, by `bounded`.
    fold
        Whether linear decoding is folded into the kernels that read the table. Probabilities stay
        the same within 1e-5.
    kernels
        How a file stores the kernels of convolutions and dense layers: `float32`, `float16`,
        `int8`, `int4` or `int2`; None keeps the current form. Given alone, the table is not
        changed.

    Raises
    ------
    InputError
        Unless exactly one of `embedding` and `codec`, or only `kernels`, is given.
    SpecError
        For an unknown value of `kernels`.
    MismatchError
        For a table with another tokenizer, other tokens or another width.

    Examples
    --------
    >>> from embzip.classifier import CnnConfig, head_shapes
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4), tokenizer=words), "float32")
    >>> config = CnnConfig(columns=4, max_length=9, filters=2, windows=(1,))
    >>> ones = {n: np.ones(s, np.float32) for n, s in head_shapes(config, 2).items()}
    >>> small = rebuild(Classifier(table, ("sport", "politics"), config, ones), codec="svd:2|int8")
    >>> small.embedding.codec.spec, small.embedding.dim, small.config.columns
    ('int8', 2, 2)
    """
    table = table_for(classifier, embedding, codec=codec, kernels=kernels, seed=seed)
    return on_table(classifier, table, fold=fold, kernels=kernels)


def rebuild_kit(
    kit: Kit,
    embedding: CompressedEmbedding | None = None,
    *,
    codec: str | Codec | None = None,
    fold: bool = True,
    kernels: str | None = None,
    seed: int = 0,
) -> Kit:
    """Return a kit whose classifiers read one compressed table; otherwise like `rebuild`."""
    table = table_for(kit, embedding, codec=codec, kernels=kernels, seed=seed)
    return on_table(kit, table, fold=fold, kernels=kernels)


def table_for(
    model: Classifier | Kit,
    embedding: CompressedEmbedding | None = None,
    *,
    codec: str | Codec | None = None,
    kernels: str | None = None,
    seed: int = 0,
) -> CompressedEmbedding | None:
    """Return the table that `rebuild` builds on, before folding; None where the old one stays.

    For a kit, the metric is the sum of the classifiers' metrics, each divided by its trace, so
    that classifiers with larger kernels do not count more.
    """
    if embedding is not None and codec is None:
        return matched(model.embedding, embedding)
    if codec is None and kernels is not None:
        return None
    if embedding is not None or codec is None:
        received = "neither" if embedding is None else "both"
        raise InputError(f"rebuild takes exactly one of embedding and codec, received {received}")
    if isinstance(model, Classifier):
        metric = reading_metric(model)
    else:
        own = [reading_metric(classifier) for classifier in model.classifiers.values()]
        metric = np.sum([each / np.trace(each) for each in own], axis=0, dtype=np.float32)
    return compress(model.embedding, codec, metric=metric, seed=seed)


def bounded(
    model: Classifier | Kit,
    codec: str,
    *,
    fold: bool = True,
    kernels: str | None = None,
    tuned: bool = False,
) -> FileCodec:
    """Return a codec whose `auto` bounds the file of a model that is rebuilt with it.

    With `tuned`, the file has room for the record of a tuning that follows.
    """
    heads = {"": model} if isinstance(model, Classifier) else dict(model.classifiers)
    if tuned:
        heads = {
            n: replace(each, training=each.training.widest("tune")) for n, each in heads.items()
        }

    def made(table: CompressedEmbedding) -> tuple[CompressedEmbedding, Sequence[Arrays]]:
        rebuilt = {
            n: on_table(each, table, fold=fold, kernels=kernels) for n, each in heads.items()
        }
        stored = [each.tensors({"name": n} if n else {}) for n, each in rebuilt.items()]
        return next(iter(rebuilt.values())).embedding, stored

    return file_codec(codec, model.embedding, made)


def on_table(
    model: Model,
    table: CompressedEmbedding | None,
    *,
    fold: bool = True,
    kernels: str | None = None,
) -> Model:
    """Return a model on a table from `table_for`, with kernels in another form."""
    if isinstance(model, Kit):
        parts = model.classifiers.items()
        return Kit.of({n: on_table(each, table, fold=fold, kernels=kernels) for n, each in parts})
    storage(kernels or model.kernels)
    rebuilt = replace(model, kernels="float32", training=model.training.measured(None))
    if table is not None:
        rebuilt = folded(rebuilt, table) if fold else replace(rebuilt, embedding=table)
    return replace(rebuilt, kernels=kernels or model.kernels, digests={})  # rounded once, here


def reading_metric(classifier: Classifier) -> Matrix:
    """Return how much each direction of the table matters to the kernels that read it, (dim, dim).

    It is the sum of W W^T over those layers and all their taps, plus a ridge of 5 % of its mean
    variance.
    """
    dim = classifier.embedding.dim
    metric = np.zeros((dim, dim))
    for layer in classifier.config.readers:
        kernel = classifier.arrays[f"{layer}.kernel"].astype(np.float64)
        if layer in classifier.ranks:
            kernel = classifier.arrays[f"{layer}.reduce.kernel"].astype(np.float64) @ kernel
        for tap in kernel.reshape(-1, *kernel.shape[-2:])[:, :dim]:
            metric += tap @ tap.T
    ridge = _RIDGE * np.trace(metric) / dim
    return np.asarray(metric + max(ridge, 1e-12) * np.eye(dim), np.float32)
