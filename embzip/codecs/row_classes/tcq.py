"""`tcq:BITS`: trellis-coded quantization with row classes and water-filled bits.

`svd|tcq:2` stores 2 bits a number on average, all that rows store counted; fractions and rates
below 1 are allowed. A number of k bits has one coded bit and k-1 free ones. A row's bytes hold the
coded bits of its active columns, then their free bits. A value depends on the coded bits of its
column and of the five active ones before it (three with `states=8`, seven with `states=128`),
around the row's end: see `embzip.codecs.row_classes.trellis`.
Decoding has no recursion: bits, shifts, one look-up and a multiplication.

References: Marcellin and Fischer 1990.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.ops import ArrayOps
from embzip.codecs.row_classes import trellis
from embzip.codecs.row_classes.fields import pack, unpack
from embzip.codecs.row_classes.losses import MOST_BITS, Losses
from embzip.codecs.row_classes.quantizer import RowClasses
from embzip.codecs.row_classes.rate_options import OPTIONS, options, written
from embzip.codecs.spec import Stage
from embzip.errors import SpecError
from embzip.types import Matrix

_STATES = (8, 32, 128)

# By the number of bits of a column: whether it is active, its free bits, their mask, and the
# table's column where its values begin.
_ACTIVE = np.array([0, *[1] * MOST_BITS], np.int32)
_FREE = np.array([0, *range(MOST_BITS)], np.int32)
_MASK = 2**_FREE - 1
_FIRST = np.array([0, *(2**free - 1 for free in range(MOST_BITS))], np.int32)


@dataclass(frozen=True)
class Tcq(RowClasses):
    """Trellis-coded quantization: the least error for its size; `svd|tcq:2`.

    Attributes
    ----------
    states
        Of the trellis.
    """

    states: int = 32
    name: ClassVar[str] = "tcq"
    usage: ClassVar[str] = ":BITS[,classes=2..16][,states=8|32|128]"
    example: ClassVar[str] = "tcq:2"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        made = cls(**options(stage, "svd|tcq:2", {"states": (1, 2**16), **OPTIONS}))
        if made.states not in _STATES:
            known = ", ".join(map(str, _STATES))
            raise SpecError(f"'tcq' takes states={known}, received {made.states}")
        return made

    @property
    def stage(self) -> Stage:
        return written(self, states=self.states)

    def losses(self) -> Losses:
        return _losses(self.states)

    def encode_numbers(
        self, numbers: Matrix, bits: Sequence[int], variance: Matrix
    ) -> NDArray[np.uint8]:
        coded, free = trellis.encode(trellis.trained_trellis(self.states), numbers, bits, variance)
        fields = np.concatenate([coded, free], axis=1)
        return pack(fields, [*[1] * len(bits), *(count - 1 for count in bits)])

    def decode_numbers(self, stream: Any, start: Any, of_row: Any, bits: Any, ops: ArrayOps) -> Any:
        table = _values(self.states, ops.largest(bits, MOST_BITS))
        dim = int(bits.shape[1])
        count = ops.cast(bits, "int32")
        upto = ops.cumsum(ops.take(_ACTIVE, count))
        active = ops.columns(upto, dim - 1, dim)
        windows = self._windows(stream, start, of_row, active, dim, ops)
        rank = ops.add(upto, ops.multiply(ops.take(_ACTIVE, count), -1))
        window = ops.cast(ops.take_along(windows, ops.take(rank, of_row)), "int32")
        width = ops.take(_FREE, count)
        place = ops.add(ops.add(active, ops.cumsum(width)), ops.multiply(width, -1))
        free = unpack(stream, start, of_row, place, ops.take(_MASK, count), ops)
        column = ops.add(free, ops.take(ops.take(_FIRST, count), of_row))
        return ops.take(table.reshape(-1), ops.add(ops.multiply(window, table.shape[1]), column))

    def decode_class(
        self, stream: NDArray[np.uint8], start: NDArray[np.int64], bits: NDArray[np.uint8]
    ) -> Matrix:
        # The same bits by the same tables: what is alike in all rows is worked out once, a row's
        # bytes are read once, and indices are two bytes wide.
        table = trellis.trained_trellis(self.states).table
        memory, dim, rows = self.states.bit_length() - 1, len(bits), len(start)
        length = -(-dim // 8)
        size = (int(bits.sum()) + 7) // 8
        pairs = stream.take(start[:, None] + np.arange(size + 1)).astype(np.uint16)
        coded = pairs[:, :length].astype(np.int32)
        pairs[:, :-1] |= pairs[:, 1:] << 8
        byte, shift = divmod(max(dim - memory, 0), 8)
        last = (pairs[:, byte] >> shift & self.states - 1) + self.states * min(dim, memory)
        before = np.empty((rows, length), np.int32)
        before[:, 0] = _tails(memory)[last]
        np.right_shift(coded[:, :-1], 8 - memory, out=before[:, 1:])
        before += coded << memory
        if bits.max() == 1:
            return _eight_values(self.states).take(before, axis=0).reshape(rows, -1)[:, :dim]
        index = _eight_rows(self.states).take(before, axis=0).reshape(rows, -1)[:, :dim]
        width = _FREE[bits]
        place = dim + np.cumsum(width) - width
        free = pairs.take(np.where(width, place >> 3, 0), axis=1)
        free >>= (place & 7).astype(np.uint16)
        free &= _MASK[bits].astype(np.uint16)
        free += _FIRST[bits].astype(np.uint16)
        free += index
        return table.reshape(-1).take(free)

    def _windows(
        self, stream: Any, start: Any, of_row: Any, active: Any, dim: int, ops: ArrayOps
    ) -> Any:
        """Return the windows of the active columns, in their order, (k, dim or more) uint8.

        Eight at a time: they follow from a byte of coded bits and the last bits before it.
        """
        memory = self.states.bit_length() - 1
        length = -(-dim // 8)
        first = ops.add(start, np.arange(length, dtype=np.int64))
        coded = ops.cast(ops.take(stream, first), "int32")
        most = np.full(1, self.states - 1, np.int32)
        place = ops.take(np.maximum(np.arange(dim + 1) - memory, 0).astype(np.int32), active)
        last = unpack(stream, start, of_row, place, most, ops)
        shorter = self.states * np.minimum(np.arange(dim + 1), memory)
        kind = ops.take(shorter.astype(np.int32), active)
        tail = ops.take(_tails(memory), ops.add(last, ops.take(kind, of_row)))
        earlier = ops.right_shift(ops.columns(coded, 0, length - 1), 8 - memory)
        before = ops.concatenate([tail, earlier], axis=1)
        read = ops.reshape(ops.add(before, ops.multiply(coded, self.states)), (-1, 1))
        # Four bits at a time: a table of the eight windows of a byte would be 16 times larger.
        halves = [ops.bitwise_and(read, 16 * self.states - 1), ops.right_shift(read, 4)]
        windows = ops.take(_windows(memory, 4), ops.concatenate(halves, axis=1))
        return ops.reshape(windows, (-1, 8 * length))


@cache
def _losses(states: int) -> Losses:
    name = f"trellis{states}_distortion.npy"
    return Losses(np.load(trellis.DATA / name, allow_pickle=False).astype(np.float64))


@cache
def _values(states: int, most: int) -> Matrix:
    """Return the trellis' values of at most so many bits, one at least."""
    return np.ascontiguousarray(trellis.trained_trellis(states).table[:, : 2 ** max(most, 1) - 1])


@cache
def _windows(memory: int, count: int) -> NDArray[np.uint8]:
    """Return the windows of some bits for 2^memory * bits + the bits before them, oldest lowest.

    >>> [format(window, "03b") for window in _windows(2, 8)[0b00000011_01].tolist()]
    ['101', '011', '110', '100', '000', '000', '000', '000']
    """
    bits = np.arange(2 ** (memory + count))[:, None]
    windows = np.zeros((len(bits), count), np.uint8)
    for back in range(memory + 1):
        windows |= ((bits >> (memory - back + np.arange(count)) & 1) << back).astype(np.uint8)
    return windows


@cache
def _eight_values(states: int) -> Matrix:
    """Return the values of one bit of a byte's windows."""
    table = trellis.trained_trellis(states).table
    return np.ascontiguousarray(table[:, 0][_windows(states.bit_length() - 1, 8)])


@cache
def _eight_rows(states: int) -> NDArray[np.uint16]:
    """Return where, in the table, the rows of a byte's windows begin."""
    width = trellis.trained_trellis(states).table.shape[1]
    return _windows(states.bit_length() - 1, 8) * np.uint16(width)


@cache
def _tails(memory: int) -> NDArray[np.int32]:
    """Return the bits before a row's first, around the circle, the oldest lowest.

    Entry 2^memory * count + last: `last` is the row's last `memory` bits, and where there are
    fewer (count < memory) those bits, over and over.
    """
    last = np.arange(2**memory)
    tails = [last]
    for count in range(memory - 1, 0, -1):
        places = np.arange(-memory, 0) % count
        tails.append((last[:, None] >> places & 1) @ (1 << np.arange(memory)))
    return np.concatenate([np.zeros(2**memory, np.int64), *tails[::-1]]).astype(np.int32)
