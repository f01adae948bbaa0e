"""Whole numbers a row in as many bits as they need: bit planes, in blocks of 64 rows.

Bit p of the numbers of a block stands in its plane p: bit i % 8 of byte i // 8 belongs to row i.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.ops import ArrayOps

BLOCK = 64
_AT_ONCE = 4096  # blocks


def bit_planes(numbers: NDArray[Any], planes: int) -> NDArray[np.uint8]:
    """Return the planes (blocks, planes, 8) of numbers (rows,), the lowest bit first.

    >>> bit_planes(np.array([0, 1, 2, 3]), 2)[0, :, 0]
    array([10, 12], dtype=uint8)
    """
    planed = np.zeros((-(-len(numbers) // BLOCK), planes, BLOCK // 8), np.uint8)
    for first in range(0, len(planed), _AT_ONCE):
        part = numbers[first * BLOCK : (first + _AT_ONCE) * BLOCK]
        whole = np.zeros(-(-len(part) // BLOCK) * BLOCK, numbers.dtype)
        whole[: len(part)] = part
        for plane in range(planes):
            bits = (whole >> plane & 1).astype(np.uint8).reshape(-1, BLOCK)
            planed[first : first + _AT_ONCE, plane] = np.packbits(bits, axis=1, bitorder="little")
    return planed


def from_planes(planed: Any, ids: Any, ops: ArrayOps) -> Any:
    """Return the numbers (k,) int32 of some rows.

    >>> from embzip.codecs.ops import numpy_ops
    >>> from_planes(bit_planes(np.arange(300), 9), np.array([7, 299]), numpy_ops).tolist()
    [7, 299]
    """
    planes = int(planed.shape[1])
    ids = ops.cast(ids, "int32")
    block, place = ops.right_shift(ids, 6), ops.bitwise_and(ids, BLOCK - 1)
    first = ops.add(ops.multiply(block, np.int32(8 * planes)), ops.right_shift(place, 3))
    every = 8 * np.arange(planes, dtype=np.int32)
    octets = ops.take(ops.reshape(planed, (-1,)), ops.add(ops.reshape(first, (-1, 1)), every))
    shift = ops.reshape(ops.bitwise_and(place, 7), (-1, 1))
    bits = ops.bitwise_and(ops.right_shift(ops.cast(octets, "int32"), shift), 1)
    # Whole numbers below 2^24 add up exactly in float32.
    powers = 2 ** np.arange(planes, dtype=np.float32)[:, None]
    numbers = ops.matmul(ops.cast(bits, "float32"), powers)
    return ops.cast(ops.reshape(numbers, (-1,)), "int32")
