"""Parts of a plain text file that can be read anywhere the file is seen, each by itself."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embzip.errors import ClusterError, InputError
from embzip.files.lines import LONGEST, Errors, lines_of
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
    path, size, changed
        The file, absolute, and what it was when it was cut: bytes, and nanoseconds.
    start, stop
        Bytes.
    """

    name: str
    path: str
    size: int
    changed: int
    start: int
    stop: int

    def __call__(self) -> list[str]:
        """Return the lines, as `lines_of` gives them.

        Raises
        ------
        InputError
            As `lines_of` does, with the same place.
        ClusterError
            Where this machine sees another file there, or none.
        """
        try:
            status = os.stat(self.path)
            if (status.st_size, status.st_mtime_ns) != (self.size, self.changed):
                raise ClusterError(
                    f"{self.path}: a worker finds another file there than the client"
                )
            with open(self.path, "rb") as file:
                file.seek(self.start)
                content = file.read(self.stop - self.start)
        except OSError as error:
            raise ClusterError(
                f"{self.path}: workers read texts from their file, under the same path "
                f"({error.strerror}): put it on a file system that all machines share, or pipe it: "
                "`cat FILE | embzip ... -`"
            ) from error
        try:
            text = content.decode("utf-8")
            if self.start == 0:
                text = text.removeprefix("\ufeff")
        except UnicodeDecodeError:
            self._refuse()
            raise
        lines = text.removesuffix("\n").split("\n")
        return [line.removesuffix("\r") for line in lines]

    def _refuse(self) -> None:
        """Raise what `lines_of` raises, which counts lines from the first."""
        try:
            for _ in lines_of(self.path, "strict"):
                pass
        except InputError as error:
            raise InputError(str(error).replace(self.path, self.name)) from error


def in_parts(path: str | Path, errors: Errors) -> bool:
    """Say whether a file can be read in parts: a large plain one, whose faults are refused."""
    if errors != "strict" or not os.path.isfile(path) or os.path.getsize(path) < _FEWEST * _BYTES:
        return False
    with open(path, "rb") as file:
        return compression_of(file.read(16)) is None


def line_parts(path: str | Path) -> Iterator[LinePart]:
    """Yield the parts of a file that `in_parts` takes, in order; each ends with a line's end."""
    status = os.stat(path)
    next(lines_of(path, "strict"))  # what is no text is refused by its first line
    step = min(max(_BYTES, status.st_size // _USUAL), _MOST)
    start = 0
    with open(path, "rb") as file:
        while start < status.st_size:
            file.seek(start + step)
            tail = file.readline(LONGEST)
            if len(tail) == LONGEST:
                for _ in lines_of(path, "strict"):  # which says where the line is
                    pass
            stop = min(file.tell(), status.st_size)
            yield LinePart(
                str(path), os.path.abspath(path), status.st_size, status.st_mtime_ns, start, stop
            )
            start = stop
