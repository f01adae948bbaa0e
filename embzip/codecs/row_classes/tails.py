"""How far a column's numbers lie from their mean, and what that costs by bits and by deviation.

The losses that bits are shared by (`allocation`) are those of Gaussian numbers. Real
columns have heavier tails: numbers beyond a quantizer's outermost value lose the whole distance to
it, so that with many bits a few of them cost more than all others. Here the columns of a class of
rows are counted by magnitude, and what k bits lose at every magnitude says by which deviation to
divide a column, and what is lost then.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import AT_ONCE
from embzip.codecs.row_classes.bins import Numbers
from embzip.codecs.row_classes.losses import MOST_BITS, Losses, Tails
from embzip.engine import Table
from embzip.types import Matrix

# Magnitudes, in deviations, in sixteenths of an octave; the first bin holds all that is nearer.
_AN_OCTAVE = 16
_LOW = -3
_HIGH = 9
_BINS = (_HIGH - _LOW) * _AN_OCTAVE
# What a deviation is tried times, in the same steps.
_FEWEST, _MOST = 0, 6 * _AN_OCTAVE
_STRETCHES = np.arange(_FEWEST, _MOST + 1)
# What is measured: rows, numbers a row, the share that is planted, bins an octave of those, and
# the octaves from which Gaussian numbers are few, and at which all are far beyond every value.
_MEASURED, _LONG, _PLANTED, _COARSE, _USUAL, _OVERLOADED = 2000, 64, 0.01, 4, 1, 4
_CHANCE = 5.0  # deviations of a squared length
_ROWS = 65_536  # of a table are counted, in runs
_RUN = 256
_FEW = 16  # counted rows of a class that has more say little of them


def errors_by_magnitude(quantize: Callable[[Matrix, int], Matrix]) -> Numbers:
    """Return the mean squared error (9, bins) of 0 to 8 bits at each magnitude, in deviations.

    Parameters
    ----------
    quantize
        Takes numbers (rows, n) and how many bits each gets, and returns what they decode to.

    Notes
    -----
    Measured, on Gaussian rows and, for magnitudes that these hardly hold, on rows in which a few
    numbers are anything up to 16. A trellis ties a number's error to its neighbours', so that no
    formula of one number will do, and many far numbers in a row would cost the near ones too.
    """
    rng = np.random.default_rng(0)
    gaussian = rng.normal(size=(_MEASURED, _LONG))
    anything = np.copysign(2.0 ** rng.uniform(_USUAL, _OVERLOADED, gaussian.shape), gaussian)
    planted = np.where(rng.random(gaussian.shape) < _PLANTED, anything, gaussian)
    octave = _LOW + (np.arange(_BINS) + 0.5) / _AN_OCTAVE
    coarse = _LOW + (np.arange((_OVERLOADED - _LOW) * _COARSE) + 0.5) / _COARSE
    made = np.empty((MOST_BITS + 1, _BINS))
    made[0] = 4.0**octave
    for bits in range(1, MOST_BITS + 1):
        usual, _ = _mean_errors(gaussian, bits, quantize, _AN_OCTAVE)
        rare, count = _mean_errors(planted, bits, quantize, _COARSE)
        rare = np.log2(np.maximum(rare, 1e-12))
        made[bits] = 2.0 ** np.interp(octave, coarse[count > 0], rare[count > 0])
        # Beyond what was measured, the distance to a value that is as far out as any.
        reach = 2.0 ** coarse[-1] - 2.0 ** (rare[-1] / 2)
        made[bits] = np.where(octave < coarse[-1], made[bits], np.square(2.0**octave - reach))
        made[bits, octave < _USUAL] = usual[octave[: len(usual)] < _USUAL]
    return made


def _mean_errors(
    rows: Numbers, bits: int, quantize: Callable[[Matrix, int], Matrix], an_octave: int
) -> tuple[Numbers, Numbers]:
    """Return the mean error at magnitudes up to 16, and how many numbers had it."""
    numbers = rows.astype(np.float32)
    place = np.log2(np.maximum(np.abs(numbers), 2.0**_LOW)) - _LOW
    bins = (place * an_octave).astype(np.intp).ravel()
    size = (_OVERLOADED - _LOW) * an_octave
    error = np.square((quantize(numbers, bits) - numbers).astype(np.float64)).ravel()
    count = np.bincount(bins, minlength=size)[:size].astype(np.float64)
    return np.bincount(bins, error, size)[:size] / np.maximum(count, 1), count


def count_tails(
    table: Table,
    weights: NDArray[np.float64] | None,
    losses: Losses,
    errors: Numbers,
    of_row: NDArray[np.uint8],
    mean: Numbers,
    deviation: Numbers,
) -> Tails:
    """Count a table's rows, or many of them, by class, column and magnitude.

    Of a class of which hardly any row, or none that counts, is among those, columns lose what
    Gaussian ones do: a few rows far out may be a class, and most of all that is lost.

    Parameters
    ----------
    errors
        Of `errors_by_magnitude`.
    of_row
        (rows,) the class of each row.
    mean, deviation
        (classes, dim).
    """
    classes, dim = mean.shape
    numbers, rows = np.zeros((classes, dim * _BINS)), np.zeros((classes, _BINS))
    counted = np.zeros(classes, np.int64)
    inverse = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    step = _RUN * -(-table.shape[0] // _ROWS)
    for first in range(0, table.shape[0], step):
        block = table[slice(first, first + _RUN)]
        near = of_row[first : first + len(block)]
        for index in np.unique(near):
            members = np.flatnonzero(near == index)
            counted[index] += len(members)
            far = np.abs(block[members] - mean[index]) * inverse[index]
            mass = np.ones(len(members)) if weights is None else weights[first + members]
            numbers[index] += _counted(far, mass)
            whole = _row_magnitudes(far * far)[:, None] * 2.0 ** (0.5 / _AN_OCTAVE)
            rows[index] += _counted(whole, mass)
    tried = _by_stretch(errors), _by_stretch(_errors_of_rows(losses))
    tried[0][:] *= _coupling(tried)
    found = np.tile(losses.matched, (classes, dim, 1))
    stretch = np.ones((classes, dim, len(errors)))
    rows_of = sum(
        np.bincount(of_row[first : first + AT_ONCE], minlength=classes)
        for first in range(0, len(of_row), AT_ONCE)
    )
    unknown = (counted < _FEW) & (counted < rows_of)
    for index in np.flatnonzero(~unknown & rows.any(axis=1)):
        lost = np.maximum(_lost(numbers[index], tried[0]), _lost(rows[index], tried[1]))
        best = lost.argmin(axis=2)
        found[index] = np.take_along_axis(lost, best[:, :, None], axis=2)[:, :, 0]
        stretch[index] = 2.0 ** (_STRETCHES[best] / _AN_OCTAVE)
    return Tails(found, stretch)


def _row_magnitudes(square: Numbers) -> Numbers:
    """Return the deviations (rows,) of rows whose squares (rows, dim) are in variances.

    It is 1 where chance alone makes rows of Gaussian numbers as long.
    """
    mean = square.mean(axis=1)
    usual = 1 + _CHANCE * np.sqrt(2 / square.shape[1])
    return np.sqrt(np.where(mean > usual, mean, 1))


def _counted(far: Numbers, mass: Numbers) -> Numbers:
    """Return the mass (dim * bins,) of magnitudes (rows, dim)."""
    dim = far.shape[1]
    place = np.log2(np.clip(far, 2.0**_LOW, 2.0 ** (_HIGH - 1e-6)))
    bins = ((place - _LOW) * _AN_OCTAVE).astype(np.intp) + np.arange(dim) * _BINS
    counted = np.bincount(bins.ravel(), np.repeat(mass, dim), dim * _BINS)
    return counted.astype(np.float64)


def _lost(counts: Numbers, tried: Numbers) -> Numbers:
    """Return the losses (dim, 9, stretches) of columns counted by magnitude."""
    shares = counts.reshape(-1, _BINS)
    total = shares.sum(axis=1, keepdims=True)
    shares = shares / np.where(total > 0, total, 1)
    return np.asarray(np.tensordot(shares, tried, axes=(1, 2)))


def _errors_of_rows(losses: Losses) -> Numbers:
    """Return the error (9, bins) of rows whose numbers all have the deviation a bin begins at."""
    octave = _LOW + np.arange(_BINS) / _AN_OCTAVE
    kinds = np.arange(MOST_BITS + 1, dtype=np.uint8)
    return losses.of(kinds[None], np.ones((1, 1)), 4.0 ** octave[:, None]).T


def _by_stretch(errors: Numbers) -> Numbers:
    """Return errors (9, stretches, bins) of magnitudes when the deviation is stretched."""
    made = np.empty((len(errors), len(_STRETCHES), _BINS))
    for place, steps in enumerate(_STRETCHES.tolist()):
        source = np.clip(np.arange(_BINS) - steps, 0, _BINS - 1)
        made[:, place] = errors[:, source] * 4.0 ** (steps / _AN_OCTAVE)
    return made


def _coupling(tried: tuple[Numbers, Numbers]) -> Numbers:
    """Return how much more than their numbers say (9, stretches, 1) Gaussian rows lose.

    Errors by magnitude were measured among numbers of unit variance. Where all are wider, a
    trellis cannot give every number a window that has a value near it.
    """
    octave = _LOW + (np.arange(_BINS) + 0.5) / _AN_OCTAVE
    density = 2.0**octave * np.exp(-(4.0**octave) / 2)
    alone = tried[0] @ (density / density.sum())
    together = tried[1][:, :, -_LOW * _AN_OCTAVE]
    made: Numbers = np.maximum(together / alone, 1)[:, :, None]
    return made
