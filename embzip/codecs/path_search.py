"""The search for a row's path in dependent quantization, compiled by numba when first used.

It minimizes squared error plus a price times the bits that entropy coding will take. Those depend
on how large the symbols before were, so each of the eight survivors carries its own sum of them.
Nothing here knows how bits were counted.

References: Viterbi 1967; Fischer and Wang 1992; Schwarz et al. 2019.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.viterbi import compiled

_NEVER = np.float32(1e30)


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
    cost, after = np.empty(8, np.float32), np.empty(8, np.float32)
    total, summed = np.empty(8, np.int32), np.empty(8, np.int32)
    came = np.empty((length, 8), np.uint8)
    taken = np.empty((length, 8), np.uint8)
    tried = np.empty((2, 8), np.int32)
    error = np.empty((2, 8), np.float32)
    count = np.empty(2, np.int32)
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
            after[:] = _NEVER
            for state in range(8):  # u_(j-1) + 2 u_(j-2) + 4 u_(j-3)
                if cost[state] >= _NEVER:
                    continue
                q = state >> 1 & 1
                level = 0
                while level < thresholds.shape[1] and total[state] >= thresholds[j, level]:
                    level += 1
                for parity in range(2):
                    best, chosen = _NEVER, 0
                    for i in range(count[q]):
                        symbol = tried[q, i]
                        if symbol & 1 == parity:
                            spent = error[q, i] + prices[r] * bits[j, level, q, symbol]
                            if spent < best:
                                best, chosen = spent, symbol
                    bit = parity ^ (state & 1) ^ (state >> 2)
                    to = state << 1 & 7 | bit
                    if cost[state] + best < after[to]:
                        after[to] = cost[state] + best
                        came[j, to] = state
                        taken[j, to] = chosen & 254 | bit
                        summed[to] = total[state] + min(chosen, 256 - chosen)
            cost[:] = after
            total[:] = summed
        state = 0
        for other in range(8):
            state = other if cost[other] < cost[state] else state
        for j in range(length - 1, -1, -1):
            octets[r, j] = taken[j, state]
            state = came[j, state]
