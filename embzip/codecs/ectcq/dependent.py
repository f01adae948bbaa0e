"""Dependent quantization of rows: two scalar quantizers, and a trellis that says which is used.

A column's number, in steps, is quantized by one of two scalar quantizers of double step:

    even quantizer: value = 2 k        odd quantizer: value = 2 k - sign(k)

The symbol k is a whole number from -128 to 127. Zero belongs to both quantizers, as in Schwarz et
al. (2019), and values of small symbols lie a little nearer to zero than that (`values_of`).

The quantizer of each column follows from a path through a trellis of 32 states, which is one bit u
a column. It is Ungerboeck's code of parity polynomials h0 = 45 and h1 = 10 (octal) in the form
without feedback. For column j that is

    parity of k_j   = u_j xor u_(j-2) xor u_(j-5)        h0 = 100 101
    odd quantizer   if u_(j-3) is 1                      h1 = 001 000

so the parity of each symbol says how the path goes on, and the last five bits are its state. A
stored byte is k in two's complement with its lowest bit, the parity, replaced by u_j. So whatever
decodes a number needs the bytes of at most five columns before, and no recursion.

Paths are closed (tail-biting): before the first column stand the last ones. Entropy coding reads
columns one after another, and for that it must know the state it begins in. It begins at column 5,
in the state that the bits of columns 0 to 4 make, and stores this state first. Columns 0 to 4 come
last. Their bits are known from the state by then, so the parities of their symbols are not coded
again, and the state costs little. Rows of fewer than 10 columns have open paths: u is 0 before the
first column, and there is no state to store.

How a path is searched for is in `path_search`, what symbols cost in `rates`.

References: Ungerboeck 1982; Fischer and Wang 1992; Schwarz et al. 2019; Ma and Wolf 1986, On tail
biting convolutional codes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Octets = NDArray[np.uint8]
Whole = NDArray[np.int32]

LAG = 3  # bit u_(j-3) selects the quantizer of column j: h1
FLIPS = (2, 5)  # bits u_(j-2) and u_(j-5) flip the parity that u_j gives symbol j: h0
MEMORY = 5  # bits of a state: none before u_(j-5) counts for column j
CLOSED = 2 * MEMORY  # columns from which on paths are closed: in fewer, most bits are the state's
LEVELS = 8  # of activity: twice as many gain a tenth of a dB at most, and cost frequency tables
SHIFTED = 4  # symbols to both sides of zero whose values are shifted towards it
_OCTET = np.arange(256)
_SIGNED = np.where(_OCTET < 128, _OCTET, _OCTET - 256)


def closes(columns: int) -> bool:
    """Say whether the paths of rows of so many columns are closed."""
    return columns >= CLOSED


def symbols_of(octets: Octets, *, closed: bool = False) -> tuple[Octets, Octets]:
    """Return the symbols (rows, columns) in two's complement, and 1 where the quantizer is odd.

    Parameters
    ----------
    octets
        (rows, columns) stored bytes. Columns of closed paths may begin anywhere on the circle.
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
    """Return columns (rows, n) of closed paths in the order of reading: 5, 6, ..., 0, ..., 4."""
    return np.roll(columns, -MEMORY, axis=1)


def put_back(columns: NDArray[Any]) -> NDArray[Any]:
    """Undo `in_order`."""
    return np.roll(columns, MEMORY, axis=1)


def states_of(bits: Octets) -> Octets:
    """Return the states (rows,) in which closed paths begin.

    Bit b of a state is the path's bit b + 1 columns before the first that is read.

    Parameters
    ----------
    bits
        (rows, n) stored bytes in the order of reading; their lowest bits are the path's.

    >>> states_of(np.array([[9, 0, 0, 0, 1, 0]], np.uint8))
    array([2], dtype=uint8)
    """
    made = np.zeros(len(bits), np.uint8)
    for back in range(MEMORY):
        made |= (bits[:, -1 - back] & np.uint8(1)) << np.uint8(back)
    return made


def magnitudes(symbols: Octets) -> Octets:
    """Return the magnitudes of symbols in two's complement.

    >>> magnitudes(np.array([0, 1, 255, 128], np.uint8))
    array([  0,   1,   1, 128], dtype=uint8)
    """
    return np.minimum(symbols, np.negative(symbols))


def activities(symbols: Octets) -> Whole:
    """Return for each column the sum of the magnitudes read before it, (rows, columns).

    This activity is what entropy coding knows of a row's length: long rows have large symbols from
    their first columns on, so lengths need not be stored.
    """
    far = magnitudes(symbols).astype(np.int32)
    sums: Whole = np.cumsum(far, axis=1, dtype=np.int32) - far
    return sums


def thresholds_of(sums: Whole, levels: int) -> NDArray[np.uint16]:
    """Return (columns, levels - 1) activities that part the rows into levels of equal size."""
    ranks = np.arange(1, levels) * len(sums) // levels
    ordered = np.sort(sums, axis=0)[ranks].T
    return np.minimum(ordered, 65535).astype(np.uint16)


def levels_of(sums: Whole, thresholds: NDArray[np.uint16]) -> Octets:
    """Return the level of each activity, the number of thresholds that it reaches.

    >>> levels_of(np.array([[0], [3], [9]], np.int32), np.array([[3, 4]], np.uint16)).tolist()
    [[0], [1], [2]]
    """
    made = np.zeros(sums.shape, np.uint8)
    for threshold in thresholds.T.astype(np.int32):
        made += sums >= threshold
    return made


def values_of(shift: NDArray[Any]) -> NDArray[np.float32]:
    """Return the (2, 256) values of the even and the odd quantizer by symbol, in steps.

    Parameters
    ----------
    shift
        (2, 4): how much nearer to zero the values of the symbols 1 to 4, and -1 to -4, lie.
    """
    odd = np.stack([np.zeros(256), np.sign(_SIGNED)])
    pulled = np.zeros((2, 256))
    for far in range(1, SHIFTED + 1):
        pulled[:, far], pulled[:, -far] = shift[:, far - 1], -shift[:, far - 1]
    return np.asarray(2.0 * _SIGNED - odd - pulled, np.float32)
