"""In which order neighbours are combined, wherever that is done."""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import TypeVar

Found = TypeVar("Found")


def folded(
    parts: Iterable[tuple[int, Found]], combine: Callable[[Found, Found], Found]
) -> Found | None:
    """Return what stands in parts (size, found), combined two by two, as in a binary tree.

    Neighbours of equal size are combined as soon as both are there. A part may be such a tree
    itself: the result is that of its own parts, if all but the last have one power of two as size.

    Examples
    --------
    >>> folded([(1, "a"), (1, "b"), (1, "c")], "({} {})".format)
    '((a b) c)'
    """
    halves: list[tuple[int, Found]] = []  # ever fewer parts in each
    for size, found in parts:
        while halves and halves[-1][0] == size:
            found, size = combine(halves.pop()[1], found), 2 * size
        halves.append((size, found))
    if not halves:
        return None
    return reduce(lambda later, half: combine(half, later), (half for _, half in halves[::-1]))
