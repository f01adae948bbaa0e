"""How bytes reach the disk: checked reads, atomic replacement, digests, default output names.

Knows nothing of any format.
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
    """Return `path`, or raise `MissingFileError` where it is no readable file."""
    path = Path(path)
    if path.is_dir():
        raise MissingFileError(f"{path}: expected a file, found a directory")
    if not path.exists():
        raise MissingFileError(f"{path}: no such file")
    if not os.access(path, os.R_OK):
        raise MissingFileError(f"{path}: no permission to read it")
    return path


def output_path(
    source: str | Path,
    suffix: str,
    output: str | Path | None = None,
    *,
    force: bool = False,
    marker: str | None = None,
) -> Path:
    """Return where a result goes.

    Parameters
    ----------
    source
        The (first) input; `-`, standard input, counts as a file named `stdin`.
    suffix
        What replaces the input's own suffix, such as `.bpe.model`.
    output
        An explicit choice, which may replace an existing file.
    force
        Whether a derived name may replace an existing file.
    marker
        Where the result is a folder: a file that stands in every such folder. Only a folder with
        it may be replaced.

    Raises
    ------
    OutputError
        Where the derived name exists and `force` is false, or the folder does not exist.

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
                f"{path} exists already: name the output with -o, or replace it with --force"
            )
    if marker is not None:
        _check_replaceable(path, marker)
    elif path.is_dir():
        raise OutputError(f"{path}: expected the name of a file to write, found a directory")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: its folder {path.parent} does not exist: create it first")
    return path


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` only when the block ends without an error.

    The bytes go to a temporary name in the same folder, are flushed to the disk and renamed.
    A symbolic link keeps pointing to its target, which is replaced; an existing file keeps its
    mode; a new one gets the mode the umask gives.

    Raises
    ------
    OutputError
        Where the folder or the disk refuses; the old file is untouched.
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
    """Give a new folder that replaces `path` only when the block ends without an error.

    For the moment between two renames there is no folder at `path`: systems replace files in one
    step, but not folders.

    Parameters
    ----------
    marker
        A file that stands in every folder of this kind: only a folder with it is replaced.

    Raises
    ------
    OutputError
        Where `path` is anything else than such a folder, or its folder cannot be written.
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
    """Replace the file `path` by `content`, atomically."""
    with atomic_write(path) as file:
        file.write(content)


def digest(content: bytes | memoryview) -> str:
    """Return the BLAKE2b digest of `content`, 16 bytes as 32 hexadecimal digits.

    >>> digest(b"embzip")
    '5723aeaa3b493a63a2859626c07f0fb8'
    """
    import hashlib  # OpenSSL comes along, 3.6 MB that a served model does without

    return hashlib.blake2b(content, digest_size=16).hexdigest()


def blocks_of(path: str | Path, size: int) -> Iterator[bytes]:
    """Yield a file's first `size` bytes, or all of a shorter one, a megabyte at a time."""
    with Path(path).open("rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 20))):
            yield block
            size -= len(block)


def _check_replaceable(path: Path, marker: str) -> None:
    if path.is_dir() and not path.is_symlink() and (path / marker).is_file():
        return
    if path.exists() or path.is_symlink():
        raise OutputError(
            f"{path}: exists already and is no folder with a {marker}: remove it, or name another"
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
