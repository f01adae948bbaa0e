"""Numbers of a few bits, one after another without gaps, in the bytes of a row.

Bit p of a row is bit p % 8 of byte p // 8. `pack` writes rows of one class, all alike; `unpack`
reads rows of different classes at once, by the codecs' common operations.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.ops import ArrayOps

# The eight bits of every byte.
BITS_OF_BYTE = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(np.int32)


def pack(fields: NDArray[np.uint8], widths: Sequence[int]) -> NDArray[np.uint8]:
    """Return the bytes (rows, b) of numbers (rows, n) that take so many bits each.

    >>> pack(np.array([[1, 5, 0, 1]], np.uint8), [1, 3, 2, 2])  # 01 00 101 1
    array([[75]], dtype=uint8)
    """
    total = sum(widths)
    bits = np.zeros((len(fields), total), np.uint8)
    place = 0
    for column, width in enumerate(widths):
        for bit in range(width):
            np.right_shift(fields[:, column], bit, out=bits[:, place])
            place += 1
    bits &= 1
    return np.packbits(bits, axis=1, bitorder="little")


def unpack(stream: Any, start: Any, of_row: Any, place: Any, mask: Any, ops: ArrayOps) -> Any:
    """Return numbers (k, n) of at most 8 bits, int32.

    Parameters
    ----------
    stream
        Bytes; one is read beyond the last that a number ends in.
    start, of_row
        (k, 1) int64 and (k,) int32, the first byte and the class of each row.
    place, mask
        (classes, n) int32, the first bit of each number in its row, and 2^width - 1; a mask of
        shape (1,) serves all.
    """
    byte = ops.take(ops.cast(ops.right_shift(place, 3), "int64"), of_row)
    low = ops.cast(ops.take(stream, ops.add(start, byte)), "int32")
    high = ops.cast(ops.take(stream, ops.add(ops.add(start, 1), byte)), "int32")
    word = ops.add(low, ops.multiply(high, 256))
    shifted = ops.right_shift(word, ops.take(ops.bitwise_and(place, 7), of_row))
    common = len(mask.shape) == 1
    return ops.bitwise_and(shifted, mask if common else ops.take(mask, of_row))
