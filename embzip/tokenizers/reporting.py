"""Texts of a corpus that tell how many bytes of its files were read."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from embzip.corpus import CorpusTexts
from embzip.files.remote import nbytes_of
from embzip.sources import files_of
from embzip.types import Progress


def reported(texts: CorpusTexts, progress: Progress | None) -> Iterable[str]:
    """Return the texts, which report how many bytes were read: at the first, after each megabyte.

    The total is the size of the files. If that is unknown (standard input, compressed files), the
    total grows with the bytes read.
    """
    return texts if progress is None else _Reported(texts, progress)


@dataclass
class _Reported:
    """Texts of a corpus; of its parts, what is given out counts as read."""

    texts: CorpusTexts
    progress: Progress
    done: int = 0
    shown: int = 0
    total: int = 0

    def __iter__(self) -> Iterator[str]:
        with self._reporting():
            yield from self._counted(self.texts)

    def parts(self) -> Iterator[Any]:
        """Yield the parts of the corpus."""
        with self._reporting():
            for part in self.texts.parts():
                if not callable(part):
                    yield self._counted(part)
                    continue
                yield part
                self._add(part.nbytes)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        self.done = self.shown = 0
        self.total = sum(map(nbytes_of, files_of(self.texts.paths)))
        yield
        self.total = self.done = max(self.done, self.total)
        self.progress(self.done, self.total)

    def _counted(self, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            if not self.done:
                self.progress(0, max(self.total, 1))
            yield text
            self._add(len(text.encode("utf-8", "surrogatepass")) + 1)

    def _add(self, nbytes: int) -> None:
        self.done += nbytes
        if self.done - self.shown >= 1 << 20:
            self.shown = self.done
            self.progress(self.done, max(self.done, self.total))
