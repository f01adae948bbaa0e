"""Reads a table from a safetensors file of another program, memory-mapped; and which tensor it is.

Rows of model2vec are weighed and shared as its own library does it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.files.records import parse_json

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1", "I64": "<i8", "I32": "<i4",
}  # fmt: skip
_TABLES = ("F64", "F32", "F16", "BF16", "I8")
_MOST_HEADER = 1 << 26
# Of model2vec, sentence-transformers' StaticEmbedding, and transformers' models.
_KNOWN = ("embeddings", "embedding.weight", "embeddings.word_embeddings.weight", "wte.weight")


@dataclass(frozen=True)
class _Tensor:
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def fits(self) -> bool:
        """Whether it has as many bytes as its type and shape need; types not read may be any."""
        if self.dtype not in _TYPES:
            return True
        width = np.dtype(_TYPES[self.dtype]).itemsize
        return self.end - self.start == int(np.prod(self.shape, dtype=object)) * width


def chosen_tensor(path: Path, shapes: Mapping[str, tuple[int, ...]], name: str | None) -> str:
    """Return the name of the tensor that is a table: the one asked for, or the only one.

    Raises
    ------
    InputError
        Where none or several may be meant; the message lists them.
    """
    tables = {each: shape for each, shape in shapes.items() if len(shape) == 2 and 0 not in shape}
    listed = ", ".join(f"{each} {shape}" for each, shape in list(shapes.items())[:10])
    if name is not None:
        if name in tables:
            return name
        raise InputError(
            f"{path}: no table of numbers is called {name!r}, found {listed or 'none'}"
        )
    known = [each for each in _KNOWN if each in tables]
    if len(tables) != 1 and not known:
        raise InputError(
            f"{path}: expected one table of numbers in 2 dimensions, found {listed or 'none'}: "
            "name one by --tensor (tensor=)"
        )
    return known[0] if known else next(iter(tables))


def read_safetensors(path: Path, name: str | None) -> NDArray[np.floating]:
    """Return the table of a file: memory-mapped where it is float, else a copy in float32.

    Raises
    ------
    InputError
        For a damaged file, and where no or several tensors may be meant.
    """
    found = _header(path)
    shapes = {each: tensor.shape for each, tensor in found.items() if tensor.dtype in _TABLES}
    name = chosen_tensor(path, shapes, name)
    matrix = _mapped(path, found[name])
    if found[name].dtype == "BF16":
        return (matrix.astype(np.uint32) << 16).view(np.float32)
    if found[name].dtype == "I8":
        matrix = matrix.astype(np.float32)
    return _of_model2vec(path, matrix, found) if name == "embeddings" else matrix


def _of_model2vec(
    path: Path, matrix: NDArray[Any], found: Mapping[str, _Tensor]
) -> NDArray[np.floating]:
    """Return the row of each token: `mapping` says which is shared, `weights` how it counts."""
    mapping, weights = found.get("mapping"), found.get("weights")
    if mapping is not None:
        rows = _mapped(path, mapping)
        if rows.ndim != 1 or rows.dtype.kind != "i" or len(rows) == 0:
            raise InputError(f"{path}: mapping must be whole numbers, one a token")
        if rows.min() < 0 or rows.max() >= len(matrix):
            raise InputError(f"{path}: mapping names rows that the table does not have")
        matrix = matrix[rows]
    if weights is not None:
        scale = _mapped(path, weights).astype(np.float32)
        if scale.shape != (len(matrix),):
            raise InputError(f"{path}: weights must be {len(matrix)} numbers, found {scale.shape}")
        matrix = matrix.astype(np.float32) * scale[:, None]
    return matrix


def _header(path: Path) -> dict[str, _Tensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_MOST_HEADER, size - 8):
            raise InputError(
                f"{path}: expected a safetensors file, found a header of {length} bytes"
            )
        record = parse_json(file.read(length), f"{path}, header", error=InputError)
    found = {}
    for name, entry in record.items() if isinstance(record, dict) else ():
        if name == "__metadata__":
            continue
        tensor = _entry(entry, 8 + length)
        if tensor is None or tensor.end > size or not tensor.fits:
            raise InputError(
                f"{path}: the tensor {name[:80]!r} does not fit the file, which is damaged or cut "
                "short: obtain it again"
            )
        found[name] = tensor
    return found


def _entry(entry: object, first: int) -> _Tensor | None:
    """Return what an entry of the header says; None if it says something else."""
    if not isinstance(entry, dict):
        return None
    dtype, shape, places = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or not re.fullmatch(r"[A-Z0-9_]{1,20}", dtype):
        return None
    if not isinstance(shape, list) or not isinstance(places, list) or len(places) != 2:
        return None
    if not all(type(number) is int and number >= 0 for number in (*shape, *places)):
        return None
    return _Tensor(dtype, tuple(shape), first + places[0], first + places[1])


def _mapped(path: Path, tensor: _Tensor) -> NDArray[Any]:
    if tensor.dtype not in _TYPES:
        raise InputError(f"{path}: numbers of the type {tensor.dtype} are not read")
    if tensor.start == tensor.end:
        return np.zeros(tensor.shape, _TYPES[tensor.dtype])
    return np.memmap(path, _TYPES[tensor.dtype], "r", tensor.start, tensor.shape)
