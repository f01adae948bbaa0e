"""Tail-biting trellis-coded quantization: the trellis, its tables, and the search that encodes.

A row of n numbers, each stored in k >= 1 bits, one of them coded and k-1 free:

    window_j = coded_j + 2 coded_(j-1) + ... + 2^m coded_(j-m)      (indices modulo n, 2^m states)
    value_j  = table[window_j, 2^(k-1) - 1 + free_j]

so decoding has no recursion. The tables hold values for unit Gaussian numbers; they were trained by
`scripts/train_trellis.py` and ship with the package. Nothing here knows rows, classes or bytes.

References: Marcellin and Fischer 1990; Ungerboeck 1982; Fischer, Wang 1992.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Bits = NDArray[np.uint8]

DATA = Path(__file__).parent
MOST_BITS = 8
# Steps after which the survivors of a 32-state trellis have met: five constraint lengths, and more.
_MEMORY = 8
_SHORT = 8
_BLOCK = 2**15  # rows times states: branch metrics stay in the processor's cache


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
    rows, length = numbers.shape
    coded = np.empty((rows, length), np.uint8)
    free = np.zeros((rows, length), np.uint8)
    shares = np.ones(length) if weights is None else weights.tolist()
    steps = [_Step.of(trellis, count, share) for count, share in zip(bits, shares, strict=True)]
    block = _BLOCK // trellis.states
    for first in range(0, rows, block):
        part = np.ascontiguousarray(numbers[first : first + block].T)
        search = _wrap_state if length > _SHORT else _best_state
        windows, _ = _path(trellis, part, steps, search(trellis, part, steps))
        coded[first : first + block] = (windows & 1).T
        for place, step in enumerate(steps):
            free[first : first + block, place] = step.nearest(part[place], windows[place])
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
    """For one number of bits: the nearest value of every window, looked up on a fine grid."""

    low: float
    per_unit: float
    choice: NDArray[np.uint8]  # (windows, cells): which value
    grid: Values  # (windows, cells): that value; one cell where a window has one value

    @staticmethod
    @cache
    def of(trellis: Trellis, bits: int) -> "_Branches":
        values = trellis.values(bits)
        windows, count = values.shape
        low, high = float(values.min()), float(values.max())
        cells = 1 if count == 1 else _CELLS_PER_VALUE * count
        per_unit = cells / max(high - low, 1e-6)
        middle = low + (np.arange(cells) + 0.5) / per_unit
        choice = np.empty((windows, cells), np.uint8)
        for window in range(windows):
            choice[window] = np.abs(middle[:, None] - values[window]).argmin(axis=1)
        grid = np.take_along_axis(values, choice.astype(np.intp), axis=1)
        return _Branches(low, per_unit, choice, np.ascontiguousarray(grid, np.float32))

    def cells(self, numbers: Values) -> NDArray[np.int32]:
        scaled = (numbers - np.float32(self.low)) * np.float32(self.per_unit)
        cells: NDArray[np.int32] = np.clip(scaled, 0, self.choice.shape[1] - 1).astype(np.int32)
        return cells


_CELLS_PER_VALUE = 32


@dataclass(frozen=True, eq=False)
class _Step:
    """One number of a row, for all rows of a block."""

    branches: _Branches
    root: np.float32  # of the weight
    grid: Values  # the branches' grid times that root

    @classmethod
    def of(cls, trellis: Trellis, bits: int, weight: float) -> "_Step":
        branches = _Branches.of(trellis, bits)
        root = np.float32(np.sqrt(weight))
        return cls(branches, root, branches.grid * root)

    def metric(self, numbers: Values, out: Values) -> None:
        """Write the (windows, rows) weighted squared distances to each window's nearest value."""
        scaled = numbers * self.root
        if self.grid.shape[1] == 1:
            np.subtract(scaled, self.grid, out=out)
        else:
            np.take(self.grid, self.branches.cells(numbers), axis=1, out=out, mode="clip")
            np.subtract(scaled, out, out=out)
        np.multiply(out, out, out=out)

    def nearest(self, numbers: Values, windows: NDArray[np.uint8]) -> Any:
        """Return which of a window's values is nearest to each number."""
        return self.branches.choice[windows, self.branches.cells(numbers)]


def _forward(cost: Values, step: _Step, numbers: Values, metric: Values) -> tuple[Values, Values]:
    """Return the (states, rows) costs of the two ways into each state.

    The ways into state t come from windows t and t + states, out of states t >> 1 and
    (t + states) >> 1; so costs of either half are each used twice, side by side.
    """
    states, rows = cost.shape
    step.metric(numbers, metric)
    halves = metric.reshape(2, states // 2, 2, rows)
    halves += cost.reshape(2, states // 2, 1, rows)
    return halves[0].reshape(states, rows), halves[1].reshape(states, rows)


def _wrap_state(trellis: Trellis, numbers: Values, steps: list[_Step]) -> NDArray[np.intp]:
    """Return the state between the last number and the first, (rows,)."""
    length, rows = numbers.shape
    states = trellis.states
    around = _MEMORY * (trellis.memory + 1)
    cost = np.zeros((states, rows), np.float32)
    metric = np.empty((2 * states, rows), np.float32)
    for place in range(-around, 0):
        step = place % length
        low, high = _forward(cost, steps[step], numbers[step], metric)
        cost = np.minimum(low, high)
    # From here on, each state carries along the state that its path had at the wrap.
    wrap = np.repeat(np.arange(states, dtype=np.uint8)[:, None], rows, axis=1)
    for place in range(around):
        step = place % length
        low, high = _forward(cost, steps[step], numbers[step], metric)
        lower = np.repeat(wrap[: states // 2], 2, axis=0)
        wrap = np.where(high < low, np.repeat(wrap[states // 2 :], 2, axis=0), lower)
        cost = np.minimum(low, high)
    found: NDArray[np.intp] = wrap[cost.argmin(axis=0), np.arange(rows)].astype(np.intp)
    return found


def _best_state(trellis: Trellis, numbers: Values, steps: list[_Step]) -> NDArray[np.intp]:
    """Return the state whose path around to itself is best, (rows,)."""
    rows = numbers.shape[1]
    costs = [
        _path(trellis, numbers, steps, np.full(rows, state))[1] for state in range(trellis.states)
    ]
    best: NDArray[np.intp] = np.argmin(costs, axis=0)
    return best


def _path(
    trellis: Trellis, numbers: Values, steps: list[_Step], start: NDArray[np.intp]
) -> tuple[NDArray[np.uint8], Values]:
    """Return the windows (n, rows) of the best path from a state around to itself, and its cost."""
    length, rows = numbers.shape
    states = trellis.states
    every = np.arange(rows)
    cost = np.full((states, rows), np.float32(1e30))
    cost[start, every] = 0
    metric = np.empty((2 * states, rows), np.float32)
    upper = np.empty((length, states, rows), np.bool_)
    for step in range(length):
        low, high = _forward(cost, steps[step], numbers[step], metric)
        np.less(high, low, out=upper[step])
        cost = np.minimum(low, high)
    windows = np.empty((length, rows), np.uint8)
    state = start
    for step in range(length - 1, -1, -1):
        window = state + states * upper[step, state, every]
        windows[step] = window
        state = window >> 1
    return windows, cost[start, every]
