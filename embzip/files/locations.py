"""Where inputs are: files of this machine, by a name or a pattern, and files elsewhere, by a URL.

A pattern is the shell's: `corpus/*.txt.gz`, and `**` for folders of any depth. A name that a file
has is no pattern, nor is that of a folder before it. `~` is the user's folder. URLs are those of
fsspec, see `remote`; `file://` is only another way to write a path, and needs no fsspec.
"""

import os
import re
from collections.abc import Iterable
from glob import escape, iglob
from pathlib import Path
from urllib.parse import unquote

from embzip.errors import InputError, MissingFileError

_URL = re.compile(r"(?:[a-z][\w.+-]*::)*[a-z][\w.+-]+://", re.I)
_LOCAL = re.compile(r"(?:file|local)://(?:localhost(?=/))?", re.I)
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

    >>> located("s3://bucket//corpus.txt"), located("file:///tmp/a%20b.txt")
    ('s3://bucket//corpus.txt', PosixPath('/tmp/a b.txt'))
    """
    return name if is_url(name) else Path(_local(name))


def base_name(name: str | Path) -> str:
    """Return what a file is called, without its folder; of a URL, without its query either.

    >>> base_name("https://host/news.csv?key=a/b.c"), base_name("zip://a.txt::s3://b/c.zip")
    ('news.csv', 'a.txt')
    """
    if not is_url(name):
        return Path(name).name
    first = next(part for part in str(name).split("::") if "://" in part)
    protocol, _, place = first.partition("://")
    return Path(re.split("[?#]", place)[0] if protocol.lower().startswith("http") else place).name


def files_at(name: str | Path, folder: str | Path = "") -> list[str | Path]:
    """Return the files that a name stands for: those that match a pattern, in sorted order.

    Any other name is returned as it is, whether a file is there or not.

    Parameters
    ----------
    folder
        What a name begins at that is no whole path; by default, the current folder.

    Raises
    ------
    MissingFileError
        Where a pattern matches no file.
    InputError, MissingPackageError
        Where a URL with a pattern cannot be looked at.

    Examples
    --------
    >>> files_at("file:///tmp/corpus.txt"), files_at("news.tsv", "/data")
    (['/tmp/corpus.txt'], ['/data/news.tsv'])
    """
    if is_url(name):
        if not _MAGIC_URL.search(str(name)):
            return [name]
        from embzip.files.remote import listed

        found: Iterable[str] = listed(str(name))
    else:
        name = _local(name) if isinstance(name, str) else name
        if str(name).startswith("~") and not os.path.lexists(os.path.join(folder, name)):
            name = os.path.expanduser(name)
        if folder:
            name = os.path.join(folder, name)
        if not _MAGIC.search(str(name)) or os.path.lexists(name):
            return [name]
        matching = iglob(_pattern(Path(name)), recursive=True)
        found = (each for each in matching if not os.path.isdir(each))
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


def _local(name: str) -> str:
    """Return a name without `file://`, after which blanks and others may be written as `%20`."""
    path = _LOCAL.sub("", name, count=1)
    return path if path == name or os.path.lexists(path) else unquote(path)


def _pattern(name: Path) -> str:
    """Return a pattern in which folders that are there stand for themselves."""
    there = next((each for each in name.parents if os.path.lexists(each)), Path())
    return os.path.join(escape(str(there)) if there.parts else "", name.relative_to(there))
