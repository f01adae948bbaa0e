"""`pq:M,bits=8`: product quantization: the columns in M parts, a code a part, fitted by faiss.

Parts are as even as can be: of 10 columns in 4 parts two have 3 and two have 2. Decoding is a
look-up a part. Where the table has an all-zero row, an entry of every codebook is zeros.

References: Jégou, Douze and Schmid 2011.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer
from embzip.codecs.codebooks import (
    check_size,
    import_faiss,
    nearest,
    parts_and_bits,
    power_of_two,
    scaled,
    stage_of,
    training_rows,
    with_zero,
)
from embzip.codecs.ops import ArrayOps
from embzip.codecs.sampling import has_zero_row
from embzip.codecs.spec import Stage
from embzip.codecs.sub_byte import byte_tables, pack, packed_specs, unpack
from embzip.engine import Table
from embzip.errors import SpecError
from embzip.types import Arrays, Matrix

_ROUNDS = 25


@dataclass(frozen=True)
class Pq(Quantizer):
    """Cluster each of M parts of the columns by itself (product quantization).

    Attributes
    ----------
    parts
        How many, at most the columns.
    bits
        Of a code: 1, 2, 4 or 8. A codebook has 2**bits entries.
    """

    parts: int
    bits: int = 8
    name: ClassVar[str] = "pq"
    usage: ClassVar[str] = ":M[,bits=1|2|4|8]"
    example: ClassVar[str] = "pq:30"
    tunable: ClassVar[tuple[str, ...]] = ("centroids", "narrow")

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        return cls(*parts_and_bits(stage, "parts"))

    @property
    def stage(self) -> Stage:
        return stage_of(self.name, self.parts, self.bits)

    def layout(self, rows: int, dim: int) -> Layout:
        if self.parts > dim:
            raise SpecError(f"'{self.stage}' has more parts than the table's {dim} columns")
        check_size(self.stage, rows, self.bits)
        return Layout(
            packed_specs(rows, self.parts, self.bits),
            tuple(
                ArraySpec(name, "float32", (parts, 2**self.bits, width))
                for name, parts, width in self._groups(dim)
            ),
        )

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        faiss = import_faiss(str(self.stage))
        rows, mass = training_rows(table, self.bits, weights=weights, seed=seed)
        zero = has_zero_row(table)
        params = {}
        first = 0
        for name, parts, width in self._groups(table.shape[1]):
            codebooks = np.zeros((parts, 2**self.bits, width), np.float32)
            for part in range(parts):
                columns = rows[:, first : first + width]
                first += width
                divisor = power_of_two(columns)
                kmeans = faiss.Kmeans(
                    width,
                    2**self.bits,
                    niter=_ROUNDS,
                    seed=seed % 2**31,
                    min_points_per_centroid=1,  # we refuse too few rows ourselves
                    max_points_per_centroid=2**31 - 1,
                )
                kmeans.train(scaled(columns, divisor), weights=mass.astype(np.float32))
                centroids = (kmeans.centroids.astype(np.float64) * divisor).astype(np.float32)
                if zero:
                    chosen = nearest(faiss, columns, centroids)
                    uses = np.bincount(chosen, weights=mass, minlength=2**self.bits)
                    centroids = with_zero(centroids, uses)
                codebooks[part] = centroids
            params[name] = codebooks
        return params

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        faiss = import_faiss(str(self.stage))
        codes = np.zeros((len(block), self.parts), np.uint8)
        column = part = 0
        for name, _, width in self._groups(block.shape[1]):
            for codebook in params[name]:
                codes[:, part] = nearest(faiss, block[:, column : column + width], codebook)
                column, part = column + width, part + 1
        return dict(pack(codes, self.bits))

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        return {}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        entries = unpack(codes, params, ops)
        found = []
        first = 0
        for name in ("centroids", "narrow"):
            if name not in params:
                continue
            parts, size, width = params[name].shape
            group = ops.columns(entries, first, first + parts)
            # All codebooks one below the other: a part's entries begin at a multiple of their size.
            starts = np.arange(parts, dtype=np.int32) * np.int32(size)
            stacked = ops.reshape(params[name], (parts * size, width))
            points = ops.take(stacked, ops.add(group, starts))
            found.append(ops.reshape(points, (-1, parts * width)))
            first += parts
        return found[0] if len(found) == 1 else ops.concatenate(found, axis=1)

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        return byte_tables(np.arange(2**self.bits, dtype=np.int32), self.bits, self.parts)

    def _groups(self, dim: int) -> list[tuple[str, int, int]]:
        """Return (name of the codebooks, parts, columns a part)."""
        width, wider = divmod(dim, self.parts)
        if not wider:
            return [("centroids", self.parts, width)]
        return [("centroids", wider, width + 1), ("narrow", self.parts - wider, width)]
