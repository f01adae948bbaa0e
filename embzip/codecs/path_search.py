"""The search for a row's path in dependent quantization, compiled by numba when first used.

It minimizes squared error plus a price times the bits that entropy coding will take. Those depend
on how large the symbols before were, so each of the survivors carries its own sum of them.
Nothing here knows how bits were counted.

References: Viterbi 1967; Fischer and Wang 1992; Schwarz et al. 2019.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.dependent import FLIPS, LAG, MEMORY
from embzip.codecs.viterbi import compiled

# Numba keeps compiled code by this file's date: change it too where these constants change.
STATES = 2**MEMORY
_FLIP, _FLOP = FLIPS
_NEVER = np.float32(1e30)  # the cost of a state that no path has reached


@compiled
def search(
    numbers: NDArray[np.float32], prices: NDArray[np.float32], values: NDArray[np.float32],
    bits: NDArray[np.float32], thresholds: NDArray[np.int32], octets: Any,
) -> None:  # fmt: skip
    """Find each row's bytes, as `embzip.codecs.dependent` defines them.

    Parameters
    ----------
    numbers
        (rows, n), in steps; magnitudes of at most 250.
    prices
        (rows,) of a bit, in squared steps.
    values
        (2, 256) of both quantizers.
    bits
        (n, levels, 2, 256) what each symbol takes.
    thresholds
        (n, levels - 1) of the sums of magnitudes.
    octets
        (rows, n) uint8, written.
    """
    rows, length = numbers.shape
    levels = thresholds.shape[1] + 1
    cost, after = np.empty(STATES, np.float32), np.empty(STATES, np.float32)
    total, summed = np.empty(STATES, np.int32), np.empty(STATES, np.int32)
    came = np.empty((length, STATES), np.uint8)
    taken = np.empty((length, STATES), np.uint8)
    # By quantizer: what is worth trying, and its error; by level and parity too: the best of it.
    tried, error = np.empty((2, 8), np.int32), np.empty((2, 8), np.float32)
    count = np.empty(2, np.int32)
    spent = np.empty((2, levels, 2), np.float32)
    chosen = np.empty((2, levels, 2), np.int32)
    known = np.empty((2, levels), np.bool_)
    for r in range(rows):
        cost[:] = _NEVER
        cost[0], total[0] = 0, 0
        for j in range(length):
            number = numbers[r, j]
            for q in range(2):
                # The nearest symbol, its neighbours, -1 beside 1, and 0.
                middle = int((abs(number) + q) / 2 + np.float32(0.5))
                n = 0
                for far in range(max(middle - 2, 0), min(middle + 1, 127) + 1):
                    symbol = far if number >= 0 else -far & 255
                    tried[q, n] = symbol
                    n += 1
                    if far == 1:
                        tried[q, n] = -symbol & 255
                        n += 1
                if middle > 2:
                    tried[q, n] = 0
                    n += 1
                count[q] = n
                for i in range(n):
                    off = number - values[q, tried[q, i]]
                    error[q, i] = off * off
            known[:] = False
            after[:] = _NEVER
            for state in range(STATES):  # bit b is u_(j-1-b)
                if cost[state] >= _NEVER:
                    continue
                q = state >> (LAG - 1) & 1
                level = 0
                while level < levels - 1 and total[state] >= thresholds[j, level]:
                    level += 1
                if not known[q, level]:
                    known[q, level] = True
                    spent[q, level] = _NEVER
                    for i in range(count[q]):
                        symbol = tried[q, i]
                        parity = symbol & 1
                        whole = error[q, i] + prices[r] * bits[j, level, q, symbol]
                        if whole < spent[q, level, parity]:
                            spent[q, level, parity] = whole
                            chosen[q, level, parity] = symbol
                flip = (state >> (_FLIP - 1) ^ state >> (_FLOP - 1)) & 1
                for parity in range(2):
                    bit = parity ^ flip
                    to = state << 1 & (STATES - 1) | bit
                    whole = cost[state] + spent[q, level, parity]
                    if whole < after[to]:
                        symbol = chosen[q, level, parity]
                        after[to] = whole
                        came[j, to] = state
                        taken[j, to] = symbol & 254 | bit
                        summed[to] = total[state] + min(symbol, 256 - symbol)
            cost[:] = after
            total[:] = summed
        state = 0
        for other in range(STATES):
            state = other if cost[other] < cost[state] else state
        for j in range(length - 1, -1, -1):
            octets[r, j] = taken[j, state]
            state = came[j, state]
