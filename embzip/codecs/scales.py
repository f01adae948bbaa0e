"""A positive number a row in one byte: 255 steps of equal ratio from a smallest to a largest.

Byte 0 is exactly 0, for rows of zeros; what is stored beside the bytes is the two ends. Rows more
than 2**14 times smaller than the largest one are rounded to the nearest of 0 and the first step;
over that span a step is 3.9 %, over the span of 20 of usual tables 1.2 %.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.errors import FileFormatError

SCALE_RANGE = ArraySpec("scale_range", "float32", (2,))
_SPAN = 2.0**14
_SMALLEST = float(np.finfo(np.float32).tiny)
_LARGEST = float(np.finfo(np.float32).max)


def fit_scale_range(
    bounds: Iterable[tuple[NDArray[Any], NDArray[Any]]], largest_factor: float = 1.0
) -> NDArray[np.float32]:
    """Return (smallest, largest) over blocks of (lower, upper) bounds of the rows' scales.

    Parameters
    ----------
    largest_factor
        The largest number a scale is multiplied with: scale and product stay finite.
    """
    low, high = np.inf, 0.0
    for lower, upper in bounds:
        low = min(low, float(lower.min(where=lower >= _SMALLEST, initial=np.inf)))
        high = max(high, float(upper.max(initial=0.0)))
    high = min(high, _limit(largest_factor))
    if high < _SMALLEST:
        return np.ones(2, np.float32)
    low = max(min(low, high), high / _SPAN, _SMALLEST)
    return np.array([low, high], np.float32)


def scale_table(scale_range: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (256,) scales of each byte.

    >>> scale_table(np.array([1, 2], np.float32))[[0, 1, 128, 255]]
    array([0.       , 1.       , 1.4142135, 2.       ], dtype=float32)
    """
    low, high = np.maximum(scale_range.astype(np.float64), _SMALLEST)
    steps = low * (high / low) ** (np.arange(255) / 254)
    return np.concatenate([[0.0], np.minimum(steps, max(low, high))]).astype(np.float32)


def nearest_scale(scales: NDArray[Any], table: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the byte of each row's scale."""
    wide = table.astype(np.float64)
    middles = (wide[1:] + wide[:-1]) / 2
    return np.searchsorted(middles, scales).astype(np.uint8)


def check_scale_range(
    stage: str, scale_range: NDArray[np.float32], largest_factor: float = 1.0
) -> None:
    """Raise FileFormatError for a range that fitting never makes."""
    low, high = (float(end) for end in scale_range)
    if not _SMALLEST <= low <= high <= _limit(largest_factor):
        raise FileFormatError(
            f"{stage}: the scales must rise from above 0 to a finite number, found {low} to {high}"
        )


def _limit(largest_factor: float) -> float:
    # One part in a million below, so that rounding to float32 stays below too.
    return _LARGEST / max(1.0, largest_factor) * (1 - 1e-6)
