"""What numbers lose by their bits: of Gaussian columns, and of real ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.row_classes.bins import Numbers

MOST_BITS = 8


@dataclass(frozen=True, eq=False)
class Losses:
    """Mean squared error of a column, by bits and by how far its variance is from the expected.

    Attributes
    ----------
    table
        (9, 33): row k for k bits, as shares of the expected variance; column j for numbers of
        2^((j - 16) / 2) times that variance.
    """

    table: Numbers

    @property
    def matched(self) -> Numbers:
        """(9,) errors where the variance is the expected one."""
        return self.table[:, self.table.shape[1] // 2]

    def of(self, bits: NDArray[np.uint8], expected: Numbers, found: Numbers) -> Numbers:
        """Return errors (bins, dim) for columns of `expected` (dim,) variance, of `found`."""
        middle = self.table.shape[1] // 2
        safe = np.where(expected > 0, expected, 1)
        place = middle + 2 * np.log2(np.maximum(found / safe, 1e-12))
        place = np.clip(place, 0, 2 * middle - 1e-9)
        left = place.astype(np.intp)
        part = place - left
        logs = np.log2(self.table)
        error = safe * 2 ** (logs[bits, left] * (1 - part) + logs[bits, left + 1] * part)
        beyond = np.maximum(found - safe * 2.0 ** (middle / 2), 0)
        return np.where((bits > 0) & (expected > 0), error + beyond, found)


@dataclass(frozen=True, eq=False)
class Tails:
    """What the columns (classes, dim) of classes really lose, and how to lose no more.

    Attributes
    ----------
    losses
        (classes, dim, 9) mean squared errors by bits, as shares of the variance.
    stretch
        (classes, dim, 9) what the deviation is multiplied with.
    """

    losses: Numbers
    stretch: Numbers


def convex(losses: Numbers) -> Numbers:
    """Return the largest convex curves (..., 9) below losses, by which bits are given one by one.

    A first bit may save nothing, where numbers are mostly near zero, and the second much.

    >>> convex(np.array([1.0, 1.0, 0.25, 0.25])).tolist()
    [1.0, 0.625, 0.25, 0.25]
    """
    count = losses.shape[-1]
    lowest = losses.copy()
    for first in range(count):
        for last in range(first + 2, count):
            share = np.arange(1, last - first) / (last - first)
            chord = losses[..., [first]] * (1 - share) + losses[..., [last]] * share
            between = lowest[..., first + 1 : last]
            np.minimum(between, chord, out=between)
    return lowest
