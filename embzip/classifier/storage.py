"""Stores the arrays of a classifier in a file: kernels in 32, 16, 8, 4 or 2 bits a number.

In memory, arrays are always float32. They are rounded when the classifier is made, so that it
predicts the same before it is saved and after it is loaded. All other arrays (biases,
normalization) are float16 wherever kernels are not float32. A file has them in one tensor, one
array after another in the order of their names; shapes follow from the encoder and the labels.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embzip.choices import chosen
from embzip.classifier import grids
from embzip.errors import FileFormatError, InputError
from embzip.types import Matrix

Tensors = Mapping[str, NDArray[Any]]
Shape = tuple[int, ...]


class Storage(ABC):
    """A form in which files store a kernel (..., output columns).

    `read(write(kernel))` is exact for a kernel that was rounded to this form before.

    `dtype` is that of the tensor with all arrays. `bits` are those of a number of a kernel.
    """

    name: ClassVar[str]
    bits: ClassVar[int]
    dtype: ClassVar[type] = np.uint8

    @abstractmethod
    def size(self, shape: Shape) -> int:
        """Return how many numbers of `dtype` an array of this shape takes."""

    @abstractmethod
    def write(self, name: str, kernel: Matrix) -> NDArray[Any]:
        """Return these numbers, in one row; raise InputError for a kernel they cannot hold."""

    @abstractmethod
    def read(self, name: str, content: NDArray[Any], shape: Shape) -> Matrix:
        """Return the float32 kernel; raise FileFormatError for numbers `write` never makes."""


class Float32(Storage):
    """Four bytes a number, not rounded."""

    name = "float32"
    bits = 32
    dtype = np.float32

    def size(self, shape: Shape) -> int:
        return math.prod(shape)

    def write(self, name: str, kernel: Matrix) -> NDArray[Any]:
        return np.asarray(kernel, np.float32).reshape(-1)

    def read(self, name: str, content: NDArray[Any], shape: Shape) -> Matrix:
        return content.reshape(shape)  # a mapped kernel stays mapped


class Float16(Storage):
    """Two bytes a number."""

    name = "float16"
    bits = 16
    dtype = np.float16

    def size(self, shape: Shape) -> int:
        return math.prod(shape)

    def write(self, name: str, kernel: Matrix) -> NDArray[Any]:
        _check_largest(name, kernel, self.name, grids.LARGEST)
        return np.asarray(kernel, np.float32).reshape(-1).astype(np.float16)

    def read(self, name: str, content: NDArray[Any], shape: Shape) -> Matrix:
        kernel = content.astype(np.float32).reshape(shape)
        if not np.isfinite(kernel).all():
            raise FileFormatError(f"{name} holds numbers that are not finite")
        return kernel


class Scaled(Storage):
    """Codes of a grid, and before them a scale in float16 for each output column."""

    def size(self, shape: Shape) -> int:
        return 2 * shape[-1] + -(-math.prod(shape) * self.bits // 8)

    def fitted(self, name: str, kernel: Matrix) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
        """Return the codes (rows, columns) of a kernel and its scales."""
        _check_largest(name, kernel, self.name, grids.LARGEST * grids.highest(self.bits))
        columns = np.asarray(kernel, np.float32).reshape(-1, kernel.shape[-1])
        return grids.fitted(columns, self.bits)

    def write(self, name: str, kernel: Matrix) -> NDArray[Any]:
        from embzip.codecs.sub_byte import pack  # a .tflite needs no codecs

        codes, scale = self.fitted(name, kernel)
        packed = pack(codes.reshape(1, -1), self.bits)
        return np.concatenate(
            [scale.view(np.uint8), *(part.reshape(-1) for part in packed.values())]
        )

    def read(self, name: str, content: NDArray[Any], shape: Shape) -> Matrix:
        from embzip.codecs.sub_byte import byte_tables

        scale = content[: 2 * shape[-1]].view(np.float16).astype(np.float32)
        wrong = ~((scale >= 0) & np.isfinite(scale))
        if wrong.any():
            raise FileFormatError(
                f"{name}: the scale of a column must be finite and at least 0, found "
                f"{scale[wrong][0]} for column {wrong.argmax()}"
            )
        points = grids.points(self.bits)
        table = byte_tables(points, self.bits, 8 // self.bits)["byte_points"]
        levels = table[content[2 * shape[-1] :]].reshape(-1)[: math.prod(shape)]
        return np.asarray(levels.reshape(shape) * scale, np.float32)


class Int8(Scaled):
    """One byte a number: a scale times -127, -126 ... 127."""

    name = "int8"
    bits = 8


class Int4(Scaled):
    """Four bits a number: a scale times -7.5, -6.5 ... 7.5."""

    name = "int4"
    bits = 4


class Int2(Scaled):
    """Two bits a number: a scale times -1.5, -0.5, 0.5 or 1.5."""

    name = "int2"
    bits = 2


BUILTIN: tuple[Storage, ...] = (Float32(), Float16(), Int8(), Int4(), Int2())
_SCALED = {way.name: way for way in BUILTIN if isinstance(way, Scaled)}
SCALED = tuple(_SCALED)


def storage(name: str) -> Storage:
    """Return the form of storing kernels that has a name, written in any case.

    Raises
    ------
    SpecError
        For an unknown name. The message has the nearest and all known ones.

    Examples
    --------
    >>> way, kernel = storage("int4"), np.float32([[7.5], [-0.4]])
    >>> way.read("k", way.write("k", kernel), (2, 1)).tolist()
    [[7.5], [-0.5]]
    """
    known = {way.name: way for way in BUILTIN}
    return known[chosen(name, known, "type of kernels")]


def scaled(name: str) -> Scaled:
    """Return one of the forms that have levels and scales; raises SpecError for any other."""
    return _SCALED[chosen(name, _SCALED, "type of kernels with scales")]


def whole_levels(kernel: Matrix, kernels: str) -> tuple[NDArray[np.int8], Matrix]:
    """Return a kernel (..., columns) as whole numbers, and what to multiply them by a column.

    Parameters
    ----------
    kernels
        `int8`, `int4` or `int2`.

    Examples
    --------
    >>> levels, scale = whole_levels(np.float32([[1.5], [0.4]]), "int2")
    >>> levels.tolist(), scale.tolist()
    ([[3], [1]], [0.5])
    """
    way = scaled(kernels)
    codes, scale = way.fitted("a kernel", kernel)
    levels = grids.points(way.bits)[codes].reshape(kernel.shape)
    unit = np.float32(1 if way.bits == 8 else 0.5)  # half-odd levels become odd numbers
    return (levels / unit).astype(np.int8), scale.astype(np.float32) * unit


def to_tensor(arrays: Mapping[str, Matrix], kernels: str) -> NDArray[Any]:
    """Return the tensor that a file stores for the arrays of a classifier."""
    dtype = storage(kernels).dtype
    parts = [_way(name, kernels).write(name, arrays[name]) for name in sorted(arrays)]
    return np.concatenate([part.view(dtype) for part in parts])


def from_tensor(
    tensor: NDArray[Any], shapes: Mapping[str, Shape], kernels: str
) -> dict[str, Matrix]:
    """Return the arrays of a classifier, of these shapes; float32 ones are views of the tensor.

    Raises
    ------
    FileFormatError
        For a tensor of another type or length, or numbers that `to_tensor` never makes.
    """
    dtype = np.dtype(storage(kernels).dtype)
    sizes = {name: _size(_way(name, kernels), shapes[name], dtype) for name in sorted(shapes)}
    total = sum(sizes.values())
    if (tensor.dtype, tensor.shape) != (dtype, (total,)):
        raise FileFormatError(
            f"a classifier of this shape needs arrays of {total:,} numbers in {dtype}, found "
            f"{tensor.dtype} {tensor.shape}"
        )
    arrays, at = {}, 0
    for name, size in sizes.items():
        way = _way(name, kernels)
        arrays[name] = way.read(name, tensor[at : at + size].view(way.dtype), shapes[name])
        at += size
    return arrays


def rounded(arrays: Mapping[str, Matrix], kernels: str) -> dict[str, Matrix]:
    """Return arrays as they come back from a file.

    Raises
    ------
    InputError
        For numbers that are not finite, or beyond what the form holds.
    """
    if kernels == "float32":
        return dict(arrays)
    ways = {name: _way(name, kernels) for name in arrays}
    return {n: ways[n].read(n, ways[n].write(n, a), a.shape) for n, a in arrays.items()}


def _way(name: str, kernels: str) -> Storage:
    """Return how an array is stored: kernels in the chosen form, others in at most 16 bits."""
    whole = kernels == "float32" or name.endswith(".kernel")
    return storage(kernels if whole else "float16")


def _size(way: Storage, shape: Shape, dtype: np.dtype[Any]) -> int:
    return way.size(shape) * np.dtype(way.dtype).itemsize // dtype.itemsize


def _check_largest(name: str, kernel: Matrix, form: str, most: float) -> None:
    largest = float(np.abs(kernel).max(initial=0))
    if not math.isfinite(largest):
        raise InputError(f"{name} must be finite, and contains infinity or NaN")
    if largest > most:
        raise InputError(
            f"{form} holds numbers up to {most:,.0f} here, and {name} contains {largest:.6g}: "
            "store kernels as float32"
        )
