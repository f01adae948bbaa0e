"""Reads arrays of NumPy: .npz files, which are zips of arrays, and .npy. Nothing is unpickled.

A header is held against the bytes that are there before an array is allocated.
"""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.files.places import ARRAYS

Head = tuple[tuple[int, ...], np.dtype[Any]]

_LARGEST_HEADER = 10_000
_MOST_EXPANDED = 200  # times the compressed bytes
_ALWAYS_EXPANDED = 1 << 24
# What reading a damaged member raises.
_DAMAGED = (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, OSError)


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a .npz file by name; the one of a .npy file has the name "".

    Raises
    ------
    MissingFileError
        Where no such file is there.
    InputError
        For a file of another kind, a damaged one, and arrays of Python objects.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "inputs.npz")
    >>> np.savez(path, ids=np.arange(3))
    >>> read_arrays(path)["ids"].tolist()
    [0, 1, 2]
    """
    path = Path(path)
    if ARRAYS.kind_of(path) != "npy":
        with arrays_in(path) as (heads, read):
            return {name: read(name) for name in heads}
    with _damage(path, ".npy"), path.open("rb") as file:
        _check(file, path.stat().st_size, path, "the array")
        file.seek(0)
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        return {"": array}


@contextmanager
def arrays_in(path: Path) -> Iterator[tuple[dict[str, Head], Callable[[str], NDArray[Any]]]]:
    """Open a .npz file: the shape and type of each array, and a function that reads one.

    Raises
    ------
    InputError
        For a damaged file, and arrays of Python objects.
    """
    with _damage(path, ".npz"), zipfile.ZipFile(path) as archive:
        heads = {
            info.filename.removesuffix(".npy"): _head(archive, info, path)
            for info in archive.infolist()
        }

        def read(name: str) -> NDArray[Any]:
            with archive.open(f"{name}.npy") as file:
                found: NDArray[Any] = npy.read_array(file, allow_pickle=False)
            return found

        yield heads, read


@contextmanager
def _damage(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: cannot be read as {kind} ({str(error)[:200]}): obtain the file again"
        ) from error


def _head(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Head:
    """Return the shape and the type of an array, held against the bytes that it has."""
    if info.file_size > max(_ALWAYS_EXPANDED, _MOST_EXPANDED * info.compress_size):
        raise InputError(
            f"{path}: {info.filename!r} expands to {info.file_size:,} bytes: unpack it"
        )
    with archive.open(info) as file:
        return _check(file, info.file_size, path, repr(info.filename))


def _check(file: IO[bytes], size: int, path: Path, name: str) -> Head:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file, max_header_size=_LARGEST_HEADER)
    found = size - file.tell()
    if dtype.hasobject:
        raise InputError(
            f"{path}: {name} contains Python objects, as a pickle, which can run any "
            "code when it is loaded: save words as np.array(words, dtype='U')"
        )
    expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if expected != found:
        raise InputError(
            f"{path}: {name} has {found:,} bytes, and its header declares {expected:,}"
        )
    return shape, dtype
