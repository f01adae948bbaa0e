"""Which class a row takes that comes to a table later: the classes, and their bits, stay.

As in fitting, that is where error plus slope times bytes is least. The slope is not stored, but the
classes' bits were shared by it: it is what the last byte of a row saves.
"""

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.ops import numpy_ops
from embzip.codecs.row_classes.allocation import row_sizes
from embzip.codecs.row_classes.bins import Numbers
from embzip.codecs.row_classes.index import classes_of
from embzip.codecs.row_classes.losses import Losses, convex
from embzip.codecs.row_classes.moments import decoded_moments
from embzip.engine import Table, map_rows
from embzip.types import Arrays, Matrix


def join_classes(
    table: Table, codes: Arrays, params: Arrays, rows: int, losses: Losses
) -> NDArray[np.uint8]:
    """Return the classes of the rows of a compressed table, and after them those of new ones.

    Parameters
    ----------
    table
        The new rows, as the quantizer sees them.
    rows
        How many are compressed.
    """
    old = classes_of(np.asarray(codes["classes"]))[:rows]
    bits = params["bits"]
    deviation, mean = (array.astype(np.float64) for array in decoded_moments(params, numpy_ops))
    sizes, counts = row_sizes(bits), np.bincount(old, minlength=len(bits))
    cost = _slope(bits, np.square(deviation), losses, counts) * sizes
    # All-zero rows have a class of their own, or else the first that decodes to zeros.
    nothing = np.flatnonzero(~bits.any(axis=1) & ~mean.any(axis=1))

    def chosen_of(_: int, block: Matrix) -> NDArray[np.uint8]:
        lost = np.empty((len(block), len(bits)))
        for index in range(len(bits)):
            around = np.square(block - mean[index])
            lost[:, index] = losses.of(bits[index], np.square(deviation[index]), around).sum(axis=1)
        lost[:, counts == 0] = np.inf
        chosen: NDArray[np.uint8] = (lost + cost).argmin(axis=1).astype(np.uint8)
        if len(nothing):
            chosen[~block.any(axis=1)] = nothing[0]
        return chosen

    return np.concatenate([old, *map_rows(chosen_of, table, divisor=8)])


def _slope(
    bits: NDArray[np.uint8], variance: Numbers, losses: Losses, counts: NDArray[np.intp]
) -> float:
    """Return the error that the last byte of a row saves, in the class of the median row."""
    lowest = convex(losses.matched)
    saved = np.append(0, lowest[:-1] - lowest[1:])[bits] * variance
    least = 8 * np.where(bits > 0, saved, np.inf).min(axis=1)
    known = np.isfinite(least) & (counts > 0)
    if not known.any():
        return 0.0
    order = np.argsort(least[known])
    upto = np.cumsum(counts[known][order])
    return float(least[known][order][np.searchsorted(upto, upto[-1] / 2)])
