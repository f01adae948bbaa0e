"""Files as they are when they are looked at, which must be the same when they are read.

Of one file, which another process reads under the same name; of several, whose digests say what
follows from them.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embzip.errors import ClusterError, InputError
from embzip.files.names import is_url
from embzip.files.reading import existing_file
from embzip.files.remote import digest_at, seen_as


@dataclass(frozen=True)
class SeenFile:
    """A file, and what it is now.

    Attributes
    ----------
    path
        Absolute, or a URL.
    state
        What is another where the file is another: bytes and nanoseconds; of a URL, what its
        protocol says, which is bytes at least.
    """

    path: str
    state: tuple[int, int] | str

    @staticmethod
    def of(path: str | Path) -> "SeenFile":
        """Look at a file; raises OSError where it is not there."""
        place = str(path) if is_url(path) else os.path.abspath(path)
        return SeenFile(place, _state(place))

    @contextmanager
    def found(self) -> Iterator[None]:
        """Check that this machine finds the same file, and let the block open it.

        Raises
        ------
        ClusterError
            Where it finds another one, or none.
        """
        try:
            if _state(self.path) != self.state:
                raise ClusterError(
                    f"{self.path}: a worker finds another file there than the client"
                )
            yield
        except OSError as error:
            raise ClusterError(
                f"{self.path}: workers read this file themselves, under the same name "
                f"({error.strerror or error}): put it on a file system that all machines share"
            ) from error


@dataclass(frozen=True)
class SeenFiles:
    """Files, here or elsewhere, and a digest of what is in each.

    Attributes
    ----------
    paths
        As they are named; none in a process that knows the digests alone.
    digests
        One of each, in the same order.
    seen
        As the files were before their digests were taken.
    """

    paths: tuple[str | Path, ...] = ()
    digests: tuple[str, ...] = ()
    seen: tuple[SeenFile, ...] = ()

    @staticmethod
    def of(paths: Iterable[str | Path]) -> "SeenFiles":
        """Read files for their digests.

        Raises
        ------
        MissingFileError
            For one that is not there, or is no regular file.
        InputError, MissingPackageError
            For a URL that cannot be read.
        """
        paths = tuple(path if is_url(path) else existing_file(path) for path in paths)
        seen = tuple(SeenFile.of(path) for path in paths)
        return SeenFiles(paths, tuple(digest_at(path) for path in paths), seen)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Let the block read the files, which are then what their digests say.

        Raises
        ------
        InputError
            At the end, for a file that is another one now, or gone.
        """
        yield
        for path, seen in zip(self.paths, self.seen, strict=True):
            try:
                same = _state(seen.path) == seen.state
            except OSError:
                same = False
            if not same:
                raise InputError(
                    f"{path}: was changed while it was read: run the command again when it stays "
                    "as it is"
                )


def _state(path: str) -> tuple[int, int] | str:
    if is_url(path):
        return seen_as(path)
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
