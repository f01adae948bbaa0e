"""Work over blocks of texts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar, runtime_checkable

from embzip.engine.clusters import Cluster, active
from embzip.engine.counts import Counts
from embzip.engine.folding import folded

Found = TypeVar("Found")

_TEXTS, _CHARACTERS = 10_000, 1 << 20  # of a block of texts: whichever is reached first
_MOST = 1 << 24  # bytes of a part of a file of which all answers are kept until it is read
_GROUP = 32  # blocks that workers combine before the client does: a power of two


class Part(Protocol):
    """Texts of a file that are not read yet: on a cluster, whoever works on them reads them."""

    @property
    def nbytes(self) -> int:
        """Bytes of the file that are read."""

    def __call__(self) -> Iterable[str]:
        """Return the texts: a block of them as a list, any number as another iterable."""


@runtime_checkable
class Parted(Protocol):
    """Texts that come in parts."""

    def parts(self) -> Iterator[Iterable[str] | Part]:
        """Yield texts, or parts that read some, in order."""


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
        # Of what is found in a part, all is in memory at once.
        parts = ((part,) for part in _parts(texts, _MOST))
        for found in cluster.map(_Each(function), parts):
            yield from found


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
    joined = _Joined(combine)
    return folded(_of_groups(cluster, function, joined, texts), joined)


@contextmanager
def count_texts(
    function: Callable[[list[str]], Counter[str]], texts: Iterable[str]
) -> Iterator[Counts]:
    """Give the sum of the counts that `function` finds in blocks of texts; read it in the block.

    Raises
    ------
    OutputError
        Where the disk has no space for words that memory does not hold.

    Examples
    --------
    >>> with count_texts(Counter, ["sea", "ship", "sea"]) as found:
    ...     dict(found.items()), found.total
    ({'sea': 2, 'ship': 1}, 3)
    """
    cluster = active()
    if cluster is None:
        each: Iterable[Counter[str] | None] = map_texts(function, texts)
    else:
        each = (merged for _, merged in _of_groups(cluster, function, _Joined(_merged), texts))
    with Counts() as counts:
        for one in each:
            if one is not None:  # as it is of an empty file
                counts.add(one)
        yield counts


def _merged(one: Counter[str], other: Counter[str]) -> Counter[str]:
    merged = one.copy()  # Dask may need what it was given again
    merged.update(other)
    return merged


def _of_groups(
    cluster: Cluster,
    function: Callable[[list[str]], Any],
    joined: "_Joined",
    texts: Iterable[str],
) -> Iterator[tuple[int, Any]]:
    """Yield (number of parts, what workers found in them, combined), a group after another."""
    groups = _in_groups(((part,) for part in _parts(texts)), _GROUP)
    yield from cluster.reduced(_Reduced(function, joined), joined, groups)


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(texts)
    while block := _text_block(remaining):
        yield block


def _parts(texts: Iterable[str], most: int | None = None) -> Iterator[list[str] | Part]:
    """Yield blocks of texts, and parts of files, of at most so many bytes: larger are read here."""
    if not isinstance(texts, Parted):
        yield from _blocks(texts)
        return
    for part in texts.parts():
        if not callable(part):
            yield from _blocks(part)
        elif most is None or part.nbytes <= most:
            yield part
        else:
            yield from _blocks(part())


def _read(part: list[str] | Part) -> Iterator[list[str]]:
    """Yield the blocks of a part: one, unless it is a whole file."""
    texts = part() if callable(part) else part
    yield from [texts] if isinstance(texts, list) else _blocks(texts)


@dataclass(frozen=True)
class _Each:
    """A function of blocks, called with those of a part."""

    function: Callable[[list[str]], Any]

    def __call__(self, part: list[str] | Part) -> list[Any]:
        return [self.function(block) for block in _read(part)]


@dataclass(frozen=True)
class _Joined:
    """What combines two answers; None is that of an empty file."""

    combine: Callable[[Any, Any], Any]

    def __call__(self, one: Any, other: Any) -> Any:
        if one is None or other is None:
            return one if other is None else other
        return self.combine(one, other)


@dataclass(frozen=True)
class _Reduced:
    """A function of blocks, called with those of a part, and what is found combined."""

    function: Callable[[list[str]], Any]
    combine: _Joined

    def __call__(self, part: list[str] | Part) -> Any:
        blocks = ((1, self.function(block)) for block in _read(part))
        return folded(blocks, self.combine)


def _in_groups(parts: Iterable[Found], size: int) -> Iterator[list[Found]]:
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
