"""Where each row begins, in a stream of rows whose lengths follow from their classes.

The class of a row stands in bit planes, 64 rows a block, and each block has its first byte: 3.5
bits a row for 8 classes. A row is found by adding up the lengths of those before it in its block.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.bit_planes import BLOCK
from embzip.codecs.ops import ArrayOps
from embzip.codecs.row_classes.fields import BITS_OF_BYTE
from embzip.errors import FileFormatError
from embzip.types import Arrays

# A byte a number: an exported graph carries these tables, and small tables are not much larger.
_BITS_OF_BYTE = BITS_OF_BYTE.astype(np.uint8)
_BEFORE = np.tri(BLOCK, k=-1, dtype=np.uint8)
_ONES = np.ones((BLOCK, 1), np.float32)


def classes_of(planed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bits = np.unpackbits(planed, axis=2, bitorder="little")
    of_row = np.zeros((len(planed), BLOCK), np.uint8)
    for plane in range(planed.shape[1]):
        of_row |= bits[:, plane] << plane
    return of_row.reshape(-1)


def starts_of(of_row: NDArray[np.uint8], sizes: NDArray[np.int64], dtype: str) -> NDArray[Any]:
    """Return where each block begins."""
    within = np.empty(-(-len(of_row) // BLOCK), np.int64)
    for first in range(0, len(within), 4096):
        lengths = sizes[of_row[first * BLOCK : (first + 4096) * BLOCK]]
        within[first : first + 4096] = np.add.reduceat(lengths, np.arange(0, len(lengths), BLOCK))
    return (np.cumsum(within) - within).astype(dtype)


def locate(codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> tuple[Any, Any]:
    """Return the first byte (k, 1) int64 and the class (k,) int32 of the rows `codes["ids"]`."""
    ids = ops.cast(codes["ids"], "int32")
    block, place = ops.right_shift(ids, 6), ops.bitwise_and(ids, BLOCK - 1)
    planes = int(codes["classes"].shape[1])
    packed = ops.cast(ops.take(codes["classes"], block), "int32")
    bits = ops.reshape(ops.take(_BITS_OF_BYTE, packed), (-1, planes * BLOCK))
    classes = ops.cast(ops.columns(bits, 0, BLOCK), "int32")
    for plane in range(1, planes):
        own = ops.cast(ops.columns(bits, plane * BLOCK, (plane + 1) * BLOCK), "int32")
        classes = ops.add(classes, ops.multiply(own, np.int32(2**plane)))
    dim = int(params["bits"].shape[1])
    total = ops.columns(ops.cumsum(ops.cast(params["bits"], "int32")), dim - 1, dim)
    sizes = ops.reshape(ops.right_shift(ops.add(total, 7), 3), (-1,))
    # The rows of a block before this one; whole numbers below 2^24 add up exactly in float32.
    lengths = ops.take(ops.cast(sizes, "float32"), classes)
    earlier = ops.cast(ops.take(_BEFORE, place), "float32")
    before = ops.matmul(ops.multiply(lengths, earlier), _ONES)
    offset = ops.reshape(ops.cast(ops.take(codes["offsets"], block), "int64"), (-1, 1))
    start = ops.add(offset, ops.cast(before, "int64"))
    own = ops.take_along(classes, ops.reshape(place, (-1, 1)))
    return start, ops.reshape(own, (-1,))


def find(
    codes: Arrays, sizes: NDArray[np.int64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return what `locate` does, (k,) both, in NumPy and several times as fast.

    A block's plane is one word of 64 bits. How many rows before this one lie in a class is the
    number of bits that its planes have in common; summed over sets of planes instead of classes,
    no plane has to be inverted.
    """
    block, place = ids >> 6, (ids & (BLOCK - 1)).astype(np.uint64)
    words = codes["classes"].take(block, axis=0).view("<u8")[:, :, 0]
    planes = words.shape[1]
    lengths = np.zeros(2**planes, np.int64)
    lengths[: len(sizes)] = sizes
    for plane in range(planes):
        pairs = lengths.reshape(-1, 2, 2**plane)
        pairs[:, 1] -= pairs[:, 0]
    one = np.uint64(1)
    of_row = np.zeros(len(ids), np.uint8)
    common = [(one << place) - one]
    start = codes["offsets"].take(block).astype(np.int64)
    start += lengths[0] * (ids & (BLOCK - 1))
    for plane in range(planes):
        word = np.ascontiguousarray(words[:, plane])
        of_row |= ((word >> place & one) << np.uint64(plane)).astype(np.uint8)
        common += [word & others for others in common]
    for together, length in zip(common[1:], lengths[1:].tolist(), strict=True):
        if length:
            start += np.bitwise_count(together) * np.int64(length)
    return start, of_row


def by_class(
    codes: Arrays, sizes: NDArray[np.int64], ids: NDArray[np.int64], most: int
) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.int64]]]:
    """Yield (class, which of the ids are in it, where each begins), so many at a time."""
    starts, of_row = find(codes, sizes, ids)
    order = np.argsort(of_row, kind="stable")
    first = 0
    for index, count in enumerate(np.bincount(of_row).tolist()):
        for at in range(first, first + count, most):
            rows = order[at : min(at + most, first + count)]
            yield index, rows, starts[rows]
        first += count


def checked_length(name: str, codes: Arrays, sizes: NDArray[np.int64], rows: int) -> int:
    """Return the bytes of all rows, or raise FileFormatError where classes or offsets are wrong."""
    length = 0
    step = 4096
    for first in range(0, len(codes["offsets"]), step):
        of_row = classes_of(codes["classes"][first : first + step])
        if (of_row >= len(sizes)).any():  # after the last row too: a whole block is looked up
            raise FileFormatError(
                f"{name}: classes lie in 0..{len(sizes) - 1}, found {of_row.max()}"
            )
        lengths = sizes[of_row[: rows - first * BLOCK]]
        ends = length + np.cumsum(lengths)
        if not np.array_equal(codes["offsets"][first : first + step], (ends - lengths)[::BLOCK]):
            raise FileFormatError(f"{name}: the offsets must follow from the classes")
        length = int(ends[-1])
    return length


def margin(dim: int) -> int:
    """Return how many bytes behind the last row decoding may read, though it uses none of them."""
    return dim // 8 + 2
