"""Dependent quantization: which numbers stand for which values, and what earlier columns tell.

A symbol k is a whole number from -128 to 127, its low bit the parity. Of two scalar quantizers,

    even: 2 k        odd: 2 k - sign(k)        (in steps, before small shifts towards zero)

each column takes one, by the path through a trellis of 32 states: Ungerboeck's code in the form
without feedback, h0 = 45, h1 = 10 (octal). With u the path's bits, 0 before the first column,

    k_j is odd where u_j + u_(j-2) + u_(j-5) is;  the odd quantizer is used where u_(j-3) is 1

so both follow from a few bits, without recursion. A byte is k, two's complement, with its low bit
replaced by u. The search for a path and what it costs are not here.

References: Ungerboeck 1982; Fischer and Wang 1992; Schwarz et al. 2019 for zero in both quantizers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Octets = NDArray[np.uint8]
Whole = NDArray[np.int32]

LAG = 3  # the bit so many columns before chooses the quantizer
FLIPS = (2, 5)  # bits so many columns before flip the parity
MEMORY = 5  # bits of the columns before that count at all
SHIFTED = 4  # values up to so many symbols from zero are shifted towards it
_OCTET = np.arange(256)
_SIGNED = np.where(_OCTET < 128, _OCTET, _OCTET - 256)


def symbols_of(octets: Octets) -> tuple[Octets, Octets]:
    """Return the symbols (rows, columns), two's complement, and which quantizer each is of.

    >>> symbols_of(np.array([[1, 0, 0, 0, 0, 0]], np.uint8))
    (array([[1, 0, 1, 0, 0, 1]], dtype=uint8), array([[0, 0, 0, 1, 0, 0]], dtype=uint8))
    """
    bits = octets & np.uint8(1)
    symbols = octets.copy()
    for flip in FLIPS:
        symbols[:, flip:] ^= bits[:, : max(0, bits.shape[1] - flip)]
    odd = np.zeros_like(bits)
    odd[:, LAG:] = bits[:, : max(0, bits.shape[1] - LAG)]
    return symbols, odd


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
