"""A table in one reading: its rows in bins of like length, and of like weight.

A bin is known by its number of rows, its weight, and the mean and mean square of each column; what
follows (`embzip.codecs.row_classes.allocation`) needs no more of the table, whatever its size.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import Table, row_blocks, taken

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
    for first, block in row_blocks(table, divisor=4):
        wide = block.astype(np.float64)
        energy = np.einsum("ij,ij->i", wide, wide)
        key, weight = _keys(energy, weights, first)
        order = np.argsort(key, kind="stable")
        keys, starts = np.unique(key[order], return_index=True)
        number = np.empty(len(block), np.uint32)
        for name, members in zip(keys.tolist(), np.split(order, starts[1:]), strict=True):
            part, share = wide[members], weight[members]
            total = np.concatenate(
                [[len(members), share.sum(), energy[members].sum()],
                 share @ part, share @ np.square(part, out=part)]
            )  # fmt: skip
            place = numbered.setdefault(name, len(sums))
            if place == len(sums):
                sums.append(total)
            else:
                sums[place] += total
            number[members] = place
        if len(sums) > 2**16:
            of_row = of_row.astype(np.uint32, copy=False)
        of_row[first : first + len(block)] = number
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
