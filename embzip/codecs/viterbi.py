"""The Viterbi search of `tcq`, compiled by numba; loaded only where one encodes.

Libraries with a Viterbi algorithm decode hidden Markov models or channel codes: they know neither
free bits nor paths that close on themselves. So it is written here in compiled code, one row after
another, so that all costs of a row stay in the processor's first cache.
Sums keep their order (no fastmath): any search by the same float32 operations, compiled or not,
finds the same bytes. Nothing here knows what a value means.

References: Viterbi 1967; Forney 1973.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.compiling import compiled

Values = NDArray[np.float32]

_NEVER = np.float32(1e30)  # the cost of a state that no path may begin in


@compiled
def _forward(
    row: Values, grid: Values, cells: Any, roots: Values, first: int, last: int,
    costs: Values, upper: Any,
) -> int:  # fmt: skip
    """Go from place `first` to `last`, around the row; return which of the two `costs` is last.

    The ways into state t come out of states t >> 1 and (t + states) >> 1; `upper` says, for each
    place, newest bit and half of the states, whether the second is shorter.
    """
    half = grid.shape[2]
    length = len(row)
    step = first % length
    at = 0
    for place in range(last - first):
        cell, root = cells[step], roots[step]
        scaled = row[step] * root
        # Even states, then odd ones: each loop runs over neighbours, many at a time.
        for bit in range(2):
            for u in range(half):
                low = scaled - root * grid[cell, bit, u]
                high = scaled - root * grid[cell, 2 + bit, u]
                low = low * low + costs[at, u]
                high = high * high + costs[at, half + u]
                costs[2, bit * half + u] = high if high < low else low
                upper[place, bit, u] = high < low
        at = 1 - at
        for u in range(half):
            costs[at, 2 * u] = costs[2, u]
            costs[at, 2 * u + 1] = costs[2, half + u]
        step = step + 1 if step + 1 < length else 0
    return at


@compiled
def search(
    numbers: Values, grid: Values, choice: Any, cells: Any, roots: Values, around: int,
    coded: Any, free: Any,
) -> None:  # fmt: skip
    """Find the bits of each row's best path from a state around to itself.

    Parameters
    ----------
    numbers
        (rows, n) float32.
    grid, choice
        (all cells, 4, states / 2) float32 and (all cells, windows) uint8: in each cell, every
        window's nearest value and which it is. The values stand in the order in which the search
        reads them: even and odd windows below `states`, then even and odd ones above.
    cells
        (rows, n) int32, the cell each number falls into.
    roots
        (n,) float32, of what a squared error counts.
    around
        Numbers to go before and after the wrap to find the state there; 0 tries every state.
    coded, free
        (rows, n) uint8, written.
    """
    rows, length = numbers.shape
    states = 2 * grid.shape[2]
    costs = np.empty((3, states), np.float32)
    upper = np.empty((max(length, around), 2, states // 2), np.bool_)
    for r in range(rows):
        row, cell = numbers[r], cells[r]
        begin, end = 0, states
        if around > 0:
            for state in range(states):
                costs[0, state] = 0
            at = _forward(row, grid, cell, roots, -around, 0, costs, upper)
            for state in range(states):
                costs[0, state] = costs[at, state]
            at = _forward(row, grid, cell, roots, 0, around, costs, upper)
            begin = 0
            for state in range(states):
                begin = state if costs[at, state] < costs[at, begin] else begin
            for place in range(around - 1, -1, -1):
                begin = (begin + states * upper[place, begin & 1, begin >> 1]) >> 1
            end = begin + 1
        best = np.float32(np.inf)
        for start in range(begin, end):
            for state in range(states):
                costs[0, state] = _NEVER
            costs[0, start] = 0
            at = _forward(row, grid, cell, roots, 0, length, costs, upper)
            if costs[at, start] < best:
                best = costs[at, start]
                state = start
                for place in range(length - 1, -1, -1):
                    window = state + states * upper[place, state & 1, state >> 1]
                    coded[r, place] = window & 1
                    free[r, place] = choice[cell[place], window]
                    state = window >> 1
