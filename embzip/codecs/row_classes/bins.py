"""One pass over a table: rows in bins of about equal length and weight, and each bin's moments.

A bin keeps how many rows it has, their weight, and the weighted mean and mean square of each
column. `embzip.codecs.row_classes.allocation` forms classes out of bins and needs nothing else of
the table, so its work does not grow with the number of rows.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import taken
from embzip.engine import Table, map_rows
from embzip.types import Matrix

Numbers = NDArray[np.float64]

# Bins an octave of the squared length. With weights each of them splits by octaves of the weight,
# and coarser ones keep their number small.
_BINS_AN_OCTAVE = 16
_WEIGHTED_BINS_AN_OCTAVE = 4
# A bin's key is one whole number: 4096 * (place of its length) + (octave of its weight).
_WEIGHT_KEYS = 4096
_ZERO_LENGTH, _ZERO_WEIGHT = -100_000, -2_000  # below the places of all numbers above zero


@dataclass(frozen=True, eq=False)
class Bins:
    """Moments of the rows of each bin, in float64.

    Attributes
    ----------
    of_row
        (rows,) the bin of each row.
    rows, weight, energy
        (bins,) how many rows, the sum of their weights, and their mean squared length. Bins are
        in rising order of a row's weight times energy; all-zero rows are a bin of energy 0.
    mean, square
        (bins, dim) weighted means of the columns, and of their squares.
    """

    of_row: NDArray[np.uint16 | np.uint32]
    rows: Numbers
    weight: Numbers
    energy: Numbers
    mean: Numbers
    square: Numbers


def gather_bins(table: Table, weights: NDArray[np.float64] | None) -> Bins:
    """Return the bins of a table, which is read once, in blocks."""
    rows, dim = table.shape
    of_row: NDArray[np.uint16 | np.uint32] = np.empty(rows, np.uint16)
    sums: list[Numbers] = []
    numbered: dict[int, int] = {}  # bins in the order of their first rows, by key
    first = 0
    for keys, found, inverse in map_rows(partial(_bins_of, weights), table, divisor=4):
        places = np.array([numbered.setdefault(key, len(numbered)) for key in keys.tolist()])
        for place, total in zip(places.tolist(), found, strict=True):
            if place == len(sums):
                sums.append(total)
            else:
                sums[place] += total
        if len(sums) > 2**16:
            of_row = of_row.astype(np.uint32, copy=False)
        of_row[first : first + len(inverse)] = places[inverse]
        first += len(inverse)
    by_key = np.argsort(list(numbered))
    totals = np.stack(sums)[by_key]
    weight = totals[:, 1]
    share = 1 / np.where(weight > 0, weight, 1)[:, None]
    energy = totals[:, 2] / totals[:, 0]
    rising = np.argsort(energy * weight / totals[:, 0], kind="stable")
    rank = np.empty(len(sums), of_row.dtype)
    rank[by_key[rising]] = np.arange(len(sums))
    taken(rank, of_row, out=of_row)
    return Bins(
        of_row,
        totals[rising, 0],
        weight[rising],
        energy[rising],
        (totals[:, 3 : 3 + dim] * share)[rising],
        (totals[:, 3 + dim :] * share)[rising],
    )


def _bins_of(
    weights: NDArray[np.float64] | None, first: int, block: Matrix
) -> tuple[NDArray[np.int32], list[Numbers], NDArray[np.intp]]:
    """Return the keys of a block's bins, their sums, and which of them each row is in."""
    wide = block.astype(np.float64)
    energy = np.einsum("ij,ij->i", wide, wide)
    key, weight = _keys(energy, weights, first)
    keys, inverse, sizes = np.unique(key, return_inverse=True, return_counts=True)
    totals = []
    for members in np.split(np.argsort(inverse, kind="stable"), np.cumsum(sizes)[:-1]):
        part, share = wide[members], weight[members]
        totals.append(
            np.concatenate(
                [[len(members), share.sum(), energy[members].sum()],
                 share @ part, share @ np.square(part, out=part)]
            )
        )  # fmt: skip
    return keys, totals, inverse


def _keys(
    energy: Numbers, weights: NDArray[np.float64] | None, first: int
) -> tuple[NDArray[np.int32], Numbers]:
    """Return the key of each row's bin, and the rows' weights."""
    with np.errstate(divide="ignore"):
        fine = _BINS_AN_OCTAVE if weights is None else _WEIGHTED_BINS_AN_OCTAVE
        length = np.where(energy > 0, np.floor(fine * np.log2(energy)), _ZERO_LENGTH)
        if weights is None:
            return length.astype(np.int32), np.ones(len(energy))
        weight = weights[first : first + len(energy)]
        octave = np.where(weight > 0, np.floor(np.log2(weight)), _ZERO_WEIGHT)
    return (length * _WEIGHT_KEYS + octave).astype(np.int32), weight
