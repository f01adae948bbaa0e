"""Files elsewhere, by the URLs of fsspec: opened, listed, copied here; what goes wrong, in a line.

fsspec is imported when a URL is given. What a protocol needs beside it is the user's to install.
"""

import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from embzip.choices import unknown
from embzip.errors import EmbzipError, InputError, MissingFileError, MissingPackageError
from embzip.files.names import is_url
from embzip.files.reading import digest_of_file, digest_of_stream, existing_file, reason_of
from embzip.files.writing import temporary_folder

_BUFFER = 1 << 20
# What packages of protocols raise beside Python's own errors, where they are loaded.
_OWN = {
    "aiohttp": "ClientError",
    "botocore.exceptions": "BotoCoreError",
    "tarfile": "TarError",
    "zipfile": "BadZipFile",
}


@contextmanager
def opened_url(url: str) -> Iterator[io.BufferedReader]:
    """Open a file elsewhere, and yield its bytes from the first to the last.

    Raises
    ------
    MissingFileError
        If there is no such file, it is a directory, or may not be read.
    InputError
        For an unknown protocol, and a connection that fails or is lost, also where the block reads.
    MissingPackageError
        Without fsspec, or what the protocol needs beside it.
    """
    system, path = _system_of(url)
    with _said(url):
        file = system.open(path, "rb")
    with file:
        yield io.BufferedReader(_Remote(url, file))


@contextmanager
def local_file(path: str | Path) -> Iterator[Path]:
    """Yield a file of this machine: the one that is given, or a copy of what a URL names.

    The copy is gone after the block; what was mapped within stays. An error that the block raises
    names the URL.

    Raises
    ------
    MissingFileError
        If it is no readable regular file.
    OutputError
        If there is no room where TMPDIR says; and as `opened_url` does.
    """
    if not is_url(path):
        yield existing_file(path)
        return
    with temporary_folder() as folder:
        here = folder / "copied"
        with opened_url(str(path)) as file, here.open("wb") as copy:
            shutil.copyfileobj(file, copy, _BUFFER)
        try:
            yield here
        except EmbzipError as error:
            raise type(error)(str(error).replace(str(here), str(path))) from error


def head_of(path: str | Path, size: int) -> bytes:
    """Return the first bytes of a file, here or elsewhere; raises as `local_file` does."""
    if not is_url(path):
        with existing_file(path).open("rb") as file:
            return file.read(size)
    with opened_url(str(path)) as remote:
        return remote.read(size)


def nbytes_of(path: str | Path) -> int:
    """Return the bytes of a file, here or elsewhere; 0 where they are not known."""
    if is_url(path):
        system, place = _system_of(str(path))
        with _said(str(path)):
            return int(system.info(place).get("size") or 0)
    return Path(path).stat().st_size if Path(path).is_file() else 0


def digest_at(path: str | Path) -> str:
    """Return the digest of a file's bytes, here or elsewhere; raises as `local_file` does."""
    if not is_url(path):
        return digest_of_file(existing_file(path))
    with opened_url(str(path)) as remote:
        return digest_of_stream(remote)


def seen_as(url: str) -> str:
    """Return what is said of a file elsewhere now: its size, and where known its time and digest.

    Raises as `opened_url` does.
    """
    system, path = _system_of(url)
    with _said(url):
        system.invalidate_cache(path)  # else what was said before may be said again
        return str(sorted(system.info(path).items()))


def listed(url: str) -> list[str]:
    """Return the URLs of the files that match a pattern; of a file that has this name, its own.

    Of a chain, such as `zip://*.txt::s3://bucket/corpus.zip`, what matches in the first address.
    """
    parts = url.split("::")
    first = next(place for place, part in enumerate(parts) if "://" in part)
    for part in parts[first + 1 :]:
        if "*" in part:
            raise InputError(
                f"{url}: a pattern stands in the first address of a chain, and here in "
                f"{part}: name that file itself"
            )
    system, path = _system_of(url)
    with _said(url):
        if system.isfile(path):
            return [url]
        system.invalidate_cache(path)
        found = system.glob(path, detail=True).items()
        names = [system.unstrip_protocol(name) for name, it in found if it["type"] != "directory"]
    return ["::".join([*parts[:first], name, *parts[first + 1 :]]) for name in names]


def _system_of(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the file's name there."""
    try:
        import fsspec
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingPackageError(
            f"{url}: a URL needs fsspec, which is not installed: `pip install 'fsspec>=2025.2'`, "
            "or `uv sync --extra scale` in a checkout"
        ) from error
    for part in url.split("::"):
        protocol = part.partition("://")[0]
        with _said(url):
            try:
                fsspec.get_filesystem_class(protocol)
            except ValueError as error:
                known = sorted(fsspec.available_protocols())
                raise InputError(f"{url}: {unknown(protocol, known, 'protocol')}") from error
    with _said(url):
        system, path = url_to_fs(url)
    return system, path


@contextmanager
def _said(url: str) -> Iterator[None]:
    """Say in one line what fsspec, or the package of a protocol, raises in the block."""
    try:
        yield
    except EmbzipError:
        raise
    except FileNotFoundError as error:
        # fsspec says so of a server that refuses, or does not answer, too.
        why = f", or it cannot be reached ({_line(error.__cause__)})" if error.__cause__ else ""
        raise MissingFileError(f"{url}: no such file{why}") from error
    except IsADirectoryError as error:
        raise MissingFileError(f"{url}: expected a file, found a directory") from error
    except PermissionError as error:
        raise MissingFileError(f"{url}: you have no permission to read this file") from error
    except ImportError as error:
        raise MissingPackageError(
            f"{url}: fsspec needs a further package for this protocol ({error}): install it"
        ) from error
    except _raised() as error:
        raise InputError(
            f"{url}: cannot be read ({_line(error)}): is the address right, and the connection "
            "there?"
        ) from error


def _line(error: BaseException) -> str:
    return " ".join(reason_of(error).split())[:200]


def _raised() -> tuple[type[Exception], ...]:
    loaded = ((sys.modules[name], kind) for name, kind in _OWN.items() if name in sys.modules)
    return OSError, ValueError, RuntimeError, *(getattr(module, kind) for module, kind in loaded)


class _Remote(io.RawIOBase):
    """The bytes of a file elsewhere; raises where they end too early."""

    def __init__(self, url: str, file: IO[bytes]) -> None:
        self._url, self._file, self._done = url, file, 0
        size = getattr(file, "size", None)
        self._size = size if isinstance(size, int) else 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with _said(self._url):
            block = self._file.read(len(buffer))
        self._done += len(block)
        if not block and self._done < self._size:
            raise InputError(
                f"{self._url}: ends after {self._done:,} of its {self._size:,} bytes: the "
                "connection was lost; run the command again"
            )
        buffer[: len(block)] = block
        return len(block)
