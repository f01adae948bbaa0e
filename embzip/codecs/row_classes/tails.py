"""What the columns of classes lose where they are not Gaussian, and by which deviation to divide.

Bits are shared (`allocation`) by what Gaussian numbers lose, but real columns have heavier tails. A
number beyond the outermost value of a quantizer loses its whole distance to that value; with many
bits, a few such numbers cost more than all others. Dividing by a larger deviation ("stretching")
brings them back inside, and makes every step larger.

So the numbers of each class and column are counted by magnitude, in deviations. The error of k bits
at each magnitude was measured once for the quantizer. Counts times errors give the loss for every k
and every stretch, and the stretch that loses least is taken.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import AT_ONCE
from embzip.codecs.row_classes.bins import Numbers
from embzip.codecs.row_classes.losses import MOST_BITS, Losses, Tails
from embzip.engine import Table
from embzip.types import Matrix

# Magnitudes, in deviations, are counted in bins of a sixteenth of an octave, from 1/8 to 512. The
# first bin also holds all that is nearer to zero, the last one all that is farther out.
_AN_OCTAVE = 16
_LOW, _HIGH = -3, 9
_BINS = (_HIGH - _LOW) * _AN_OCTAVE
# Stretches that are tried, in the same steps: from 1 to 64 times the deviation.
_STRETCHES = np.arange(6 * _AN_OCTAVE + 1)

# What the error by magnitude is measured on: so many rows of so many numbers.
_MEASURED_ROWS, _MEASURED_COLUMNS = 2000, 64
# The share of numbers that are replaced by far ones: few, so that a trellis finds usual neighbours.
_PLANTED = 0.01
# Planted numbers are counted in coarser bins than usual ones, as they are few.
_PLANTED_AN_OCTAVE = 4
# From 2 deviations on Gaussian numbers are too few to measure by, and planted ones are used.
_PLANTED_FROM = 1  # octaves
# At 16 deviations all quantizers are overloaded: farther out, the error is the distance to a value.
_OVERLOADED = 4  # octaves

# Rows of Gaussian numbers are longer than expected by chance; so many standard deviations of their
# squared length are taken for chance.
_CHANCE = 5.0
_ROWS = 65_536  # of a table are counted, evenly spread
_RUN = 256  # rows that are read together
_FEW = 16  # a class of which fewer rows were counted is not known well enough


def errors_by_magnitude(quantize: Callable[[Matrix, int], Matrix]) -> Numbers:
    """Return the mean squared error (9, bins) of 0 to 8 bits at each magnitude, in deviations.

    Parameters
    ----------
    quantize
        Takes numbers (rows, n) and how many bits each gets, and returns what they decode to.

    Notes
    -----
    It is measured: on rows of Gaussian numbers, and for magnitudes that these hardly hold on rows
    into which a few numbers of 2 to 16 deviations are planted. There is no formula, since a trellis
    ties a number's error to those of its neighbours; and with many far numbers in one row, the near
    ones would lose too.
    """
    rng = np.random.default_rng(0)
    gaussian = rng.normal(size=(_MEASURED_ROWS, _MEASURED_COLUMNS))
    anything = np.copysign(2.0 ** rng.uniform(_PLANTED_FROM, _OVERLOADED, gaussian.shape), gaussian)
    planted = np.where(rng.random(gaussian.shape) < _PLANTED, anything, gaussian)
    octave = _LOW + (np.arange(_BINS) + 0.5) / _AN_OCTAVE
    coarse = (
        _LOW + (np.arange((_OVERLOADED - _LOW) * _PLANTED_AN_OCTAVE) + 0.5) / _PLANTED_AN_OCTAVE
    )
    made = np.empty((MOST_BITS + 1, _BINS))
    made[0] = 4.0**octave
    for bits in range(1, MOST_BITS + 1):
        usual, _ = _mean_errors(gaussian, bits, quantize, _AN_OCTAVE)
        rare, count = _mean_errors(planted, bits, quantize, _PLANTED_AN_OCTAVE)
        rare = np.log2(np.maximum(rare, 1e-12))
        made[bits] = 2.0 ** np.interp(octave, coarse[count > 0], rare[count > 0])
        # Beyond what was measured, the error is the squared distance to the outermost value.
        reach = 2.0 ** coarse[-1] - 2.0 ** (rare[-1] / 2)
        made[bits] = np.where(octave < coarse[-1], made[bits], np.square(2.0**octave - reach))
        made[bits, octave < _PLANTED_FROM] = usual[octave[: len(usual)] < _PLANTED_FROM]
    return made


def _mean_errors(
    rows: Numbers, bits: int, quantize: Callable[[Matrix, int], Matrix], an_octave: int
) -> tuple[Numbers, Numbers]:
    """Return the mean squared error by magnitude, up to 16, and the numbers counted in each bin."""
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
    """Return what the columns of each class lose, from counts of a sample of the rows.

    A class of which too few rows are in the sample counts as Gaussian, without a stretch. Such a
    class may be a few rows far out, which make most of the error: better not to guess.

    Parameters
    ----------
    losses
        Of Gaussian columns.
    errors
        What `errors_by_magnitude` returned for the quantizer.
    of_row
        (rows,) the class of each row.
    mean, deviation
        (classes, dim) of the classes' columns.
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
    """Return the root mean square of each row, whose squares (rows, dim) are in variances.

    It is 1 for rows that are no longer than chance makes rows of Gaussian numbers.
    """
    mean = square.mean(axis=1)
    usual = 1 + _CHANCE * np.sqrt(2 / square.shape[1])
    return np.sqrt(np.where(mean > usual, mean, 1))


def _counted(far: Numbers, mass: Numbers) -> Numbers:
    """Return the histogram (dim * bins,) of magnitudes (rows, dim), weighted by the rows' mass."""
    dim = far.shape[1]
    place = np.log2(np.clip(far, 2.0**_LOW, 2.0 ** (_HIGH - 1e-6)))
    bins = ((place - _LOW) * _AN_OCTAVE).astype(np.intp) + np.arange(dim) * _BINS
    counted = np.bincount(bins.ravel(), np.repeat(mass, dim), dim * _BINS)
    return counted.astype(np.float64)


def _lost(counts: Numbers, tried: Numbers) -> Numbers:
    """Return the losses (dim, 9, stretches) of columns: their shares times the errors."""
    shares = counts.reshape(-1, _BINS)
    total = shares.sum(axis=1, keepdims=True)
    shares = shares / np.where(total > 0, total, 1)
    return np.asarray(np.tensordot(shares, tried, axes=(1, 2)))


def _errors_of_rows(losses: Losses) -> Numbers:
    """Return the error (9, bins) of Gaussian rows whose deviation is where the bin begins."""
    octave = _LOW + np.arange(_BINS) / _AN_OCTAVE
    kinds = np.arange(MOST_BITS + 1, dtype=np.uint8)
    return losses.of(kinds[None], np.ones((1, 1)), 4.0 ** octave[:, None]).T


def _by_stretch(errors: Numbers) -> Numbers:
    """Return errors (9, stretches, bins): a stretch shifts magnitudes down, and scales errors."""
    made = np.empty((len(errors), len(_STRETCHES), _BINS))
    for place, steps in enumerate(_STRETCHES.tolist()):
        source = np.clip(np.arange(_BINS) - steps, 0, _BINS - 1)
        made[:, place] = errors[:, source] * 4.0 ** (steps / _AN_OCTAVE)
    return made


def _coupling(tried: tuple[Numbers, Numbers]) -> Numbers:
    """Return the factors (9, stretches, 1) by which Gaussian rows lose more than `errors` say.

    Errors by magnitude were measured among neighbours of unit variance. Where all numbers of a row
    are wider, the trellis cannot give each of them a window with a value near it.
    """
    octave = _LOW + (np.arange(_BINS) + 0.5) / _AN_OCTAVE
    density = 2.0**octave * np.exp(-(4.0**octave) / 2)
    alone = tried[0] @ (density / density.sum())
    together = tried[1][:, :, -_LOW * _AN_OCTAVE]
    made: Numbers = np.maximum(together / alone, 1)[:, :, None]
    return made
