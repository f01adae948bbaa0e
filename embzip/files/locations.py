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

from embzip.errors import InputError, MissingFileError
from embzip.files.names import is_url, local_name
from embzip.files.remote import listed

_MAGIC = re.compile(r"[*?[]")
_MAGIC_URL = re.compile(r"[*[]")  # there, a question mark begins a query


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
        found: Iterable[str] = listed(str(name))
    else:
        name = local_name(name) if isinstance(name, str) else name
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


def _pattern(name: Path) -> str:
    """Return a pattern in which folders that are there stand for themselves."""
    there = next((each for each in name.parents if os.path.lexists(each)), Path())
    return os.path.join(escape(str(there)) if there.parts else "", name.relative_to(there))
