"""What `tcq` and `mixed` share: classes of rows, so that long rows get more bytes than short ones.

A row's number in column j of class c is coded as

    (number - mean[c, j]) / deviation[c, j]        in bits[c, j] bits, none where that is 0

and `tcq` and `mixed` say how such a number of unit variance becomes bits. Classes and bits come
from reverse water-filling, see `allocation`.

Codes: `stream` holds the rows' bytes, `classes` and `offsets` tell where each begins (`index`).
Params: `bits`, and means and deviations in a byte each (`moments`). Codes take `bits` a number on
average; the params come on top, and do not grow with the rows.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer
from embzip.codecs.bit_planes import BLOCK, bit_planes
from embzip.codecs.ops import ArrayOps, numpy_ops
from embzip.codecs.row_classes.allocation import allocate, row_sizes
from embzip.codecs.row_classes.bins import Numbers, gather_bins
from embzip.codecs.row_classes.index import (
    by_class,
    checked_length,
    locate,
    margin,
    starts_of,
)
from embzip.codecs.row_classes.joining import join_classes
from embzip.codecs.row_classes.losses import MOST_BITS, Losses
from embzip.codecs.row_classes.moments import LEAST, SHARES, decoded_moments, moment_params
from embzip.codecs.row_classes.tails import count_tails, errors_by_magnitude
from embzip.engine import Table, map_rows
from embzip.errors import FileFormatError, SpecError
from embzip.types import Arrays, Matrix

_ROWS, _TOGETHER = 4096, 2048  # rows of a class that are encoded and decoded at a time
_FEW = 512  # up to so many rows are decoded faster together than class by class
_FARTHEST = np.float32(1000)  # deviations: far beyond every value, and its square is finite


@dataclass(frozen=True)
class RowClasses(Quantizer):
    """A quantizer with classes of rows.

    Attributes
    ----------
    bits
        Stored bits a number on average, above 0, up to 8; fractions allowed.
    classes
        Classes of rows, 2 to 16. All-zero rows take one, where there are any.
    nbytes
        Bytes of the stream where they do not follow from `bits`: in a table of selected rows.
    """

    bits: float
    classes: int = 8
    nbytes: int | None = None

    @property
    def numbers_at_once(self) -> int:
        return 1_600_000  # so many rows that each class has enough of them

    def layout(self, rows: int, dim: int) -> Layout:
        blocks = -(-rows // BLOCK)
        planes = (self.classes - 1).bit_length()
        total = int(rows * dim * self.bits / 8)
        offset = "int32" if (total if self.nbytes is None else self.nbytes) < 2**31 else "int64"
        own = blocks * (planes * BLOCK // 8 + np.dtype(offset).itemsize)
        stream = max(total - own, margin(dim)) if self.nbytes is None else self.nbytes
        return Layout(
            (
                ArraySpec("stream", "uint8", (stream,)),
                ArraySpec("classes", "uint8", (blocks, planes, BLOCK // 8)),
                ArraySpec("offsets", offset, (blocks,)),
            ),
            (
                ArraySpec("bits", "uint8", (self.classes, dim)),
                ArraySpec("deviation", "uint8", (self.classes, dim)),
                ArraySpec("mean", "int8", (self.classes, dim)),
                ArraySpec("scale", "float32", (self.classes, 2)),
            ),
        )

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        rows, dim = table.shape
        if self.nbytes is not None:
            raise SpecError(
                f"{str(self.stage)!r}: nbytes follows from the rows that a file was cut down to; "
                f"to compress, write {self.name}:{self.stage.arguments[0]} without it"
            )
        stream, classes, offsets = self.layout(rows, dim).codes
        bins = gather_bins(table, weights)
        budget = stream.nbytes - margin(dim)
        losses, errors = self.losses(), _errors_by_magnitude(replace(self, bits=1.0, classes=2))
        count = partial(count_tails, table, weights, losses, errors)
        found = allocate(bins, losses, count, classes=self.classes, budget=budget)
        return {
            "bits": found.bits,
            **moment_params(found),
            # Not in the layout, so not stored as params: `store` writes the codes by them.
            "of_row": found.of_row,
            "planes": bit_planes(found.of_row, classes.shape[1]),
            "starts": starts_of(found.of_row, row_sizes(found.bits), offsets.dtype),
        }

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        of_row = params["of_row"][first_row : first_row + len(block)]
        bits = params["bits"]
        sizes = row_sizes(bits)
        lengths = sizes[of_row]
        starts = np.cumsum(lengths) - lengths
        stream = np.empty(int(lengths.sum()), np.uint8)
        deviation, mean = decoded_moments(params, numpy_ops)
        variance = SHARES[params["deviation"]] ** 2  # of the class's largest: none overflows
        for index in np.unique(of_row):
            columns = np.flatnonzero(bits[index])
            if not len(columns):
                continue
            widths = bits[index, columns].tolist()
            members = np.flatnonzero(of_row == index)
            divisor = deviation[index, columns]
            inverse = np.divide(
                np.float32(1), divisor, out=np.zeros_like(divisor), where=divisor > LEAST
            )
            for first in range(0, len(members), _ROWS):
                chosen = members[first : first + _ROWS]
                with np.errstate(over="ignore"):
                    numbers = (block[np.ix_(chosen, columns)] - mean[index, columns]) * inverse
                np.clip(numbers, -_FARTHEST, _FARTHEST, out=numbers)
                packed = self.encode_numbers(numbers, widths, variance[index, columns])
                stream[starts[chosen][:, None] + np.arange(sizes[index])] = packed
        return {"stream": stream}

    def store(
        self,
        codes: Mapping[str, NDArray[Any]],
        encoded: Arrays,
        params: Arrays,
        first_row: int,
    ) -> None:
        if first_row == 0:
            codes["classes"][:] = params["planes"]
            codes["offsets"][:] = params["starts"]
        before = params["of_row"][first_row // BLOCK * BLOCK : first_row]
        start = int(params["starts"][first_row // BLOCK])
        start += int(row_sizes(params["bits"])[before].sum())
        part = encoded["stream"]
        codes["stream"][start : start + len(part)] = part

    def take(self, codes: Mapping[str, Any], ids: Any, ops: ArrayOps = numpy_ops) -> dict[str, Any]:
        return {**codes, "ids": ids}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        start, of_row = locate(codes, params, ops)
        numbers = self.decode_numbers(codes["stream"], start, of_row, params["bits"], ops)
        deviation, mean = decoded_moments(params, ops)
        scaled = ops.multiply(numbers, ops.take(deviation, of_row))
        return ops.add(scaled, ops.take(mean, of_row))

    def decode_rows(self, codes: Arrays, params: Arrays, ids: NDArray[np.int64]) -> Matrix:
        if len(ids) <= _FEW:
            return super().decode_rows(codes, params, ids)
        bits = params["bits"]
        deviation, mean = decoded_moments(params, numpy_ops)
        decoded = np.empty((len(ids), bits.shape[1]), np.float32)
        for index, rows, starts in by_class(codes, row_sizes(bits), ids, _TOGETHER):
            active = bits[index] > 0
            if not active.any():
                decoded[rows] = mean[index]
                continue
            numbers = self.decode_class(codes["stream"], starts, bits[index, active])
            if not active.all():
                # A column without bits repeats another's number, and its deviation 0 removes it.
                numbers = numbers.take(np.maximum(np.cumsum(active) - 1, 0), axis=1)
            numbers *= deviation[index]
            numbers += mean[index]
            decoded[rows] = numbers
        return decoded

    def select(
        self, codes: Arrays, params: Arrays, ids: NDArray[np.int64]
    ) -> tuple[Quantizer, dict[str, NDArray[Any]]]:
        start, of_row = locate({**codes, "ids": ids}, params, numpy_ops)
        sizes = row_sizes(params["bits"])
        lengths = sizes[of_row]
        dim = params["bits"].shape[1]
        stream = np.zeros(int(lengths.sum()) + margin(dim), np.uint8)
        place = np.cumsum(lengths) - lengths
        for index in np.unique(of_row):
            chosen = np.flatnonzero(of_row == index)
            within = np.arange(sizes[index])
            stream[place[chosen][:, None] + within] = codes["stream"][start[chosen] + within]
        return self._indexed(stream, of_row.astype(np.uint8), params)

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        return {}

    def extended(
        self, codes: Arrays, params: Arrays, rows: int, table: Table
    ) -> tuple[Quantizer, dict[str, NDArray[Any]]]:
        found = join_classes(table, codes, params, rows, self.losses())
        known = {**params, "of_row": found[rows:]}
        parts = map_rows(lambda first, block: self.encode(block, known, first)["stream"], table)
        kept = codes["stream"][: int(row_sizes(params["bits"])[found[:rows]].sum())]
        unused = np.zeros(margin(table.shape[1]), np.uint8)
        return self._indexed(np.concatenate([kept, *parts, unused]), found, params)

    def _indexed(
        self, stream: NDArray[np.uint8], of_row: NDArray[np.uint8], params: Arrays
    ) -> tuple[Quantizer, dict[str, NDArray[Any]]]:
        """Return the quantizer and codes of rows, by their bytes and classes."""
        quantizer = replace(self, nbytes=len(stream))
        _, classes, offsets = quantizer.layout(len(of_row), params["bits"].shape[1]).codes
        return quantizer, {
            "stream": stream,
            "classes": bit_planes(of_row, classes.shape[1]),
            "offsets": starts_of(of_row, row_sizes(params["bits"]), offsets.dtype),
        }

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        bits, scale = params["bits"], params["scale"]
        if (bits > MOST_BITS).any():
            raise FileFormatError(
                f"{self.name}: a number takes at most {MOST_BITS} bits, found {bits.max()}"
            )
        if (scale < 0).any():
            raise FileFormatError(f"{self.name}: a scale must not be negative, found {scale.min()}")
        if params["deviation"][bits == 0].any():
            raise FileFormatError(f"{self.name}: a column without bits must have no deviation")
        length = checked_length(self.name, codes, row_sizes(bits), rows)
        if length + margin(bits.shape[1]) > len(codes["stream"]):
            raise FileFormatError(
                f"{self.name}: the rows take {length} bytes, "
                f"the stream holds {len(codes['stream'])}"
            )

    def check_taken(self, taken: Arrays, params: Arrays) -> None:
        unread = {name: taken[name][:0] for name in ("classes", "offsets")}
        self.check({**taken, **unread}, params, 0)
        if (taken["offsets"][np.asarray(taken["ids"]) // BLOCK] < 0).any():
            raise FileFormatError(f"{self.name}: an offset must not be negative")

    @abstractmethod
    def losses(self) -> Losses:
        """Return what Gaussian numbers of 0 to 8 bits lose by this quantizer."""

    @abstractmethod
    def encode_numbers(
        self, numbers: Matrix, bits: Sequence[int], variance: Matrix
    ) -> NDArray[np.uint8]:
        """Return the bytes (rows, b) of numbers (rows, n) of unit variance, of n times 1 to 8 bits.

        `variance` (n,) is what was divided out, up to a common factor: what an error counts.
        """

    @abstractmethod
    def decode_numbers(self, stream: Any, start: Any, of_row: Any, bits: Any, ops: ArrayOps) -> Any:
        """Return the numbers of unit variance (k, dim) of rows; any finite ones without bits.

        Parameters
        ----------
        start, of_row
            (k, 1) the first byte and (k,) the class of each row.
        bits
            (classes, dim).
        """

    def decode_class(
        self, stream: NDArray[np.uint8], start: NDArray[np.int64], bits: NDArray[np.uint8]
    ) -> Matrix:
        """Return the numbers (k, n) of rows of one class, in the n columns that have bits."""
        of_row = np.zeros(1, np.int32)
        numbers: Matrix = self.decode_numbers(stream, start[:, None], of_row, bits[None], numpy_ops)
        return numbers


@cache
def _errors_by_magnitude(quantizer: RowClasses) -> Numbers:
    """Return `errors_by_magnitude` of a quantizer; the same for all bits and classes."""

    def quantized(numbers: Matrix, bits: int) -> Matrix:
        rows, dim = numbers.shape
        packed = quantizer.encode_numbers(numbers, [bits] * dim, np.ones(dim, np.float32))
        stream = np.concatenate([packed.ravel(), np.zeros(margin(dim), np.uint8)])
        starts = np.arange(rows) * packed.shape[1]
        return quantizer.decode_class(stream, starts, np.full(dim, bits, np.uint8))

    return errors_by_magnitude(quantized)
