"""Symmetric int8: whole numbers from -127 to 127 and a scale a row, a column or an array.

The one int8 rounding of the package; what stands for a number is scale * level. Codecs, kernels in
files and kernels in exports differ only in which axes share a scale, and in how they store it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.types import Matrix

LARGEST = 127  # -128 is not used: levels are symmetric


def scale_of(largest: NDArray[Any]) -> Matrix:
    """Return float32 scales of which 127 is the largest magnitude.

    Where that is zero, or a scale would vanish in float32, the scale is 1 and all levels are 0.
    """
    scale = (largest / LARGEST).astype(np.float32, copy=False)
    return np.where(scale < np.finfo(np.float32).tiny, np.float32(1), scale)


def symmetric_int8(
    numbers: NDArray[Any],
    *,
    axis: int | tuple[int, ...],
    scale: NDArray[Any] | None = None,
    scratch: NDArray[Any] | None = None,
    out: NDArray[np.int8] | None = None,
) -> tuple[NDArray[np.int8], Matrix]:
    """Return the nearest levels, halves to even, and their scales.

    Parameters
    ----------
    numbers
        Finite float32 or float64; quotients are of the same type.
    axis
        The axes whose numbers share a scale: 1 for a scale a row of a matrix, 0 for one a column.
    scale
        The scales, where they are given: numbers beyond 127 of them become 127.
    scratch, out
        Arrays of the shape of `numbers` to work in and for the levels, where this is called often.

    Examples
    --------
    >>> symmetric_int8(np.float32([[127, 2], [3.2, -2]]), axis=0)
    (array([[ 127,  127],
           [   3, -127]], dtype=int8), array([1.        , 0.01574803], dtype=float32))
    """
    found = scale
    if found is None:
        found = scale_of(np.abs(numbers, out=scratch).max(axis=axis, initial=0))
    steps = np.divide(numbers, np.expand_dims(found, axis), out=scratch)
    if scale is not None:  # beside its own scale no number is beyond 127.5
        np.clip(steps, -LARGEST, LARGEST, out=steps)
    levels = np.empty(numbers.shape, np.int8) if out is None else out
    levels[...] = np.rint(steps, out=steps)
    return levels, found
