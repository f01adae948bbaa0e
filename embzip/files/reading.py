"""Paths that are read: checked before they are opened; digests of what they hold."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from embzip.errors import MissingFileError

URL = re.compile(r"[A-Za-z][\w.+-]+:/")  # in a Path, of two slashes one is left


def existing_file(path: str | Path) -> Path:
    """Return `path`, or raise `MissingFileError` if it is not a readable regular file."""
    path = readable_path(path)
    if not path.is_file():
        raise MissingFileError(
            f"{path}: expected a regular file, found a pipe or device: save its content to a file "
            "first"
        )
    return path


def readable_path(path: str | Path) -> Path:
    """Return `path`, or raise `MissingFileError` if it is a directory or cannot be read."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        why = "no such file" if absent else f"cannot be opened: {reason_of(error)}"
        if absent and URL.match(str(path)):
            why = (
                "this is a URL, and a file of this machine is read here: copy it first; in Python, "
                "a URL is a str, since a Path drops a slash of it"
            )
        raise MissingFileError(f"{path}: {why}") from error
    if stat.S_ISDIR(mode):
        raise MissingFileError(f"{path}: expected a file, found a directory")
    if not os.access(path, os.R_OK):
        raise MissingFileError(f"{path}: you have no permission to read this file")
    return path


def is_full(error: BaseException) -> bool:
    """Tell whether a failure means that there is no room for what is written."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def reason_of(error: BaseException) -> str:
    """Return what the operating system says of a failure, without the name of the file.

    >>> reason_of(FileNotFoundError(2, "No such file or directory", "a.txt"))
    'No such file or directory'
    """
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def digest(*parts: bytes | memoryview) -> str:
    """Return the BLAKE2b digest of bytes, one part after another: 32 hexadecimal digits.

    >>> digest(b"embzip")
    '5723aeaa3b493a63a2859626c07f0fb8'
    >>> digest(b"emb", b"zip") == digest(b"embzip")
    True
    """
    import hashlib  # imported here: it loads OpenSSL, 3.6 MB that serving does not need

    made = hashlib.blake2b(digest_size=16)
    for part in parts:
        made.update(part)
    return made.hexdigest()


def digest_of_file(path: str | Path) -> str:
    """Return the `digest` of a file's bytes, read a part at a time."""
    with Path(path).open("rb") as file:
        return digest_of_stream(file)


def digest_of_stream(file: BufferedReader) -> str:
    """Return the `digest` of the bytes that are left in a file, read a part at a time."""
    import hashlib

    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def blocks_of(path: str | Path, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of a file, or all if it is shorter, a megabyte at a time."""
    with Path(path).open("rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 20))):
            yield block
            size -= len(block)
