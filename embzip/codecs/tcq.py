"""`tcq:BITS`: trellis-coded quantization with row classes and water-filled bits.

`svd|tcq:2` stores 2 bits a number on average, all that rows store counted; fractions and rates
below 1 are allowed. A number of k bits has one coded bit and k-1 free ones. A row's bytes hold the
coded bits of its active columns, then their free bits. A value depends on the coded bits of its
column and of the five active ones before it, around the row's end: see `embzip.codecs.trellis`.
Decoding has no recursion: bits, shifts, one look-up and a multiplication.

References: Marcellin and Fischer 1990.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs import trellis
from embzip.codecs.allocation import MOST_BITS, Losses
from embzip.codecs.base import ArrayOps, Matrix
from embzip.codecs.fields import BITS_OF_BYTE, pack, unpack
from embzip.codecs.row_classes import OPTIONS, RowClasses, options, written
from embzip.codecs.spec import Stage
from embzip.errors import SpecError

_STATES = (32,)

# By the number of bits of a column: whether it is active, its free bits, their mask, and the
# table's column where its values begin.
_ACTIVE = np.array([0, *[1] * MOST_BITS], np.int32)
_FREE = np.array([0, *range(MOST_BITS)], np.int32)
_MASK = 2**_FREE - 1
_FIRST = np.array([0, *(2**free - 1 for free in range(MOST_BITS))], np.int32)


@dataclass(frozen=True)
class Tcq(RowClasses):
    """Trellis-coded quantization.

    Attributes
    ----------
    states
        Of the trellis.
    """

    states: int = 32
    name: ClassVar[str] = "tcq"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        made = cls(**options(stage, "svd|tcq:2", {"states": (1, 2**16), **OPTIONS}))
        if made.states not in _STATES:
            known = ", ".join(map(str, _STATES))
            raise SpecError(f"'tcq' has trellises of {known} states, received {made.states}")
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
        known = trellis.trained_trellis(self.states)
        dim = int(bits.shape[1])
        count = ops.cast(bits, "int32")
        active = ops.take(_ACTIVE, count)
        upto = ops.cumsum(active)
        total = ops.columns(upto, dim - 1, dim)
        window = self._windows(stream, start, of_row, total, dim, ops)
        rank = ops.add(upto, ops.multiply(active, -1))
        own = ops.take_along(window, ops.take(rank, of_row))
        width = ops.take(_FREE, count)
        place = ops.add(ops.add(total, ops.cumsum(width)), ops.multiply(width, -1))
        mask = ops.take(ops.take(_MASK, count), of_row)
        free = unpack(stream, start, ops.take(place, of_row), mask, ops)
        column = ops.add(free, ops.take(ops.take(_FIRST, count), of_row))
        place = ops.add(ops.multiply(own, known.table.shape[1]), column)
        return ops.take(known.table.reshape(-1), place)

    def _windows(
        self, stream: Any, start: Any, of_row: Any, total: Any, dim: int, ops: ArrayOps
    ) -> Any:
        """Return the windows (k, dim) of the active columns, in their order; more are void."""
        memory = self.states.bit_length() - 1
        length = -(-dim // 8)
        packed = ops.take(stream, ops.add(start, np.arange(length, dtype=np.int64)))
        bits = ops.take(BITS_OF_BYTE, ops.cast(packed, "int32"))
        coded = ops.reshape(bits, (-1, 8 * length))
        last = ops.take(_tails(dim, memory), ops.reshape(total, (-1,)))
        around = ops.take_along(coded, ops.take(last, of_row))
        circle = ops.concatenate([around, coded], axis=1)
        window = ops.columns(circle, memory, memory + dim)
        for back in range(1, memory + 1):
            earlier = ops.columns(circle, memory - back, memory - back + dim)
            window = ops.add(window, ops.multiply(earlier, 2**back))
        return window


@cache
def _losses(states: int) -> Losses:
    name = f"trellis{states}_distortion.npy"
    return Losses(np.load(trellis.DATA / name, allow_pickle=False).astype(np.float64))


@cache
def _tails(dim: int, memory: int) -> NDArray[np.int32]:
    """Return for each number of active columns the last `memory` of them, around the circle.

    >>> _tails(3, 5)[3]
    array([1, 2, 0, 1, 2], dtype=int32)
    """
    count = np.maximum(np.arange(dim + 1), 1)[:, None]
    return (np.arange(-memory, 0) % count).astype(np.int32)
