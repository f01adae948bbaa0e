"""Writes files safely: atomic replacement, temporary files and folders.

Knows nothing about any file format.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from embzip.errors import EmbzipError, OutputError
from embzip.files.reading import URL, is_full, reason_of

# Host and process stand in the name of a temporary file, so that what a killed process left can
# be told from what another is writing. The user's name for the output has no place in it: that may
# be as long as a name can be.
_HOST = "".join(c if c.isalnum() else "-" for c in os.uname().nodename)[:60]
_MARK = f".embzip-{_HOST}-"
_SPECIAL = {
    stat.S_IFDIR: "directory",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "block device",
}
_LEFT_ALONE = 60  # seconds since the last change for which a leftover is kept


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` only if the block ends without an error.

    The bytes are written to a temporary file in the same folder, flushed to the disk and renamed.
    If `path` is a symbolic link, its target is replaced. An existing file keeps its mode; a new
    one gets the default mode under the umask. A character device, such as /dev/null, stays one:
    the bytes are written through it at the end.

    Raises
    ------
    OutputError
        If the folder is not writable or the disk is full; an existing file is left unchanged. If
        `path` is a folder, a FIFO, a socket or a block device.
    """
    check_writable_place(path)
    device = is_character_device(path)
    try:
        target = Path(os.path.realpath(path))
        folder = Path(tempfile.gettempdir()) if device else target.parent
        _remove_leftovers(folder)
        handle, name = tempfile.mkstemp(prefix=f"{_MARK}{os.getpid()}-", dir=folder)
    except (OSError, ValueError) as error:  # a name with a NUL byte is a ValueError
        raise OutputError(f"{path}: cannot write here: {reason_of(error)}") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            if device:
                file.seek(0)
                with target.open("wb") as through:
                    shutil.copyfileobj(file, through, 1 << 20)
                return
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_of(target))
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        if isinstance(error, EmbzipError) or error.errno is None:
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
    check_replaceable(path, marker)
    with temporary_folder(path.parent, for_output=path) as temporary:
        old = temporary / "old"
        made = temporary / "new"
        made.mkdir()
        try:
            yield made
            os.chmod(made, 0o777 & ~_umask())
            if path.exists():
                os.rename(path, old)
            os.rename(made, path)
            _sync_folder(path.parent)
        except OSError as error:
            if isinstance(error, EmbzipError) or error.errno is None:
                raise
            raise OutputError(
                f"{path}: writing failed ({error.strerror}); the old folder, if any, is untouched"
            ) from error
        finally:
            if old.exists() and not path.exists():
                os.rename(old, path)


@contextmanager
def temporary_folder(
    parent: str | Path | None = None, *, for_output: str | Path | None = None
) -> Iterator[Path]:
    """Yield a folder that is removed at the end, and remove what killed processes left beside it.

    Parameters
    ----------
    parent
        Where it is made; by default in the folder that TMPDIR names.
    for_output
        What a message names; by default the folder itself.

    Raises
    ------
    OutputError
        If `parent` is not writable, or full.
    """
    try:
        folder = Path(tempfile.gettempdir() if parent is None else parent)
        _remove_leftovers(folder)
        made = Path(tempfile.mkdtemp(prefix=f"{_MARK}{os.getpid()}-", dir=folder))
    except OSError as error:
        where = for_output or parent or "TMPDIR"
        raise OutputError(
            f"{where}: cannot write here: {reason_of(error)}"
            + (": name a folder that can be written to in TMPDIR" if parent is None else "")
        ) from error
    try:
        yield made
    except OSError as error:
        if isinstance(error, EmbzipError) or not is_full(error):
            raise
        raise OutputError(
            f"{for_output or folder}: writing failed ({error.strerror}): make room there"
            + (", or name another folder in TMPDIR" if parent is None else "")
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to the file `path`, atomically."""
    with atomic_write(path) as file:
        file.write(content)


def copy_file(path: str | Path, target: str | Path) -> None:
    """Copy a file, atomically: where there is no room, it is the target that is named."""
    with open(path, "rb") as source, atomic_write(target) as file:
        shutil.copyfileobj(source, file, 1 << 20)


def check_replaceable(path: Path, marker: str) -> None:
    """Raise OutputError unless nothing stands at `path`, or a folder that contains `marker`."""
    check_local(path)
    if path.is_dir() and not path.is_symlink() and (path / marker).is_file():
        return
    if path.exists() or path.is_symlink():
        raise OutputError(
            f"{path} already exists and is not a folder that contains {marker}: remove it, or "
            "choose another name"
        )


def is_character_device(path: str | Path) -> bool:
    """Tell whether `path` is a character device, such as /dev/null: one writes through it."""
    return _kind_at(path) == stat.S_IFCHR


def check_local(path: str | Path) -> None:
    """Raise OutputError for a URL: results are written on this machine."""
    if URL.match(str(path)) and not Path(path).parent.is_dir():
        raise OutputError(
            f"{path}: a result is written to a file of this machine, and this is a URL: name a "
            "file, and copy it there afterwards"
        )


def check_writable_place(path: str | Path) -> None:
    """Raise OutputError for a URL, and where a folder, FIFO, socket or block device stands."""
    check_local(path)
    kind = _kind_at(path)
    if kind in _SPECIAL:
        raise OutputError(
            f"{path}: expected the name of a file to write, found a {_SPECIAL[kind]}: choose "
            "another name"
        )


def _kind_at(path: str | Path) -> int | None:
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):  # nothing is there, or the name is impossible: writing says so
        return None


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that have ended, of this user on this host.

    A folder that was about to be replaced when its process was killed is left to the user.
    """
    for path in folder.glob(f"{_MARK}*"):
        process = path.name.removeprefix(_MARK).partition("-")[0]
        try:
            status = path.stat()
            if (
                process.isdigit()
                and status.st_uid == os.getuid()
                and time.time() - status.st_mtime > _LEFT_ALONE
                and not is_alive(int(process))
                and not (path / "old").exists()
            ):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:  # another process was faster, or may remove it
            continue


def is_alive(process: int) -> bool:
    """Tell whether a process of this host still runs."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


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
