"""A table in one reading: its rows in bins of like length, and of like weight.

A bin is known by its number of rows, its weight, and the mean and mean square of each column; what
follows (`embzip.codecs.row_classes.allocation`) needs no more of the table, whatever its size.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import taken
from embzip.engine import Table, map_rows
from embzip.types import Matrix

Numbers = NDArray[np.float64]

# Of the squared length; with weights, bins of two kinds multiply.
_BINS_AN_OCTAVE = 16
_WEIGHTED_BINS_AN_OCTAVE = 4


@dataclass(frozen=True, eq=False)
class Bins:
    """Moments of rows of like length and weight.

    Attributes
    ----------
    of_row
        (rows,) the bin of each row.
    rows, weight, energy
        (bins,) numbers of rows, sums of weights, and mean squared lengths; bins rise by weight
        times energy, and all-zero rows are a bin of energy 0.
    mean, square
        (bins, dim) weighted means of the columns and of their squares.
    """

    of_row: NDArray[np.uint16 | np.uint32]
    rows: Numbers
    weight: Numbers
    energy: Numbers
    mean: Numbers
    square: Numbers


def gather_bins(table: Table, weights: NDArray[np.float64] | None) -> Bins:
    """Read a table once, in blocks."""
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
    """Return a whole number for each row's length and weight, and the weights."""
    low = -100_000
    with np.errstate(divide="ignore"):
        fine = _BINS_AN_OCTAVE if weights is None else _WEIGHTED_BINS_AN_OCTAVE
        length = np.where(energy > 0, np.floor(fine * np.log2(energy)), low)
        if weights is None:
            return length.astype(np.int32), np.ones(len(energy))
        weight = weights[first : first + len(energy)]
        octave = np.where(weight > 0, np.floor(np.log2(weight)), -2_000)
    return (length * 4096 + octave).astype(np.int32), weight
