"""Tail-biting trellis-coded quantization: the trellis, its tables, and the search that encodes.

A row of n numbers, each stored in k >= 1 bits, one of them coded and k-1 free:

    window_j = coded_j + 2 coded_(j-1) + ... + 2^m coded_(j-m)      (indices modulo n, 2^m states)
    value_j  = table[window_j, 2^(k-1) - 1 + free_j]

so decoding has no recursion. The tables hold values for unit Gaussian numbers; they were trained by
`scripts/train_trellis.py` and ship with the package. No library quantizes by a trellis of many
rates whose paths close on themselves, so the tables and the search (`embzip.codecs.viterbi`) are
our own. Nothing here knows classes of rows or bytes.

References: Marcellin and Fischer 1990; Ungerboeck 1982; Fischer, Wang 1992.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Bits = NDArray[np.uint8]

DATA = Path(__file__).parent
# Constraint lengths after which survivors have met: the usual five do not do where columns of few
# bits count as much as others. 8 lose 0.01 dB at 2 bits on GloVe, 16 gain 0.002.
_MEMORY = 12
_SHORT = 8
_CELLS_PER_VALUE = 32


@dataclass(frozen=True, eq=False)
class Trellis:
    """A trellis of 2^memory states and its table of values.

    Attributes
    ----------
    table
        (2 * states, 2^K - 1) float32: column 2^(k-1) - 1 + free holds the values of k bits.
    """

    table: Values

    @property
    def states(self) -> int:
        """States of the search, half the windows."""
        return len(self.table) // 2

    @property
    def memory(self) -> int:
        """Earlier coded bits that a value depends on."""
        return self.states.bit_length() - 1

    def values(self, bits: int) -> Values:
        """Return the (windows, 2^(bits-1)) values of a number stored in so many bits."""
        first = 2 ** (bits - 1) - 1
        return self.table[:, first : 2 * first + 1]


@cache
def trained_trellis(states: int) -> Trellis:
    """Return the trellis that ships with the package."""
    table = np.load(DATA / f"trellis{states}.npy", allow_pickle=False)
    return Trellis(np.ascontiguousarray(table, np.float32))


def encode(
    trellis: Trellis, numbers: Values, bits: Sequence[int], weights: Values | None = None
) -> tuple[Bits, Bits]:
    """Return (coded, free), both (rows, n): the path of nearly least squared error.

    Parameters
    ----------
    numbers
        (rows, n), of about unit variance.
    bits
        The n numbers of bits, each from 1 to 8.
    weights
        (n,) what a squared error counts, or all alike. A path ties columns of few and of many
        bits together, so the variances that were divided out belong here.

    Notes
    -----
    The state at the row's end must be that at its start. A first search, around the circle from
    its far side, finds that state; a second one, with it fixed, the path. Rows of at most
    8 numbers try every state instead.
    """
    # Numba takes a second to import, which nothing but this needs.
    from embzip.codecs.viterbi import search

    rows, length = numbers.shape
    kinds, kind = np.unique(np.asarray(bits, np.int64), return_inverse=True)
    branches = [_Branches.of(trellis, int(count)) for count in kinds]
    counts = np.array([len(known.choice) for known in branches])
    low = np.array([known.low for known in branches], np.float32)[kind]
    per_unit = np.array([known.per_unit for known in branches], np.float32)[kind]
    cells = np.clip((numbers - low) * per_unit, 0, (counts[kind] - 1).astype(np.float32))
    first_cell = (np.cumsum(counts) - counts)[kind].astype(np.int32)
    shares = np.ones(length) if weights is None else weights.astype(np.float64)
    coded = np.empty((rows, length), np.uint8)
    free = np.empty((rows, length), np.uint8)
    search(
        np.ascontiguousarray(numbers, np.float32),
        np.concatenate([known.grid for known in branches]),
        np.concatenate([known.choice for known in branches]),
        cells.astype(np.int32) + first_cell,
        np.sqrt(shares).astype(np.float32),
        _MEMORY * (trellis.memory + 1) if length > _SHORT else 0,
        coded,
        free,
    )
    return coded, free


def decode(trellis: Trellis, coded: Bits, free: Bits, bits: Sequence[int]) -> Values:
    """Return the values of coded and free bits; the plain definition, which codecs are held to."""
    windows = np.zeros(coded.shape, np.int64)
    for back in range(trellis.memory + 1):
        windows |= np.roll(coded, back, axis=1).astype(np.int64) << back
    columns = 2 ** (np.asarray(bits, np.int64) - 1) - 1 + free
    values: Values = trellis.table[windows, columns]
    return values


@dataclass(frozen=True, eq=False)
class _Branches:
    """For one number of bits: the nearest value of every window, looked up on a fine grid.

    Attributes
    ----------
    low, per_unit
        Where the grid begins, and its cells a unit; one cell where a window has one value.
    choice
        (cells, windows) uint8, which of a window's values is nearest to the cell.
    grid
        (cells, 4, states / 2), that value, in the order in which `search` reads them.
    """

    low: float
    per_unit: float
    choice: NDArray[np.uint8]
    grid: Values

    @staticmethod
    @lru_cache(maxsize=24)  # the trellises that ship; training makes thousands
    def of(trellis: Trellis, bits: int) -> "_Branches":
        values = trellis.values(bits)
        windows, count = values.shape
        low, high = float(values.min()), float(values.max())
        cells = 1 if count == 1 else _CELLS_PER_VALUE * count
        per_unit = cells / max(high - low, 1e-6)
        middle = low + (np.arange(cells) + 0.5) / per_unit
        choice = np.empty((cells, windows), np.uint8)
        for window in range(windows):
            choice[:, window] = np.abs(middle[:, None] - values[window]).argmin(axis=1)
        nearest = values[np.arange(windows), choice.astype(np.intp)]
        # Windows 2u + bit + states * half become (half, bit, u).
        halves = nearest.reshape(cells, 2, windows // 4, 2).transpose(0, 1, 3, 2)
        grid = np.ascontiguousarray(halves, np.float32).reshape(cells, 4, windows // 4)
        return _Branches(low, per_unit, choice, grid)
