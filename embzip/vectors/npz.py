"""Reads a table and its tokens from a .npz file: a zip of arrays. Nothing in it is unpickled."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.vectors.tensors import chosen_tensor

_LARGEST_HEADER = 10_000
_MOST_EXPANDED = 200  # times the compressed bytes
_ALWAYS_EXPANDED = 1 << 24
# What reading a damaged member raises.
_DAMAGED = (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, OSError)


def read_npz(path: Path, tensor: str | None) -> tuple[NDArray[np.floating], tuple[str, ...] | None]:
    """Return the matrix of a .npz file, and its tokens if an array of text has one for each row.

    Parameters
    ----------
    tensor
        The array to read, where several may be meant.

    Raises
    ------
    InputError
        For a damaged file, arrays of Python objects, and where no or several arrays may be meant.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            heads = {info.filename.removesuffix(".npy"): _head(archive, info, path)
                     for info in archive.infolist()}  # fmt: skip
            shapes = {name: head[0] for name, head in heads.items() if head[1].kind == "f"}
            name = chosen_tensor(path, shapes, tensor)
            matrix = _array(archive, name)
            texts = [
                other
                for other, (shape, dtype) in heads.items()
                if dtype.kind == "U" and shape == (len(matrix),)
            ]
            words = tuple(_array(archive, texts[0]).tolist()) if len(texts) == 1 else None
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: cannot be read as .npz ({str(error)[:200]}): obtain the file again"
        ) from error
    return matrix, words


def _head(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and the type of an array, held against the bytes that it has."""
    if info.file_size > max(_ALWAYS_EXPANDED, _MOST_EXPANDED * info.compress_size):
        raise InputError(
            f"{path}: {info.filename!r} expands to {info.file_size:,} bytes: unpack it"
        )
    with archive.open(info) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file, max_header_size=_LARGEST_HEADER)
        found = info.file_size - file.tell()
    if dtype.hasobject:
        raise InputError(
            f"{path}: {info.filename!r} contains Python objects, as a pickle, which can run any "
            "code when it is loaded: save words as np.array(words, dtype='U')"
        )
    expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if expected != found:
        raise InputError(
            f"{path}: {info.filename!r} has {found:,} bytes, and its header declares {expected:,}"
        )
    return shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        found: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return found
