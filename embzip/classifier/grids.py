"""Rounds the columns of a kernel to a grid, each with a scale of its own in float16.

With 8 bits a grid is the whole numbers from -127 to 127. With 4 and 2 bits it is *mid-rise*: -7.5,
-6.5 ... 7.5, and -1.5 ... 1.5, so that no level is wasted on zero. A float16 has 11 significant
bits and a level at most 7, so their product is exact in float32, and rounding twice changes
nothing. `embzip.tf.quantization` does the same in a TensorFlow graph; a test compares them.
"""

import numpy as np
from numpy.typing import NDArray

from embzip.types import Matrix

LARGEST = float(np.finfo(np.float16).max)
SMALLEST = 2.0**-16  # the least scale with 8 bits: below it, float16 is too coarse
_SHARES = np.geomspace(0.25, 0.95, 16)  # of the largest number, where the grid may end


def highest(bits: int) -> float:
    """Return the highest level.

    >>> highest(8), highest(4), highest(2)
    (127.0, 7.5, 1.5)
    """
    return 127.0 if bits == 8 else 2 ** (bits - 1) - 0.5


def points(bits: int) -> Matrix:
    """Return the level that each code stands for.

    >>> points(2).tolist(), points(8)[[0, 127, 254]].tolist()
    ([-1.5, -0.5, 0.5, 1.5], [-127.0, 0.0, 127.0])
    """
    return np.arange(2**bits, dtype=np.float32) - np.float32(highest(bits))


def fitted(columns: Matrix, bits: int) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Return the codes of finite numbers (rows, columns), and a scale for each column.

    Numbers are at most `LARGEST` times the highest level. With 4 and 2 bits, a column whose numbers
    are all below what float16 holds gets the scale 0, and so zeros.

    Examples
    --------
    >>> codes, scale = fitted(np.float32([[1.5, 0], [-0.4, 0]]), 2)
    >>> codes.tolist(), scale.tolist()
    ([[3, 2], [1, 2]], [1.0, 0.0])
    """
    if bits == 8:
        from embzip.codecs.rounding import symmetric_int8  # a .tflite needs no codecs

        scale = _octet_scale(columns)
        levels, _ = symmetric_int8(columns, axis=0, scale=scale.astype(np.float32))
        return (levels + np.int16(127)).astype(np.uint8), scale
    numbers = columns.astype(np.float64)
    scale = _scale_of_least_squares(columns, numbers, bits)
    return (_step(numbers, scale, bits) + 2 ** (bits - 1)).astype(np.uint8), scale


def divisors(bits: int) -> Matrix:
    """Return what the largest number of a column is divided by for each scale that is tried.

    With the first ones, the largest number is exactly a level: so a rounded column finds its scale
    again. With the others, larger numbers are cut off, and the rest is finer.

    >>> divisors(2)[:2].tolist(), len(divisors(2))
    ([0.5, 1.5], 18)
    """
    top = highest(bits)
    return np.concatenate([np.arange(top) + 0.5, top / _SHARES]).astype(np.float32)


def _scale_of_least_squares(
    columns: Matrix, numbers: NDArray[np.float64], bits: int
) -> NDArray[np.float16]:
    largest = np.abs(columns).max(axis=0, initial=0)
    best = np.full(len(largest), np.inf)
    chosen = np.zeros(len(largest), np.float16)
    for divisor in divisors(bits):
        scale = np.minimum(largest / divisor, np.float32(LARGEST)).astype(np.float16)
        rounded = (_step(numbers, scale, bits) + 0.5) * scale
        error = np.square(rounded - numbers).sum(axis=0)
        better = error < best
        best, chosen = np.where(better, error, best), np.where(better, scale, chosen)
        if not best.any():  # as of a kernel whose numbers are all equal
            break
    return chosen


def _step(
    numbers: NDArray[np.float64], scale: NDArray[np.float16], bits: int
) -> NDArray[np.float64]:
    """Return the nearest levels less a half: whole numbers, 0 where the scale is 0."""
    half = 2 ** (bits - 1)
    divisor = np.where(scale > 0, scale.astype(np.float64), np.inf)
    return np.clip(np.floor(numbers / divisor), -half, half - 1)


def _octet_scale(columns: Matrix) -> NDArray[np.float16]:
    """Return the largest number of each column over 127, rounded up."""
    wanted = np.abs(columns).max(axis=0, initial=0).astype(np.float32) / np.float32(127)
    scale = wanted.astype(np.float16)
    raised = (scale.view(np.uint16) + (scale < wanted).astype(np.uint16)).view(np.float16)
    least: NDArray[np.float16] = np.maximum(raised, np.float16(SMALLEST))
    return least
