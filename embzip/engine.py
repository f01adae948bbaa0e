"""Work over blocks: rows of a table or texts of a corpus, a bounded number at a time.

A function is given a block and returns what it found there; from here it is run over every block,
and the answers come back in order, or combined. Here that is a plain loop. A cluster would be put
here, and nowhere else: callers hand over functions of one block, and never loop themselves.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.types import Matrix

Found = TypeVar("Found")
Sums = tuple[Any, ...]

BLOCK_BYTES = 16_000_000
_TEXTS, _CHARACTERS = 10_000, 1 << 20  # of a block of texts: whichever is reached first


class Table(Protocol):
    """A (rows, dim) matrix that may be on disk, or be seen through transforms."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, dim)."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """Return a block of rows."""


def map_rows(
    function: Callable[[int, Matrix], Found], table: Table, *, divisor: int = 1
) -> Iterator[Found]:
    """Yield `function(first row, block)` of consecutive blocks of finite float32 rows, in order.

    Parameters
    ----------
    divisor
        How many times smaller blocks are than 16 MB, where the function makes copies.

    Raises
    ------
    InputError
        For a value that is not finite, or not finite in float32; names the row.

    Examples
    --------
    >>> list(map_rows(lambda first, block: float(block.max()), np.eye(3)))
    [1.0]
    """
    rows, dim = table.shape
    step = max(1, BLOCK_BYTES // (4 * max(1, dim) * divisor))
    for part in spans(rows, step):
        yield function(part.start, _finite_rows(table[part], part.start))


def reduce_rows(
    function: Callable[[int, Matrix], Found],
    combine: Callable[[Found, Found], Found],
    table: Table,
    *,
    divisor: int = 1,
) -> Found:
    """Return what `function` finds in all blocks, combined two by two, in order; see `map_rows`."""
    return reduce(combine, map_rows(function, table, divisor=divisor))


def sum_rows(function: Callable[[int, Matrix], Sums], table: Table, *, divisor: int = 1) -> Sums:
    """Return the sums of what `function` finds in all blocks: arrays or numbers, in a tuple.

    Examples
    --------
    >>> sum_rows(lambda first, block: (len(block), block.sum(axis=0)), np.eye(2))
    (2, array([1., 1.], dtype=float32))
    """
    return reduce_rows(function, _added, table, divisor=divisor)


def fill_rows(
    out: Matrix, function: Callable[[NDArray[np.int64]], Matrix], ids: NDArray[np.int64], step: int
) -> Matrix:
    """Write `function(ids)` of so many ids at a time into the rows of `out`, and return it."""
    for part in spans(len(ids), step):
        out[part] = function(ids[part])
    return out


def spans(length: int, step: int) -> Iterator[slice]:
    """Yield consecutive slices that cover a length.

    >>> list(spans(5, 3))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    for first in range(0, length, step):
        yield slice(first, min(first + step, length))


def map_texts(function: Callable[[list[str]], Found], texts: Iterable[str]) -> Iterator[Found]:
    """Yield `function(block)` of consecutive blocks of texts, in order.

    Examples
    --------
    >>> list(map_texts(len, ["sea", "ship"]))
    [2]
    """
    remaining = iter(texts)
    while block := _text_block(remaining):
        yield function(block)


def reduce_texts(
    function: Callable[[list[str]], Found],
    combine: Callable[[Found, Found], Found],
    texts: Iterable[str],
) -> Found | None:
    """Return what `function` finds in all blocks of texts, combined two by two; None without one.

    Neighbours of about equally many blocks are combined, as in a binary tree: what grows, such as
    a sum of sparse matrices, is gone through once for each doubling, and not for each block. The
    order depends on the texts alone.

    Examples
    --------
    >>> reduce_texts(len, int.__add__, ["sea", "ship"])
    2
    """
    halves: list[tuple[int, Found]] = []  # (blocks in it, found there): ever fewer blocks
    for found in map_texts(function, texts):
        size = 1
        while halves and halves[-1][0] == size:
            found, size = combine(halves.pop()[1], found), 2 * size
        halves.append((size, found))
    if not halves:
        return None
    return reduce(lambda later, half: combine(half, later), (half for _, half in halves[::-1]))


def count_texts(
    function: Callable[[list[str]], Counter[str]], texts: Iterable[str]
) -> Counter[str]:
    """Return the sum of the counts that `function` finds in blocks of texts."""
    total: Counter[str] = Counter()
    for found in map_texts(function, texts):
        total.update(found)
    return total


def _added(one: Sums, other: Sums) -> Sums:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _finite_rows(raw: NDArray[Any], first: int) -> Matrix:
    with np.errstate(over="ignore"):
        block = np.ascontiguousarray(raw, np.float32)
    if not _all_finite(block):
        row = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
        raise InputError(
            f"row {first + row}: a table must hold finite float32 numbers, found "
            f"{raw[row][~np.isfinite(block[row])][0]}"
        )
    return block


def _all_finite(block: Matrix) -> bool:
    """Say whether all numbers are finite; by the sum of squares, which is one fast pass, mostly."""
    flat = block.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.dot(flat, flat)
    return bool(np.isfinite(squares) or np.isfinite(block).all())


def _text_block(texts: Iterator[str]) -> list[str]:
    block: list[str] = []
    characters = 0
    for text in islice(texts, _TEXTS):
        block.append(text)
        characters += len(text)
        if characters >= _CHARACTERS:
            break
    return block
