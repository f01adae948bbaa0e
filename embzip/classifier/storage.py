"""Stores the kernels of a classifier in a file: as float32, float16, or int8 with scales.

In memory, kernels are always float32. They are rounded when the classifier is made, so that it
predicts the same before it is saved and after it is loaded. All other arrays (biases,
normalization) are stored as float32.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embzip.choices import chosen
from embzip.errors import FileFormatError, InputError
from embzip.types import Matrix

Tensors = Mapping[str, NDArray[Any]]


class Storage(ABC):
    """A form in which files store a kernel (..., output columns).

    `read(write(kernel))` is exact for a kernel that was rounded to this form before.
    """

    name: ClassVar[str]
    dtype: ClassVar[type]

    @abstractmethod
    def write(self, name: str, kernel: Matrix) -> dict[str, NDArray[Any]]:
        """Return the tensors to store; the first has the kernel's own name."""

    @abstractmethod
    def read(self, name: str, tensors: Tensors) -> Matrix:
        """Return the float32 kernel; raise FileFormatError for tensors `write` never makes."""


class Float32(Storage):
    """Four bytes per number, not rounded."""

    name = "float32"
    dtype = np.float32

    def write(self, name: str, kernel: Matrix) -> dict[str, NDArray[Any]]:
        return {name: kernel}

    def read(self, name: str, tensors: Tensors) -> Matrix:
        return tensors[name]  # a mapped kernel stays mapped


class Float16(Storage):
    """Two bytes per number."""

    name = "float16"
    dtype = np.float16

    def write(self, name: str, kernel: Matrix) -> dict[str, NDArray[Any]]:
        if not np.abs(kernel).max(initial=0) <= np.finfo(np.float16).max:
            raise InputError(
                f"float16 holds numbers up to 65504, and {name} contains a larger one: store "
                "kernels as float32 or int8"
            )
        return {name: kernel.astype(np.float16)}

    def read(self, name: str, tensors: Tensors) -> Matrix:
        return _finite(name, tensors[name].astype(np.float32))


class Int8(Storage):
    """One byte per number in -127..127, and `<name>.scale`, one float32 per output column.

    A scale has 17 significant bits, so its products with whole numbers up to 127 are exact in
    float32, and rounding a rounded kernel changes nothing.
    """

    name = "int8"
    dtype = np.int8

    def write(self, name: str, kernel: Matrix) -> dict[str, NDArray[Any]]:
        from embzip.codecs.rounding import scale_of, symmetric_int8  # a .tflite needs no codecs

        flat = np.asarray(kernel, np.float32).reshape(-1, kernel.shape[-1])
        largest = np.abs(flat).max(axis=0, initial=0)
        if not np.isfinite(largest).all():
            raise InputError(f"a kernel must be finite, and {name} contains infinity or NaN")
        scale = _shortened(scale_of(largest))
        levels, _ = symmetric_int8(flat, axis=0, scale=scale)
        return {name: levels.reshape(kernel.shape), f"{name}.scale": scale}

    def read(self, name: str, tensors: Tensors) -> Matrix:
        scale, levels = tensors.get(f"{name}.scale"), tensors[name]
        if scale is None or scale.dtype != np.float32 or scale.shape != levels.shape[-1:]:
            raise FileFormatError(f"{name} is int8 and needs one float32 scale per output column")
        if not (scale > 0).all():
            column = int(np.flatnonzero(~(scale > 0))[0])
            raise FileFormatError(f"{name}: scale {column} must be above 0, found {scale[column]}")
        with np.errstate(over="ignore"):  # overflow is detected below
            return _finite(name, levels.astype(np.float32) * scale)


BUILTIN: tuple[Storage, ...] = (Float32(), Float16(), Int8())


def storage(name: str) -> Storage:
    """Return the form of storing kernels that has a name, written in any case.

    Raises
    ------
    SpecError
        For an unknown name. The message has the nearest and all known ones.

    Examples
    --------
    >>> storage("int8").write("k", np.array([[127.0, 2.0], [3.2, -1.0]]))["k"].tolist()
    [[127, 127], [3, -63]]
    """
    known = {way.name: way for way in BUILTIN}
    return known[chosen(name, known, "type of kernels")]


def is_kernel(name: str) -> bool:
    """Return whether an array is a kernel, and so stored in the chosen form."""
    return name.endswith(".kernel")


def to_tensors(arrays: Tensors, kernels: str) -> dict[str, NDArray[Any]]:
    """Return the tensors that a file stores for the arrays of a classifier."""
    way = storage(kernels)
    tensors: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        tensors |= way.write(name, array) if is_kernel(name) else {name: array}
    return tensors


def from_tensors(tensors: Tensors) -> tuple[dict[str, Matrix], str]:
    """Return the arrays of a classifier, and the form of its kernels, which their dtypes tell.

    Raises
    ------
    FileFormatError
        For types or scales that `to_tensors` never makes.
    """
    ways = {np.dtype(way.dtype): way for way in BUILTIN}
    scales = {f"{n}.scale" for n, t in tensors.items() if is_kernel(n) and t.dtype == np.int8}
    arrays: dict[str, Matrix] = {}
    found = {"float32"} if not any(map(is_kernel, tensors)) else set()
    for name, tensor in tensors.items():
        if name in scales:
            continue
        if tensor.dtype not in ways or not (is_kernel(name) or tensor.dtype == np.float32):
            raise FileFormatError(f"{name} cannot be {tensor.dtype}")
        if is_kernel(name):
            found.add(ways[tensor.dtype].name)
        arrays[name] = ways[tensor.dtype].read(name, tensors)
    if len(found) != 1:
        raise FileFormatError(f"kernels are stored in one way, found {sorted(found)}")
    return arrays, found.pop()


def rounded(arrays: Mapping[str, Matrix], kernels: str) -> dict[str, Matrix]:
    """Return arrays as they come back from a file; what is not kernels is the same object."""
    if kernels == "float32":
        return dict(arrays)
    return from_tensors(to_tensors(arrays, kernels))[0]


def _shortened(scale: Matrix) -> Matrix:
    """Return scales rounded up to 17 significant bits."""
    raised = scale.view(np.uint32) + np.uint32(127)
    short: Matrix = (raised & np.uint32(0xFFFFFF80)).view(np.float32)
    return short


def _finite(name: str, kernel: Matrix) -> Matrix:
    if not np.isfinite(kernel).all():
        raise FileFormatError(f"{name} holds numbers that are not finite")
    return kernel
