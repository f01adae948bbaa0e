"""Dependent quantization: which numbers stand for which values, and what earlier columns tell.

A symbol k is a whole number from -128 to 127, its low bit the parity. Of two scalar quantizers,

    even: 2 k        odd: 2 k - sign(k)        (in steps, before small shifts towards zero)

each column takes one, by the path through a trellis of 32 states: Ungerboeck's code in the form
without feedback, h0 = 45, h1 = 10 (octal). With u the path's bits,

    k_j is odd where u_j + u_(j-2) + u_(j-5) is;  the odd quantizer is used where u_(j-3) is 1

so both follow from a few bits, without recursion. A byte is k, two's complement, with its low bit
replaced by u. The search for a path and what it costs are not here.

A path closes on itself: before the first column stand the last ones. Read in order, as entropy
coding does, it begins at column 5, so the state it begins in is the low bits of columns 0 to 4.
They come last, and then their symbols' parities are known: what the state takes is given back.
In rows of fewer than 10 columns paths are open: u is 0 before the first column.

References: Ungerboeck 1982; Fischer and Wang 1992; Schwarz et al. 2019 for zero in both quantizers;
Ma and Wolf 1986, On tail biting convolutional codes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Octets = NDArray[np.uint8]
Whole = NDArray[np.int32]

LAG = 3  # the bit so many columns before chooses the quantizer
FLIPS = (2, 5)  # bits so many columns before flip the parity
MEMORY = 5  # bits of the columns before that count at all
CLOSED = 2 * MEMORY  # columns from which on paths are closed
SHIFTED = 4  # values up to so many symbols from zero are shifted towards it
_OCTET = np.arange(256)
_SIGNED = np.where(_OCTET < 128, _OCTET, _OCTET - 256)


def closes(columns: int) -> bool:
    """Say whether the paths of rows of so many columns are closed."""
    return columns >= CLOSED


def symbols_of(octets: Octets, *, closed: bool = False) -> tuple[Octets, Octets]:
    """Return the symbols (rows, columns), two's complement, and which quantizer each is of.

    Parameters
    ----------
    octets
        (rows, columns); where paths are closed, columns may be turned around by any number.
    closed
        Whether the last columns stand before the first.

    Examples
    --------
    >>> symbols_of(np.array([[1, 0, 0, 0, 0, 0]], np.uint8))
    (array([[1, 0, 1, 0, 0, 1]], dtype=uint8), array([[0, 0, 0, 1, 0, 0]], dtype=uint8))
    >>> symbols_of(np.array([[0, 0, 0, 0, 0, 1]], np.uint8), closed=True)
    (array([[0, 1, 0, 0, 1, 1]], dtype=uint8), array([[0, 0, 1, 0, 0, 0]], dtype=uint8))
    """
    bits = octets & np.uint8(1)
    if closed:
        first, second = (np.roll(bits, flip, axis=1) for flip in FLIPS)
        return octets ^ first ^ second, np.roll(bits, LAG, axis=1)
    symbols = octets.copy()
    for flip in FLIPS:
        symbols[:, flip:] ^= bits[:, : max(0, bits.shape[1] - flip)]
    odd = np.zeros_like(bits)
    odd[:, LAG:] = bits[:, : max(0, bits.shape[1] - LAG)]
    return symbols, odd


def in_order(columns: NDArray[Any]) -> NDArray[Any]:
    """Return columns (rows, n) of closed paths as they are read, from column 5 around."""
    return np.roll(columns, -MEMORY, axis=1)


def put_back(columns: NDArray[Any]) -> NDArray[Any]:
    """Undo `in_order`."""
    return np.roll(columns, MEMORY, axis=1)


def states_of(bits: Octets) -> Octets:
    """Return the states (rows,) in which closed paths begin, of (rows, n) bits in order.

    Bit b of a state is the path's bit b + 1 columns before.

    >>> states_of(np.array([[9, 0, 0, 0, 1, 0]], np.uint8))
    array([2], dtype=uint8)
    """
    made = np.zeros(len(bits), np.uint8)
    for back in range(MEMORY):
        made |= (bits[:, -1 - back] & np.uint8(1)) << np.uint8(back)
    return made


def magnitudes(symbols: Octets) -> Octets:
    """Return how far symbols are from zero.

    >>> magnitudes(np.array([0, 1, 255, 128], np.uint8))
    array([  0,   1,   1, 128], dtype=uint8)
    """
    return np.minimum(symbols, np.negative(symbols))


def activities(symbols: Octets) -> Whole:
    """Return the sum of magnitudes of the columns before each, (rows, columns).

    Long rows show themselves so in their first columns: nothing else need be stored of lengths.
    """
    far = magnitudes(symbols).astype(np.int32)
    sums: Whole = np.cumsum(far, axis=1, dtype=np.int32) - far
    return sums


def thresholds_of(sums: Whole, levels: int) -> NDArray[np.uint16]:
    """Return (columns, levels - 1) activities that part rows into about equal levels."""
    ranks = np.arange(1, levels) * len(sums) // levels
    ordered = np.sort(sums, axis=0)[ranks].T
    return np.minimum(ordered, 65535).astype(np.uint16)


def levels_of(sums: Whole, thresholds: NDArray[np.uint16]) -> Octets:
    """Return the level of each activity: how many thresholds it reaches.

    >>> levels_of(np.array([[0], [3], [9]], np.int32), np.array([[3, 4]], np.uint16)).tolist()
    [[0], [1], [2]]
    """
    made = np.zeros(sums.shape, np.uint8)
    for threshold in thresholds.T.astype(np.int32):
        made += sums >= threshold
    return made


def values_of(shift: NDArray[Any]) -> NDArray[np.float32]:
    """Return the (2, 256) values of both quantizers by symbol, in steps.

    Parameters
    ----------
    shift
        (2, 4): how much nearer to zero the first symbols of both are.
    """
    odd = np.stack([np.zeros(256), np.sign(_SIGNED)])
    pulled = np.zeros((2, 256))
    for far in range(1, SHIFTED + 1):
        pulled[:, far], pulled[:, -far] = shift[:, far - 1], -shift[:, far - 1]
    return np.asarray(2.0 * _SIGNED - odd - pulled, np.float32)
