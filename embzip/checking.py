"""Checks for values of codes and params that encoding never makes, before they are decoded.

Digests do not replace them: a forged file has right digests, and a mapped file is read without
comparing any. Whole tables are checked in blocks of rows, so that a table of any size can be.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.codecs.chain import Codec, params_of
from embzip.codecs.joined import JoinedArray, Stretch
from embzip.codecs.ops import numpy_ops
from embzip.engine import spans
from embzip.errors import FileFormatError, IdRangeError, InputTypeError
from embzip.files.reading import digest
from embzip.packing.arrays import PackedArray
from embzip.types import Arrays, Matrix

_NUMBERS = 4_000_000  # at a time


def real_numbers(what: str, numbers: ArrayLike) -> NDArray[Any]:
    """Return an array of real numbers, as it is.

    Raises
    ------
    InputTypeError
        For anything else, such as rows of different lengths.
    """
    try:
        found = np.asanyarray(numbers)
    except ValueError as error:
        raise InputTypeError(f"{what} must be an array of numbers: {error}") from error
    if found.dtype.kind not in "fiu":
        raise InputTypeError(f"{what} must hold real numbers, received {found.dtype}")
    return found


def check_values(codec: Codec, codes: Arrays, params: Arrays, rows: int, dim: int) -> None:
    """Check codes of a table, and params, which are finite and hold the tables too.

    Raises
    ------
    FileFormatError
        For values that encoding never makes.
    """
    quantizer, own = codec.quantizer, params_of(params, len(codec.transforms))
    step = max(1, _NUMBERS // max(1, dim) if quantizer.by_row else rows)
    for block in spans(rows, step):
        part, size, first = dict(codes), block.stop - block.start, block.start
        if quantizer.by_row:
            part = {name: _part(array, block) for name, array in codes.items()}
        with located(f"among the rows from {first} on" if first else ""):
            for name, array in part.items():
                check_finite(f"codes.{name}", array)
            quantizer.check(part, own, size)
        row = codec.overflowing_row(part, params, size)
        if row is not None:
            raise FileFormatError(
                f"{codec.spec}: row {first + row} decodes to numbers that are not finite"
            )


def check_ids(ids: NDArray[Any], rows: int) -> None:
    """Raise InputTypeError for ids that are no integers, IdRangeError outside 0..rows-1."""
    if ids.dtype.kind not in "iu":
        raise InputTypeError(f"ids must be integers, received {ids.dtype}")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= rows:
        raise IdRangeError(f"ids must lie in 0..{rows - 1}, received {low if low < 0 else high}")


def check_digests(codes: Arrays, params: Arrays, digests: Mapping[str, str]) -> None:
    """Raise FileFormatError for the first tensor that does not match its digest."""
    arrays = {f"codes.{name}": array for name, array in codes.items()}
    arrays |= {f"params.{name}": array for name, array in params.items()}
    for name, array in arrays.items():
        plain: Any = array.content if isinstance(array, PackedArray) else array
        parts = [Stretch(plain, digests[name], "")] if name in digests else []
        for part in plain.stretches if isinstance(plain, JoinedArray) else parts:
            content = np.ascontiguousarray(part.array).reshape(-1).view(np.uint8).data
            if digest(content) != part.digest:
                where = f"{part.file}: " if part.file else ""
                raise FileFormatError(f"{where}tensor {name!r} does not match its digest")


def check_params(params: Arrays) -> None:
    """Raise FileFormatError for params that are not finite."""
    for name, array in params.items():
        check_finite(f"params.{name}", array)


def check_rows(codec: Codec, codes: Arrays, params: Arrays, ids: NDArray[Any]) -> Matrix:
    """Return decoded rows, whose codes are checked; no others are read.

    Raises
    ------
    FileFormatError
        For values that encoding never makes.
    """
    quantizer = codec.quantizer
    taken = quantizer.take(codes, ids)
    try:
        quantizer.check_taken(taken, params_of(params, len(codec.transforms)))
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            if quantizer.by_row:  # what was taken is not taken again: packed blocks decode anew
                rows = np.asarray(codec.decode(taken, params, numpy_ops), np.float32)
            else:
                rows = codec.decode_rows(codes, params, ids)
    except IndexError as error:
        raise FileFormatError("a code points beyond the entries of its table") from error
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise FileFormatError(f"row {ids[int(finite.argmin())]} holds numbers that are not finite")
    return rows


def check_finite(name: str, array: NDArray[Any]) -> None:
    """Raise FileFormatError for a tensor with numbers that are not finite.

    >>> check_finite("scale", np.array([1.0, np.inf]))
    Traceback (most recent call last):
    embzip.errors.FileFormatError: tensor 'scale' holds numbers that are not finite
    """
    if array.dtype.kind != "f":
        return
    flat = array.reshape(-1)
    for part in spans(len(flat), _NUMBERS):
        if not np.isfinite(flat[part]).all():
            raise FileFormatError(f"tensor {name!r} holds numbers that are not finite")


@contextmanager
def located(where: str) -> Iterator[None]:
    """Put `where` before the message of a FileFormatError that does not begin with it already."""
    try:
        yield
    except FileFormatError as error:
        if not where or str(error).startswith(where):
            raise
        raise FileFormatError(f"{where}: {error}") from error


def _part(array: NDArray[Any], rows: slice) -> NDArray[Any]:
    if isinstance(array, PackedArray):  # a slice of one would decode all of it
        return array.take(np.arange(rows.start, rows.stop))
    return array[rows]
