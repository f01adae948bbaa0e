"""The search for a row's path in dependent quantization, compiled by numba when first used.

It minimizes the squared error plus a price times the bits that entropy coding will take, by the
Viterbi algorithm over the 32 states of `embzip.codecs.ectcq.dependent`. No library searches this
trellis by error and rate together, and in Python one row would take milliseconds; so the search is
written here and compiled.

The bits of a symbol depend on the activity, the sum of the magnitudes before it, and so on the
path itself. The activity of the symbols that are cheapest column by column is taken instead, which
leaves a plain Viterbi search. (Survivors that carry their own sums take twice the time and came out
0.03 to 0.09 dB worse on closed paths.) A closed path must end in the state it begins in. A search
forward from all states and one backward rank the states; the best few are tried. Nothing here knows
how the bits were counted.

References: Viterbi 1967; Fischer and Wang 1992; Schwarz et al. 2019; Ma and Wolf 1986, On tail
biting convolutional codes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.ectcq.dependent import FLIPS, LAG, MEMORY
from embzip.compiling import compiled

# Numba keeps compiled code by this file's date: change it too where these constants change.
STATES = 2**MEMORY
_HALF = STATES // 2
# How many first states are tried: 400 divided by the columns, but at least 4. On 50 Gaussian
# columns (8 tries) all 32 would gain 0.01 dB, and 1 would lose 0.08. Shorter rows rank states less
# surely, and a try takes them less time.
_TRIES, _LEAST = 400, 4
_NEVER = np.float32(1e30)  # the cost of a state that no path has reached

# Bit b of a state before column j is u_(j-1-b). These are, for states 0 to 15, the quantizer of
# column j, and whether u_(j-2) and u_(j-5) flip its parity. States 16 to 31 differ from them in
# u_(j-5) only: they have the same quantizer and the other parity.
_LOWER = np.arange(_HALF)
_QUANTIZER = _LOWER >> (LAG - 1) & 1
_FLIPPED = (_LOWER >> (FLIPS[0] - 1) ^ _LOWER >> (FLIPS[1] - 1)) & 1


@compiled
def _look(
    row: Any, price: Any, values: Any, bits: Any, thresholds: Any, spent: Any, chosen: Any
) -> None:
    """Find by column, quantizer and parity (n, 2, 2) the best symbol, and what it costs."""
    levels = thresholds.shape[1] + 1
    tried = np.empty(8, np.int32)
    sums = 0  # over both quantizers
    for j in range(len(row)):
        number = row[j]
        level = 0
        while level < levels - 1 and sums >= 2 * thresholds[j, level]:
            level += 1
        for q in range(2):
            # The nearest symbol, its neighbours, -1 beside 1, and 0.
            middle = int((abs(number) + q) / 2 + np.float32(0.5))
            n = 0
            for far in range(max(middle - 2, 0), min(middle + 1, 127) + 1):
                symbol = far if number >= 0 else -far & 255
                tried[n] = symbol
                n += 1
                if far == 1:
                    tried[n] = -symbol & 255
                    n += 1
            if middle > 2:
                tried[n] = 0
                n += 1
            spent[j, q] = _NEVER
            for i in range(n):
                symbol = tried[i]
                off = number - values[q, symbol]
                whole = off * off + price * bits[j, level, q, symbol]
                if whole < spent[j, q, symbol & 1]:
                    spent[j, q, symbol & 1] = whole
                    chosen[j, q, symbol & 1] = symbol
            cheapest = chosen[j, q, 1 if spent[j, q, 1] < spent[j, q, 0] else 0]
            sums += min(cheapest, 256 - cheapest)


@compiled
def _forward(spent: Any, costs: Any, upper: Any) -> None:
    """Go over all columns from the costs of states, `costs[0]`, which become those of the last.

    The ways into state t come out of states t >> 1 and (t >> 1) + 16; `upper` says, for each
    column, newest bit and half of the states, whether the second is cheaper.
    """
    ways = np.empty((2, _HALF), np.float32)
    for j in range(len(spent)):
        for u in range(_HALF):
            ways[0, u] = spent[j, _QUANTIZER[u], _FLIPPED[u]]
            ways[1, u] = spent[j, _QUANTIZER[u], 1 - _FLIPPED[u]]
        # Each loop runs over neighbours, many at a time.
        for bit in range(2):
            for u in range(_HALF):
                low = costs[0, u] + ways[bit, u]
                high = costs[0, _HALF + u] + ways[1 - bit, u]
                costs[1, bit * _HALF + u] = high if high < low else low
                upper[j, bit, u] = high < low
        for u in range(_HALF):
            costs[0, 2 * u] = costs[1, u]
            costs[0, 2 * u + 1] = costs[1, _HALF + u]


@compiled
def _backward(spent: Any, costs: Any) -> None:
    """Go back over all columns from the costs of states after the last, `costs[0]`."""
    for j in range(len(spent) - 1, -1, -1):
        for u in range(_HALF):
            kept = spent[j, _QUANTIZER[u], _FLIPPED[u]]
            other = spent[j, _QUANTIZER[u], 1 - _FLIPPED[u]]
            even, odd = costs[0, 2 * u], costs[0, 2 * u + 1]
            costs[1, u] = min(even + kept, odd + other)
            costs[1, _HALF + u] = min(even + other, odd + kept)
        for state in range(STATES):
            costs[0, state] = costs[1, state]


@compiled
def search(
    numbers: NDArray[np.float32], prices: NDArray[np.float32], values: NDArray[np.float32],
    bits: NDArray[np.float32], thresholds: NDArray[np.int32], closed: bool, octets: Any,
) -> None:  # fmt: skip
    """Find each row's bytes, as `embzip.codecs.ectcq.dependent` defines them.

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
    closed
        Whether a path ends in the state it begins in; else it begins in state 0.
    octets
        (rows, n) uint8, written.
    """
    rows, length = numbers.shape
    spent = np.empty((length, 2, 2), np.float32)
    chosen = np.empty((length, 2, 2), np.int32)
    costs, ranks = np.empty((2, STATES), np.float32), np.zeros(STATES, np.float32)
    upper = np.empty((length, 2, _HALF), np.bool_)
    tries = min(max(_LEAST, _TRIES // length), STATES) if closed else 1
    for r in range(rows):
        _look(numbers[r], prices[r], values, bits, thresholds, spent, chosen)
        if closed:
            costs[0] = 0
            _forward(spent, costs, upper)
            ranks[:] = costs[0]
            costs[0] = 0
            _backward(spent, costs)
            ranks += costs[0]
        best = np.float32(np.inf)
        for _ in range(tries):
            begin = np.argmin(ranks) if closed else 0
            ranks[begin] = _NEVER
            costs[0] = _NEVER
            costs[0, begin] = 0
            _forward(spent, costs, upper)
            state = begin if closed else np.argmin(costs[0])
            if costs[0, state] >= best:
                continue
            best = costs[0, state]
            for j in range(length - 1, -1, -1):
                bit = state & 1
                before = (state >> 1) + _HALF * upper[j, bit, state >> 1]
                low = before & (_HALF - 1)
                parity = bit ^ _FLIPPED[low] ^ (before >> (MEMORY - 1))
                octets[r, j] = chosen[j, _QUANTIZER[low], parity] & 254 | bit
                state = before
