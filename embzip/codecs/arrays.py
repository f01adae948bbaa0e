"""Tables that codecs read in row blocks, and how the tensors they make are laid out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.types import Matrix

BLOCK_BYTES = 16_000_000
AT_ONCE = 1 << 18  # rows that are looked up


class Table(Protocol):
    """A (rows, dim) matrix that may be on disk, or be seen through transforms."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, dim)."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """Return a block of rows."""


@dataclass(frozen=True)
class ArraySpec:
    """Name, dtype (NumPy's name) and shape of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        size = np.dtype(self.dtype).itemsize
        for length in self.shape:
            size *= length
        return size


@dataclass(frozen=True)
class Layout:
    """Every tensor of a compressed table."""

    codes: tuple[ArraySpec, ...] = ()
    params: tuple[ArraySpec, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(spec.nbytes for spec in self.codes + self.params)


def row_blocks(table: Table, *, divisor: int = 1) -> Iterator[tuple[int, Matrix]]:
    """Yield (first row, block): consecutive rows as finite float32, a bounded number of bytes.

    Raises
    ------
    InputError
        For a value that is not finite, or not finite in float32; names the row.
    """
    rows, dim = table.shape
    step = max(1, BLOCK_BYTES // (4 * max(1, dim) * divisor))
    for first in range(0, rows, step):
        raw = table[slice(first, min(rows, first + step))]
        with np.errstate(over="ignore"):
            block = np.ascontiguousarray(raw, np.float32)
        if not _all_finite(block):
            row = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise InputError(
                f"row {first + row}: a table must hold finite float32 numbers, found "
                f"{raw[row][~np.isfinite(block[row])][0]}"
            )
        yield first, block


def taken(
    values: NDArray[Any], index: NDArray[Any], out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return `values[index]` of an index (rows,), in blocks: NumPy widens one to 8 bytes a row.

    >>> taken(np.uint8([5, 7]), np.uint16([1, 1, 0]))
    array([7, 7, 5], dtype=uint8)
    """
    made = np.empty(len(index), values.dtype) if out is None else out
    for first in range(0, len(index), AT_ONCE):
        made[first : first + AT_ONCE] = values[index[first : first + AT_ONCE]]
    return made


def _all_finite(block: Matrix) -> bool:
    """Say whether all numbers are finite; by the sum of squares, which is one fast pass, mostly."""
    flat = block.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.dot(flat, flat)
    return bool(np.isfinite(squares) or np.isfinite(block).all())
