"""Where inputs are: files of this machine, by a name or a pattern, and files elsewhere, by a URL.

A pattern is the shell's: `corpus/*.txt.gz`, and `**` for folders of any depth. A name that a file
has is no pattern. URLs are those of fsspec, see `remote`; `file://` is only another way to write a
path, and needs no fsspec.
"""

import os
import re
from collections.abc import Iterable
from glob import iglob
from pathlib import Path

from embzip.errors import InputError, MissingFileError

_URL = re.compile(r"(?:[a-z][\w.+-]*::)*[a-z][\w.+-]+://", re.I)
_LOCAL = re.compile(r"(?:file|local)://", re.I)
_MAGIC = re.compile(r"[*?[]")
_MAGIC_URL = re.compile(r"[*[]")  # there, a question mark begins a query


def is_url(name: str | Path) -> bool:
    """Say whether a name is that of a file elsewhere.

    >>> is_url("s3://bucket/corpus.txt"), is_url("file:///tmp/corpus.txt"), is_url("corpus.txt")
    (True, False, False)
    """
    return isinstance(name, str) and bool(_URL.match(name)) and not _LOCAL.match(name)


def located(name: str) -> str | Path:
    """Return what a user typed as a path, or as a URL, of which a path would drop slashes.

    >>> located("s3://bucket//corpus.txt"), located("file:///tmp/corpus.txt")
    ('s3://bucket//corpus.txt', PosixPath('/tmp/corpus.txt'))
    """
    return name if is_url(name) else Path(_LOCAL.sub("", name, count=1))


def files_at(name: str | Path) -> list[str | Path]:
    """Return the files that a name stands for: those that match a pattern, in sorted order.

    Any other name is returned as it is, whether a file is there or not.

    Raises
    ------
    MissingFileError
        Where a pattern matches no file.
    InputError, MissingPackageError
        Where a URL with a pattern cannot be looked at.

    Examples
    --------
    >>> files_at("file:///tmp/corpus.txt")
    ['/tmp/corpus.txt']
    """
    if is_url(name):
        if not _MAGIC_URL.search(str(name)):
            return [name]
        from embzip.files.remote import listed

        found: Iterable[str] = listed(str(name))
    else:
        name = _LOCAL.sub("", name, count=1) if isinstance(name, str) else name
        if not _MAGIC.search(str(name)) or os.path.lexists(name):
            return [name]
        found = (each for each in iglob(str(name), recursive=True) if not os.path.isdir(each))
    files: list[str | Path] = [*sorted(found)]
    if not files:
        raise MissingFileError(f"{name}: no file matches this pattern")
    return files


def file_at(name: str | Path) -> str | Path:
    """Return the one file that a name stands for, as `files_at` does.

    Raises
    ------
    InputError
        Where a pattern matches several files.
    """
    first, *others = files_at(name)
    if others:
        raise InputError(
            f"{name}: one file is read here, and {1 + len(others):,} match this pattern, such as "
            f"{first} and {others[0]}: name one of them"
        )
    return first
