"""Rate-distortion tables: the mean squared error of a number that is stored in 0 to 8 bits.

`Losses` holds those of a quantizer on Gaussian numbers, `Tails` those of the columns of a table.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.row_classes.bins import Numbers

MOST_BITS = 8


@dataclass(frozen=True, eq=False)
class Losses:
    """A quantizer's mean squared error on Gaussian numbers, also of another variance than expected.

    A quantizer divides numbers by the deviation that it expects of their class. Numbers of a larger
    variance overload it, and those of a smaller one waste its levels.

    Attributes
    ----------
    table
        (9, 33): row k for k bits, as shares of the expected variance. Column j is for numbers whose
        variance is 2^((j - 16) / 2) times the expected one, so column 16 is the matched case.
    """

    table: Numbers

    @property
    def matched(self) -> Numbers:
        """(9,) errors by bits where the variance is the expected one."""
        return self.table[:, self.table.shape[1] // 2]

    def of(self, bits: NDArray[np.uint8], expected: Numbers, found: Numbers) -> Numbers:
        """Return the errors (bins, dim) of numbers of variance `found`, by columns' `bits`.

        Between the columns of the table the logarithm is interpolated, and what lies beyond the
        last column is lost whole. A column without bits loses its variance.

        Parameters
        ----------
        bits, expected
            (dim,) of a class: bits a number, and the variance that it divides by.
        found
            (bins, dim) variances of the numbers that are stored so.
        """
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
    """What the columns of each class of rows lose, and the deviations with which they lose least.

    Attributes
    ----------
    losses
        (classes, dim, 9) mean squared errors by bits, as shares of the column's variance.
    stretch
        (classes, dim, 9) the factors, from 1 on, by which deviations are best stretched.
    """

    losses: Numbers
    stretch: Numbers


def convex(losses: Numbers) -> Numbers:
    """Return the lower convex hulls of losses (..., 9).

    Water-filling gives bits one after another to whatever saves most, which is right only where
    every bit saves less than the one before. That need not hold: where most numbers are near zero,
    the first bit may save nothing and the second one much.

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
