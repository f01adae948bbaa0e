"""Work over blocks of texts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar, runtime_checkable

from embzip.engine.clusters import active
from embzip.engine.folding import folded

Found = TypeVar("Found")
Part = TypeVar("Part")

_TEXTS, _CHARACTERS = 10_000, 1 << 20  # of a block of texts: whichever is reached first
_GROUP = 32  # blocks that workers combine before the client does: a power of two


@runtime_checkable
class Parted(Protocol):
    """Texts that are not read yet: on a cluster, whoever works on a part reads it."""

    def parts(self) -> Iterator[Iterable[str] | Callable[[], list[str]]]:
        """Yield texts, or functions that read some, in order."""


def map_texts(function: Callable[[list[str]], Found], texts: Iterable[str]) -> Iterator[Found]:
    """Yield `function(block)` of consecutive blocks of texts, in order.

    Examples
    --------
    >>> list(map_texts(len, ["sea", "ship"]))
    [2]
    """
    cluster = active()
    if cluster is None:
        yield from map(function, _blocks(texts))
    else:
        yield from cluster.map(_OnPart(function), ((part,) for part in _parts(texts)))


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
    cluster = active()
    if cluster is None:
        return folded(((1, function(block)) for block in _blocks(texts)), combine)
    groups = _in_groups(((part,) for part in _parts(texts)), _GROUP)
    return folded(cluster.reduced(_OnPart(function), combine, groups), combine)


def count_texts(
    function: Callable[[list[str]], Counter[str]], texts: Iterable[str]
) -> Counter[str]:
    """Return the sum of the counts that `function` finds in blocks of texts."""
    if active() is not None:
        return reduce_texts(function, _merged, texts) or Counter()
    total: Counter[str] = Counter()
    for found in map_texts(function, texts):
        total.update(found)
    return total


def _merged(one: Counter[str], other: Counter[str]) -> Counter[str]:
    merged = one.copy()  # Dask may need what it was given again
    merged.update(other)
    return merged


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(texts)
    while block := _text_block(remaining):
        yield block


def _parts(texts: Iterable[str]) -> Iterator[list[str] | Callable[[], list[str]]]:
    """Yield blocks of texts, and what reads one, where the texts come in parts."""
    if not isinstance(texts, Parted):
        yield from _blocks(texts)
        return
    for part in texts.parts():
        if callable(part):
            yield part
        else:
            yield from _blocks(part)


class _OnPart:
    """A function of texts, which a worker reads where they are not given."""

    def __init__(self, function: Callable[[list[str]], Any]) -> None:
        self._function = function

    def __call__(self, part: list[str] | Callable[[], list[str]]) -> Any:
        return self._function(part() if callable(part) else part)


def _in_groups(parts: Iterable[Part], size: int) -> Iterator[list[Part]]:
    remaining = iter(parts)
    while group := list(islice(remaining, size)):
        yield group


def _text_block(texts: Iterator[str]) -> list[str]:
    block: list[str] = []
    characters = 0
    for text in islice(texts, _TEXTS):
        block.append(text)
        characters += len(text)
        if characters >= _CHARACTERS:
            break
    return block
