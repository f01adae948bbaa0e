"""Counts of more words than memory holds: exact, the rarest on disk."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from statistics import median_high
from typing import Any, Self

from embzip.files.writing import temporary_folder
from embzip.memory import available_memory

_BYTES_A_WORD = 200  # measured: 90 to 170, by the script and how the table has just grown
_FEWEST = 100_000
_MOST_FILES = 64


class Counts:
    """How often each word was counted; a context manager, which removes its files at the end.

    Words are held in memory until there are too many; then the rarer half goes to a file, in code
    point order. A word may be in several such files and in memory: its counts are added up where
    all are read, which merges the files. What is found does not depend on how many are held.

    Parameters
    ----------
    most
        Words that are held in memory; by default as many as a quarter of what is free holds.

    Raises
    ------
    OutputError
        If the disk has no space for words that memory does not hold.

    Examples
    --------
    >>> with Counts(most=2) as counts:
    ...     for text in ("the sea", "the ship", "the sea"):
    ...         counts.add(Counter(text.split()))
    ...     list(counts.items()), counts.total
    ([('sea', 2), ('ship', 1), ('the', 3)], 6)
    """

    def __init__(self, most: int | None = None) -> None:
        free = available_memory() // 4 // _BYTES_A_WORD
        self._most = max(_FEWEST, free) if most is None else most
        self._held: Counter[str] = Counter()
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._files: list[Path] = []
        self._written = 0
        self.total = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, counts: Counter[str]) -> None:
        """Add the counts of a block of texts."""
        self._held.update(counts)
        self.total += counts.total()
        while len(self._held) > self._most:
            self._spill()

    def items(self) -> Iterator[tuple[str, int]]:
        """Yield each word and its count; in code point order, where memory does not hold all."""
        if not self._files:
            yield from self._held.items()
            return
        held = ((word, self._held[word]) for word in sorted(self._held))
        yield from _merged([*map(_read, self._files), held])

    def _spill(self) -> None:
        """Move the words that are no more frequent than half of them to a file."""
        often = median_high(self._held.values())
        rare = sorted(word for word, count in self._held.items() if count <= often)
        self._write((word, self._held.pop(word)) for word in rare)
        if len(self._files) == _MOST_FILES:  # a process may have some hundreds open
            before, self._files = self._files, []
            self._write(_merged(list(map(_read, before))))
            for path in before:
                path.unlink()

    def _write(self, counts: Iterable[tuple[str, int]]) -> None:
        if self._folder is None:
            self._folder = self._stack.enter_context(temporary_folder())
        self._written += 1
        self._files.append(self._folder / str(self._written))
        with self._files[-1].open("w", encoding="utf-8") as file:
            file.writelines(f"{_line(word, count)}\n" for word, count in counts)


def _merged(parts: Sequence[Iterable[tuple[str, int]]]) -> Iterator[tuple[str, int]]:
    """Yield each word of parts that are sorted, and the sum of its counts."""
    for word, found in groupby(heapq.merge(*parts, key=itemgetter(0)), key=itemgetter(0)):
        yield word, sum(count for _, count in found)


def _line(word: str, count: int) -> str:
    return json.dumps((word, count), ensure_ascii=False)


def _read(path: Path) -> Iterator[tuple[str, int]]:
    with path.open(encoding="utf-8") as file:
        yield from (tuple(json.loads(line)) for line in file)
