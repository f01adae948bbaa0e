"""Reads and writes files safely: checked paths, atomic replacement, digests, output names.

Knows nothing about any file format.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from embzip.errors import MissingFileError, OutputError


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
    if path.is_dir():
        raise MissingFileError(f"{path}: expected a file, found a directory")
    if not path.exists():
        raise MissingFileError(f"{path}: no such file")
    if not os.access(path, os.R_OK):
        raise MissingFileError(f"{path}: you have no permission to read this file")
    return path


def output_path(
    source: str | Path,
    suffix: str,
    output: str | Path | None = None,
    *,
    force: bool = False,
    marker: str | None = None,
) -> Path:
    """Return the path of a command's result.

    Parameters
    ----------
    source
        The (first) input; `-`, standard input, counts as a file named `stdin`.
    suffix
        Replaces the suffix of the input, such as `.bpe.model`.
    output
        The path the user chose; an existing file is then replaced.
    force
        Whether a derived name may replace an existing file.
    marker
        If the result is a folder: the name of a file that every such folder contains. Only a
        folder that contains it is replaced.

    Raises
    ------
    OutputError
        If the derived name exists and `force` is false, or if the parent folder does not exist.

    Examples
    --------
    >>> output_path("texts/corpus.txt", ".bpe.model")
    PosixPath('corpus.bpe.model')
    """
    if output is not None:
        path = Path(output)
    else:
        name = "stdin" if str(source) == "-" else Path(source).name
        path = Path(name.removesuffix(Path(name).suffix) + suffix)
        if path.exists() and not force:
            raise OutputError(
                f"{path} already exists: choose another name with -o, or replace it with --force"
            )
    if marker is not None:
        _check_replaceable(path, marker)
    elif path.is_dir():
        raise OutputError(f"{path}: expected the name of a file to write, found a directory")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist: create it first")
    return path


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` only if the block ends without an error.

    The bytes are written to a temporary file in the same folder, flushed to the disk and renamed.
    If `path` is a symbolic link, its target is replaced. An existing file keeps its mode; a new
    one gets the default mode under the umask.

    Raises
    ------
    OutputError
        If the folder is not writable or the disk is full; an existing file is left unchanged.
    """
    target = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot write here: {error.strerror}") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_of(target))
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is None:
            raise
        raise OutputError(
            f"{path}: writing failed ({error.strerror}); the old file, if any, is untouched"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, *, marker: str) -> Iterator[Path]:
    """Yield a new folder that replaces `path` only if the block ends without an error.

    Operating systems replace a file in one step, but not a folder: between the two renames there
    is briefly no folder at `path`.

    Parameters
    ----------
    marker
        The name of a file that every folder of this kind contains. Only a folder that contains it
        is replaced.

    Raises
    ------
    OutputError
        If `path` exists and is not such a folder, or if its parent folder is not writable.
    """
    path = Path(path)
    _check_replaceable(path, marker)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise OutputError(f"{path}: cannot write here: {error.strerror}") from error
    old = temporary.with_name(f"{temporary.name}.old")
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        if path.exists():
            os.rename(path, old)
        os.rename(temporary, path)
        _sync_folder(path.parent)
    finally:
        if old.exists() and not path.exists():
            os.rename(old, path)
        for folder in (temporary, old):
            shutil.rmtree(folder, ignore_errors=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to the file `path`, atomically."""
    with atomic_write(path) as file:
        file.write(content)


def digest(content: bytes | memoryview) -> str:
    """Return the BLAKE2b digest of `content`: 16 bytes as 32 hexadecimal digits.

    >>> digest(b"embzip")
    '5723aeaa3b493a63a2859626c07f0fb8'
    """
    import hashlib  # imported here: it loads OpenSSL, 3.6 MB that serving does not need

    return hashlib.blake2b(content, digest_size=16).hexdigest()


def blocks_of(path: str | Path, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of a file, or all if it is shorter, a megabyte at a time."""
    with Path(path).open("rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 20))):
            yield block
            size -= len(block)


def _check_replaceable(path: Path, marker: str) -> None:
    if path.is_dir() and not path.is_symlink() and (path / marker).is_file():
        return
    if path.exists() or path.is_symlink():
        raise OutputError(
            f"{path} already exists and is not a folder that contains {marker}: remove it, or "
            "choose another name"
        )


def _mode_of(target: Path) -> int:
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    return 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
