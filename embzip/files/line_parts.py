"""Parts of text files that can be read anywhere the file is seen, each by itself.

A large plain file is cut at ends of lines. A compressed one can be read from its beginning only,
and is a part where there are others; so is a file elsewhere.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embzip.errors import InputError
from embzip.files.lines import LONGEST, lines_of
from embzip.files.names import is_url
from embzip.files.remote import nbytes_of
from embzip.files.seen import SeenFile
from embzip.files.streams import compression_of

# Of a part, beside the rest of its last line: few of them cost less, many keep all workers busy.
_BYTES, _MOST = 1 << 20, 1 << 24
_FEWEST, _USUAL = 4, 64  # parts: a smaller file is read once, a larger one has larger parts


@dataclass(frozen=True)
class LinePart:
    """Some lines of a file; called, it reads them.

    Attributes
    ----------
    name
        Of the file, in messages.
    file
        As it was when it was cut.
    start, stop
        Bytes.
    """

    name: str
    file: SeenFile
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """Bytes of the file that are read."""
        return self.stop - self.start

    def __call__(self) -> list[str]:
        """Return the lines, as `lines_of` gives them.

        Raises
        ------
        InputError
            As `lines_of` does, with the same place.
        ClusterError
            Where this machine sees another file there, or none.
        """
        with self.file.found(), open(self.file.path, "rb") as file:
            file.seek(self.start)
            content = file.read(self.nbytes)
        try:
            text = content.decode("utf-8")
            if self.start == 0:
                text = text.removeprefix("\ufeff")
        except UnicodeDecodeError:
            for _ in FilePart(self.name, self.file, 0)():  # which counts lines from the first
                pass
            raise
        lines = text.removesuffix("\n").split("\n")
        return [line.removesuffix("\r") for line in lines]


@dataclass(frozen=True)
class FilePart:
    """All lines of a file; called, it reads them, a few at a time.

    Attributes
    ----------
    name, file
        As of a `LinePart`.
    nbytes
        Of the file, compressed where it is.
    """

    name: str
    file: SeenFile
    nbytes: int

    def __call__(self) -> Iterator[str]:
        """Yield the lines; raises as a `LinePart` does."""
        with self.file.found():
            pass
        try:
            for _, line in lines_of(self.file.path, "strict"):
                yield line
        except InputError as error:
            raise InputError(str(error).replace(self.file.path, self.name)) from error


def parts_of(path: str | Path, *, alone: bool) -> Iterator[LinePart | FilePart] | None:
    """Return the parts of a file, in order; None of one that is to be read here.

    Parameters
    ----------
    alone
        Whether it is the only file, of which no part is read elsewhere unless it can be cut.
    """
    if is_url(path):
        # What stands in this process's memory, no other one sees.
        return None if alone or "memory://" in str(path) else _whole(path)
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        packed = compression_of(file.read(16)) is not None
    if packed:
        return None if alone else _whole(path)
    return _cut(path) if os.path.getsize(path) >= _FEWEST * _BYTES else None


def _whole(path: str | Path) -> Iterator[FilePart]:
    yield FilePart(str(path), SeenFile.of(path), nbytes_of(path))


def _cut(path: str | Path) -> Iterator[LinePart]:
    """Yield parts that end with a line's end."""
    seen, size = SeenFile.of(path), os.path.getsize(path)
    step = min(max(_BYTES, size // _USUAL), _MOST)
    start = 0
    with open(path, "rb") as file:
        while start < size:
            file.seek(start + step)
            tail = file.readline(LONGEST)
            if len(tail) == LONGEST:
                for _ in lines_of(path, "strict"):  # which says where the line is
                    pass
            stop = min(file.tell(), size)
            yield LinePart(str(path), seen, start, stop)
            start = stop
