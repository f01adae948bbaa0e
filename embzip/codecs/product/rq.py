"""`rq:M,bits=8`: residual quantization: a row is the sum of M entries, one of each codebook.

Each codebook describes what those before it leave; codes are searched by faiss with a beam. Better
than `pq` at the same bytes a row, with larger codebooks (M * 2**bits rows). Where the table has an
all-zero row, an entry of every codebook is zeros.

References: Chen, Guan and Wang 2010; Babenko and Lempitsky 2014 for additive codes.
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
    drawn_by_weight,
    import_faiss,
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
from embzip.errors import FileFormatError
from embzip.types import Arrays, Matrix

_DISTANCE_BYTES = 128_000_000  # of faiss's beam search
_BEAM = 5
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Rq(Quantizer):
    """Sum entries of M codebooks (residual quantization).

    Attributes
    ----------
    codebooks
        How many.
    bits
        Of a code: 1, 2, 4 or 8. A codebook has 2**bits entries.
    """

    codebooks: int
    bits: int = 8
    name: ClassVar[str] = "rq"
    usage: ClassVar[str] = ":M[,bits=1|2|4|8]"
    example: ClassVar[str] = "rq:16"
    tunable: ClassVar[tuple[str, ...]] = ("codebooks",)

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        return cls(*parts_and_bits(stage, "codebooks"))

    @property
    def stage(self) -> Stage:
        return stage_of(self.name, self.codebooks, self.bits)

    def layout(self, rows: int, dim: int) -> Layout:
        check_size(self.stage, rows, self.bits)
        shape = (self.codebooks, 2**self.bits, dim)
        codes = packed_specs(rows, self.codebooks, self.bits)
        return Layout(codes, (ArraySpec("codebooks", "float32", shape),))

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        faiss = import_faiss(str(self.stage))
        rows, mass = training_rows(table, self.bits, weights=weights, seed=seed)
        rows = drawn_by_weight(rows, mass, seed)
        divisor = power_of_two(rows)
        quantizer = self._faiss(faiss, table.shape[1])
        quantizer.cp.min_points_per_centroid = 1  # we refuse too few rows ourselves
        quantizer.cp.seed = seed % 2**31
        quantizer.train(scaled(rows, divisor))
        shape = (self.codebooks, 2**self.bits, table.shape[1])
        books = faiss.vector_to_array(quantizer.codebooks).reshape(shape).astype(np.float64)
        if has_zero_row(table):
            chosen = self._searched(faiss, rows, books * divisor)
            for book, column in enumerate(chosen.T):
                books[book] = with_zero(books[book], np.bincount(column, minlength=2**self.bits))
        # No sum of entries may leave float32.
        reach = float(np.abs(books).max(axis=(1, 2)).sum())
        if reach > 0:
            divisor = min(divisor, _LARGEST / reach * (1 - 1e-6))
        return {"codebooks": (books * divisor).astype(np.float32)}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        faiss = import_faiss(str(self.stage))
        books = params["codebooks"]
        codes = self._searched(faiss, block, books)
        zero = np.logical_not(np.any(books, axis=2))
        if zero.any(axis=1).all():
            codes[~np.any(block, axis=1)] = zero.argmax(axis=1)
        return dict(pack(codes, self.bits))

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        return {}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        entries = unpack(codes, params, ops)
        count, size, dim = params["codebooks"].shape
        stacked = ops.reshape(params["codebooks"], (count * size, dim))
        rows: Any = None
        for book in range(count):
            column = ops.reshape(ops.columns(entries, book, book + 1), (-1,))
            part = ops.take(stacked, ops.add(column, np.int32(book * size)))
            rows = part if rows is None else ops.add(rows, part)
        return rows

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        return byte_tables(np.arange(2**self.bits, dtype=np.int32), self.bits, self.codebooks)

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        reach = float(np.abs(params["codebooks"]).max(axis=(1, 2)).astype(np.float64).sum())
        if not reach <= _LARGEST:
            raise FileFormatError(f"{self.stage}: sums of entries must be finite numbers")

    def _faiss(self, faiss: Any, dim: int) -> Any:
        quantizer = faiss.ResidualQuantizer(dim, self.codebooks, self.bits)
        quantizer.max_mem_distances = _DISTANCE_BYTES
        # A beam wider than a codebook reads entries that are not there (faiss 1.15).
        quantizer.max_beam_size = min(_BEAM, 2**self.bits)
        return quantizer

    def _searched(
        self, faiss: Any, rows: Matrix, books: NDArray[np.floating[Any]]
    ) -> NDArray[np.uint8]:
        """Return (k, codebooks) entries found by faiss."""
        divisor = power_of_two(rows, books)
        quantizer = self._faiss(faiss, rows.shape[1])
        faiss.copy_array_to_vector(
            (books / divisor).astype(np.float32).reshape(-1), quantizer.codebooks
        )
        quantizer.is_trained = True
        packed = quantizer.compute_codes(scaled(rows, divisor))
        unpacked = faiss.unpack_bitstrings(packed, self.codebooks, self.bits)
        return np.asarray(unpacked, np.uint8)
