"""Work over blocks of rows."""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from embzip.engine.clusters import active
from embzip.engine.finite import finite_rows
from embzip.types import Matrix

Found = TypeVar("Found")
Sums = tuple[Any, ...]

BLOCK_BYTES = 16_000_000


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
    cluster = active()
    if cluster is None:
        for part in spans(rows, step):
            yield function(part.start, finite_rows(table[part], part.start))
        return
    from embzip.engine.shipping import OnRows, can_be_carried, source_of

    source = source_of(table)
    carried = can_be_carried(source)
    parts = (
        (part.start, part.stop, None if carried else np.asarray(source[part]))
        for part in spans(rows, step)
    )
    yield from cluster.map(OnRows(function, table, carried), parts)


def map_parts(function: Callable[[Any], Found], parts: Iterable[Any]) -> Iterator[Found]:
    """Yield `function(part)` of each part, in order, whatever a part is: rows that are sparse.

    Examples
    --------
    >>> list(map_parts(np.negative, [1, 2]))
    [np.int64(-1), np.int64(-2)]
    """
    cluster = active()
    if cluster is None:
        yield from map(function, parts)
    else:
        yield from cluster.map(function, ((part,) for part in parts))


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


def _added(one: Sums, other: Sums) -> Sums:
    return tuple(a + b for a, b in zip(one, other, strict=True))
