"""A file as one process sees it, which others must find again under the same name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embzip.errors import ClusterError
from embzip.files.locations import is_url
from embzip.files.remote import seen_as


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


def _state(path: str) -> tuple[int, int] | str:
    if is_url(path):
        return seen_as(path)
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
