"""Opens what text is read from: files, URLs, pipes and stdin, decompressed by their content.

gzip, bzip2, xz, zstd and a zip of one file are told by their first bytes, whatever the name.
What holds no text and never ends is refused: other devices than a terminal, and a pipe that nobody
writes to. What the bytes say is read elsewhere.
"""

import bz2
import gzip
import io
import lzma
import os
import select
import shutil
import stat
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from embzip.errors import EmbzipError, InputError, MissingPackageError
from embzip.files.names import is_url
from embzip.files.reading import readable_path
from embzip.files.remote import local_file, opened_url
from embzip.files.signatures import COMPRESSED, members, signature_of
from embzip.files.writing import temporary_folder

_BUFFER = 1 << 17
_HEAD = 16  # bytes that tell every kind of compression
_PIECE = 1 << 10  # bytes of zstd at a time, which expand to 32 MB at most
_PATIENCE = 10.0  # seconds that a named pipe may stay without a writer
# Vectors expand 2 to 4 times; a table of zeros more. More than this is no table.
_MOST_EXPANDED, _ALWAYS_EXPANDED = 200, 1 << 24


def compression_of(head: bytes) -> str | None:
    """Return how a file is compressed, by its first 16 bytes; None if it is not, or not known.

    >>> compression_of(gzip.compress(b"text"))
    'gzip'
    """
    if head.startswith(_ZIP):
        return "zip"
    return next((name for name, magic in COMPRESSED.items() if magic.match(head)), None)


@contextmanager
def opened(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file, a URL, a pipe, or standard input (`-`) and yield its bytes, decompressed.

    Raises
    ------
    MissingFileError
        If there is no such file, or it is a directory; of a URL, as `remote.opened_url` does.
    InputError
        For a device, a pipe that nobody writes to, a zip archive of several files, or compressed
        bytes that are damaged or cut short, also where the block reads them.
    MissingPackageError
        For zstd without the package zstandard.
    """
    with _raw(path) as raw:
        head = b""
        while len(head) < _HEAD and (more := raw.read(_HEAD - len(head))):
            head += more
        whole = io.BufferedReader(_Rejoined(head, raw), _BUFFER)
        kind = compression_of(head)
        if kind is None:
            yield whole
            return
        try:
            with _member(path) if kind == "zip" else _OPENED[kind](whole) as file:
                yield file
        except (lzma.LZMAError, zlib.error, EOFError, OSError, *_DAMAGED) as error:
            if isinstance(error, EmbzipError) or getattr(error, "errno", None) is not None:
                raise  # not of the bytes; what is wrong with bzip2's and gzip's has no number
            raise InputError(
                f"{path}: cannot be decompressed as {kind} ({error}): obtain the file again"
            ) from error


@contextmanager
def bounded(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file of vectors as `opened` does.

    Raises
    ------
    InputError
        Where the block reads more than 16 MB and 200 times the size of a compressed file; and as
        `opened` does.
    """
    with opened(path) as file:
        most = max(_ALWAYS_EXPANDED, _MOST_EXPANDED * Path(path).stat().st_size)
        yield cast(IO[bytes], io.BufferedReader(_Bounded(file, most, path), _BUFFER))


@contextmanager
def seekable(path: Path) -> Iterator[Path]:
    """Yield a file that can be mapped: the one given, or, of a compressed one, its content.

    That is a temporary file, which is gone after the block; what was mapped within stays.

    Raises
    ------
    InputError
        As `bounded` does; where the block raises one that names the temporary file, it names the
        file that was given.
    OutputError
        If there is no room where TMPDIR says.
    """
    with path.open("rb") as file:
        kind = compression_of(file.read(_HEAD))
    if kind is None or (kind == "zip" and signature_of(path).kind == "npz"):
        yield path
        return
    with temporary_folder() as folder:
        whole = folder / "expanded"
        with bounded(path) as packed, whole.open("wb") as file:
            shutil.copyfileobj(packed, file, _BUFFER)
        try:
            yield whole
        except InputError as error:
            raise type(error)(str(error).replace(str(whole), str(path))) from error


def is_stream(path: str | Path) -> bool:
    """Return whether a path is standard input or a pipe, which can be read only once."""
    return str(path) == "-" or Path(path).is_fifo()


@contextmanager
def _member(path: str | Path) -> Iterator[IO[bytes]]:
    """Open the only file in a zip archive."""
    if str(path) == "-" or not (is_url(path) or os.path.isfile(path)):
        raise InputError(f"{path}: expected text, found a zip archive: unpack it first")
    with local_file(path) as here, zipfile.ZipFile(here) as archive:
        names = members(archive)
        if len(names) != 1:
            raise InputError(
                f"{path}: expected a zip archive of one file, found {len(names)}: unpack it first"
            )
        with archive.open(names[0]) as file:
            yield file


@contextmanager
def _raw(path: str | Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        _refuse_device(path, sys.stdin.buffer)
        yield sys.stdin.buffer
        return
    if is_url(path):
        with opened_url(str(path)) as remote:
            yield remote
        return
    path = readable_path(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from error
    with open(handle, "rb", buffering=0) as file:
        _refuse_device(path, file)
        read = _wait_for_writer(path, handle)
        os.set_blocking(handle, True)
        yield _Rejoined(read, file)  # type: ignore[misc]  # reads bytes but is not typed as IO


def _refuse_device(path: str | Path, file: IO[bytes]) -> None:
    try:
        found = os.fstat(file.fileno())
    except OSError:  # a stand-in for standard input
        return
    endless = stat.S_ISCHR(found.st_mode) and not os.isatty(file.fileno())
    if endless and found.st_rdev == os.stat(os.devnull).st_rdev:
        return
    if endless or stat.S_ISBLK(found.st_mode):
        raise InputError(f"{path}: expected a file or a pipe of text, found a device")


def _wait_for_writer(path: Path, handle: int) -> bytes:
    """Return the first bytes of a named pipe once it has a writer; nothing of other files."""
    if not stat.S_ISFIFO(os.fstat(handle).st_mode):
        return b""
    poll = select.poll()
    poll.register(handle, select.POLLIN | select.POLLHUP)
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            if head := os.read(handle, _BUFFER):
                return head
        except BlockingIOError:  # a writer that has not written yet
            return b""
        if any(event & select.POLLHUP for _, event in poll.poll(100)):
            return os.read(handle, _BUFFER)  # a writer came and went
        if time.monotonic() > until:
            raise InputError(
                f"{path}: nobody has opened this pipe for writing in {_PATIENCE:.0f} seconds: "
                "start the program that writes to it first"
            )


class _Bounded(io.RawIOBase):
    """A stream that raises where it is longer than what it holds can be."""

    def __init__(self, file: IO[bytes], most: int, path: str | Path) -> None:
        self._file, self._left, self._most, self._path = file, most, most, path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        block = self._file.read(len(buffer))
        self._left -= len(block)
        if self._left < 0:
            raise InputError(
                f"{self._path}: expands to more than {self._most:,} bytes, more than vectors do: "
                "if you trust it, decompress it first"
            )
        buffer[: len(block)] = block
        return len(block)


class _Rejoined(io.RawIOBase):
    """Bytes that were read already, then the rest of a file that cannot go back."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        block = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(block)] = block
        return len(block)


class _DamagedError(Exception):
    """Bytes that are not whole zstd frames."""


class _Zstd(io.RawIOBase):
    """Decompressed frames of zstd. The package's own reader takes a frame cut short for whole."""

    def __init__(self, packed: IO[bytes]) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise MissingPackageError(
                "text compressed by zstd needs zstandard, which is not installed: "
                "`pip install 'zstandard>=0.23'`, or `uv sync --extra texts` in a checkout"
            ) from error
        self._error = zstandard.ZstdError
        self._start = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj
        self._packed, self._frame, self._left, self._block = packed, self._start(), b"", b""
        self._within = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._block:
            piece = self._left or self._packed.read(_PIECE)
            if not piece:
                if self._within:
                    raise _DamagedError("it ends within a frame")
                return 0
            try:
                self._block = self._frame.decompress(piece)
            except self._error as error:
                raise _DamagedError(error) from error
            self._within, self._left = not self._frame.eof, self._frame.unused_data
            if self._frame.eof:
                self._frame = self._start()
        taken = self._block[: len(buffer)]
        self._block = self._block[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


_ZIP = b"PK\x03\x04"
_DAMAGED = (_DamagedError, zipfile.BadZipFile, NotImplementedError, RuntimeError)
_OPENED: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": gzip.open,
    "bzip2": bz2.open,
    "xz": lzma.open,
    "zstd": lambda file: io.BufferedReader(_Zstd(file)),
}
