"""Classes of rows, and how many bits each column of a class gets: reverse water-filling.

A class has, for each column, one mean, one deviation and one number of bits; each of its rows takes
the same whole number of bytes. The budget of bytes is spent on one slope: the last byte of every
class saves about equally much error a row.

Classes are found by alternating two steps, as entropy-constrained vector quantization does. Given
the classes, bits go where they save most. Given the bits, each bin of rows moves to the class in
which error plus slope times bytes is least. `bins` has the moments that this needs, and `losses`
what k bits lose; how a number is quantized is not known here.

References: Shannon 1959; Cover and Thomas, chapter 10 (reverse water-filling); Chou, Lookabaugh and
Gray 1989 (entropy-constrained vector quantization).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import AT_ONCE, taken
from embzip.codecs.row_classes.bins import Bins, Numbers
from embzip.codecs.row_classes.losses import MOST_BITS, Losses, Tails, convex

_ROUNDS = 12  # alternations from each start, at most
# The second start must come below this share of the first one's error: where rows differ by chance
# only, both are as good, and which came out lower would be chance.
_WORTH = 0.95


@dataclass(frozen=True, eq=False)
class Allocation:
    """The classes of a table's rows.

    Attributes
    ----------
    of_row
        (rows,) the class of each row.
    bits, mean, deviation
        (classes, dim) of each class. All-zero rows have a class of no bits and mean 0.
    """

    of_row: NDArray[np.uint8]
    bits: NDArray[np.uint8]
    mean: Numbers
    deviation: Numbers

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Bytes of a row of each class."""
        return row_sizes(self.bits)


def row_sizes(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the bytes of a row of each class."""
    sizes: NDArray[np.int64] = (bits.sum(axis=1, dtype=np.int64) + 7) // 8
    return sizes


Measure = Callable[[NDArray[np.uint8], Numbers, Numbers], Tails]


def allocate(
    bins: Bins, losses: Losses, measure: Measure | None = None, *, classes: int, budget: int
) -> Allocation:
    """Form classes and give them bits, so that all rows together take at most `budget` bytes.

    Parameters
    ----------
    losses
        Of Gaussian columns. Rows choose their class by them, as bins know variances only.
    measure
        Takes the class of each row, and the classes' means and deviations, and returns what the
        columns of the classes really lose. Bits are then given by that, and deviations stretched.
        Without it columns count as Gaussian.
    """
    zero = bins.energy == 0
    first = int(zero.any())
    members = np.zeros((len(bins.rows), classes))
    members[zero, 0] = bins.rows[zero]
    live = np.flatnonzero(~zero)
    if not len(live):
        shape = (classes, bins.mean.shape[1])
        return Allocation(
            np.zeros(len(bins.of_row), np.uint8),
            np.zeros(shape, np.uint8),
            np.zeros(shape),
            np.zeros(shape),
        )
    count = min(classes - first, len(live))
    best: tuple[float, _Classes] | None = None
    gain = 1.0
    starts = [_by_rank(bins.rows[live], count), _by_octave(bins, live, count)]
    chosen = starts.pop(0)
    for turn in range(2 * _ROUNDS):
        members[live] = 0
        members[live, first + chosen] = bins.rows[live]
        made = _Classes.of(bins, members)
        made, slope = made.filled(losses.matched, budget)
        errors = made.errors(bins, losses)[live]
        total = float(errors[np.arange(len(live)), first + chosen].sum())
        if best is None or total < gain * best[0]:
            gain = 1.0
            best = total, replace(made, members=members.copy())
        cost = errors + slope * bins.rows[live, None] * made.sizes
        usable = slice(first, first + count)
        moved = cost[:, usable].argmin(axis=1)
        if starts and (turn == _ROUNDS - 1 or (moved == chosen).all()):
            chosen, gain = starts.pop(0), _WORTH
        elif (moved == chosen).all():
            break
        else:
            chosen = moved
    assert best is not None  # noqa: S101  # there is at least one round
    formed = best[1]
    if measure is None:
        return formed.finished(bins, losses, budget)
    found = measure(taken(formed.of_bin, bins.of_row), formed.mean, np.sqrt(formed.variance))
    formed, _ = formed.filled(found.losses, budget)
    done = formed.finished(bins, losses, budget)
    # `finished` has moved rows, and a single number far out is enough to matter: measured again.
    found = measure(done.of_row, done.mean, done.deviation)
    stretch = np.take_along_axis(found.stretch, done.bits[:, :, None].astype(np.intp), axis=2)
    return replace(done, deviation=done.deviation * stretch[:, :, 0])


def _by_rank(rows: Numbers, count: int) -> NDArray[np.intp]:
    """Return a class for each bin: the order of bins, cut into parts of equally many rows."""
    middle = (np.cumsum(rows) - rows / 2) / rows.sum()
    chosen: NDArray[np.intp] = np.minimum((middle * count).astype(np.intp), count - 1)
    return chosen


def _by_octave(bins: Bins, live: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return a class for each bin: equal steps of the logarithm of a row's weight times energy.

    So the longest rows get classes of their own, however few they are. In a class of shorter rows
    they might lose more than all other rows together.
    """
    size = np.log2(np.maximum((bins.energy * bins.weight / bins.rows)[live], 1e-300))
    ranks = np.cumsum(bins.rows[live]) / bins.rows[live].sum()
    low, high = float(size[np.searchsorted(ranks, 0.05)]), float(size.max())
    place = (size - low) / max(high - low, 1e-9) * count
    chosen: NDArray[np.intp] = np.clip(place, 0, count - 1).astype(np.intp)
    return chosen


@dataclass(frozen=True, eq=False)
class _Classes:
    members: Numbers  # (bins, classes) how many rows of a bin are in a class
    rows: Numbers  # (classes,)
    weight: Numbers  # (classes,) the sum of the rows' weights
    mean: Numbers  # (classes, dim), as are those below
    variance: Numbers
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, bins: Bins, members: Numbers) -> "_Classes":
        weight = members * (bins.weight / bins.rows)[:, None]
        mass = weight.sum(axis=0)
        share = (weight / np.where(mass > 0, mass, 1)).T
        mean = share @ bins.mean
        variance = np.maximum(share @ bins.square - mean * mean, 0)
        # What float64 cannot tell from zero is zero: a constant column takes no bits.
        variance[variance < 1e-12 * (mean * mean)] = 0
        return cls(
            members, members.sum(axis=0), mass, mean, variance, np.zeros(mean.shape, np.uint8)
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        return row_sizes(self.bits)

    @property
    def of_bin(self) -> NDArray[np.uint8]:
        """(bins,) the class that holds all rows of a bin, or most of them."""
        made: NDArray[np.uint8] = self.members.argmax(axis=1).astype(np.uint8)
        return made

    def filled(self, losses: Numbers, budget: int) -> tuple["_Classes", float]:
        """Return the classes with bits for a budget of bytes, and the slope of error by bytes.

        Within a class the bits that save most come first, and eight make a byte. Over all classes
        the bytes that save most error for each row come first, until the budget is spent.

        Parameters
        ----------
        losses
            By bits, for each column of each class (classes, dim, 9), or for all alike (9,).
        """
        classes, dim = self.mean.shape
        lowest = convex(losses)
        steps = lowest[..., :-1] - lowest[..., 1:]
        saved = self.weight[:, None, None] * self.variance[:, :, None] * steps
        saved = saved.transpose(0, 2, 1).reshape(classes, MOST_BITS * dim)
        order = np.argsort(-saved, axis=1, kind="stable")
        bytewise = np.take_along_axis(saved, order, axis=1).reshape(classes, dim, 8).sum(axis=2)
        rows = np.where(self.rows > 0, self.rows, 1)
        slopes = (bytewise / rows[:, None]).T.ravel()  # by byte, then class
        falling = np.argsort(-slopes, kind="stable")
        falling = falling[slopes[falling] > 0]
        spent = np.cumsum(self.rows[falling % classes])
        fits = int(np.searchsorted(spent, budget, side="right"))
        sizes = np.bincount(falling[:fits] % classes, minlength=classes)
        bits = np.zeros((classes, dim), np.uint8)
        for index in range(classes):
            taken = order[index, : 8 * sizes[index]] % dim
            bits[index] = np.bincount(taken, minlength=dim)
        slope = float(slopes[falling[min(fits, len(falling) - 1)]]) if len(falling) else 0.0
        return replace(self, bits=bits), slope

    def errors(self, bins: Bins, losses: Losses) -> Numbers:
        """Return the weighted error (bins, classes) of each bin in each class."""
        found = np.empty((len(bins.rows), len(self.rows)))
        for index, (mean, variance) in enumerate(zip(self.mean, self.variance, strict=True)):
            around = np.maximum(bins.square - 2 * mean * bins.mean + mean * mean, 0)
            found[:, index] = losses.of(self.bits[index], variance, around).sum(axis=1)
        return found * bins.weight[:, None]

    def finished(self, bins: Bins, losses: Losses, budget: int) -> Allocation:
        """Return the allocation, with the rest of the budget spent on moving rows.

        What is left is less than another byte for a whole class. It moves single rows to classes
        of more bytes, those first that save most error for each byte.
        """
        of_row = taken(self.of_bin, bins.of_row)
        left = budget - int(self.rows @ self.sizes)
        members = self.members.copy()
        errors = self.errors(bins, losses) / bins.rows[:, None]
        home = self.of_bin
        more = self.sizes[None, :] - self.sizes[home][:, None]
        lost = errors - errors[np.arange(len(home)), home][:, None]
        barred = (more <= 0) | (lost >= 0) | (self.rows == 0) | (bins.energy == 0)[:, None]
        gains = np.where(barred, -np.inf, -lost / np.where(more > 0, more, 1))
        for place in np.argsort(-gains, axis=None, kind="stable").tolist():
            index, other = divmod(place, gains.shape[1])
            if left <= 0 or not np.isfinite(gains[index, other]):
                break
            old = home[index]
            count = min(int(members[index, old]), left // int(more[index, other]))
            if count == 0:
                continue
            members[index, old] -= count
            members[index, other] += count
            left -= count * int(more[index, other])
            for first in range(0, len(of_row), AT_ONCE):
                part = of_row[first : first + AT_ONCE]
                rows = np.flatnonzero(
                    (bins.of_row[first : first + AT_ONCE] == index) & (part == old)
                )
                part[rows[:count]] = other
                count -= len(rows[:count])
                if count == 0:
                    break
        # Bits stay as they are; means and deviations are those of the rows after the moves.
        moved = _Classes.of(bins, members)
        return Allocation(of_row, self.bits, moved.mean, np.sqrt(moved.variance))
