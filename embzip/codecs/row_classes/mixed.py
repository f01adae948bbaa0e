"""`mixed:BITS`: a scalar quantizer a column, with row classes and water-filled bits.

The simple relative of `tcq`: the same classes of rows, the same sharing of bits, and Lloyd and
Max's quantizers of the Gaussian. It stands about 1 dB (at 1 bit) to 2.8 dB (at 4) further from the
bound, and encodes an order of magnitude faster.

References: Max 1960; Lloyd 1982.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.ops import ArrayOps
from embzip.codecs.row_classes.fields import pack, unpack
from embzip.codecs.row_classes.losses import MOST_BITS, Losses
from embzip.codecs.row_classes.quantizer import RowClasses
from embzip.codecs.row_classes.rate_options import OPTIONS, options, written
from embzip.codecs.row_classes.trellis import DATA
from embzip.codecs.spec import Stage
from embzip.types import Matrix

# By the number of bits of a column: their mask, and where its levels begin in the list of all.
_MASK = (2 ** np.arange(MOST_BITS + 1) - 1).astype(np.int32)
_FIRST = np.array([0, *(2**bits - 2 for bits in range(1, MOST_BITS + 1))], np.int32)


@dataclass(frozen=True)
class Mixed(RowClasses):
    """Scalar quantizers of 0 to 8 bits, by column and class of rows."""

    name: ClassVar[str] = "mixed"
    usage: ClassVar[str] = ":BITS[,classes=2..16]"
    example: ClassVar[str] = "mixed:2"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        return cls(**options(stage, "svd|mixed:2", OPTIONS))

    @property
    def stage(self) -> Stage:
        return written(self)

    def losses(self) -> Losses:
        return _losses()

    def encode_numbers(
        self, numbers: Matrix, bits: Sequence[int], variance: Matrix
    ) -> NDArray[np.uint8]:
        fields = np.empty(numbers.shape, np.uint8)
        for column, count in enumerate(bits):
            levels = _levels()[_FIRST[count] : _FIRST[count] + 2**count]
            edges = (levels[1:] + levels[:-1]) / 2
            fields[:, column] = np.searchsorted(edges, numbers[:, column])
        return pack(fields, bits)

    def decode_numbers(self, stream: Any, start: Any, of_row: Any, bits: Any, ops: ArrayOps) -> Any:
        count = ops.cast(bits, "int32")
        place = ops.add(ops.cumsum(count), ops.multiply(count, -1))
        index = unpack(stream, start, of_row, place, ops.take(_MASK, count), ops)
        first = ops.take(ops.take(_FIRST, count), of_row)
        most = ops.largest(bits, MOST_BITS)
        return ops.take(_levels()[: 2 ** (max(most, 1) + 1) - 2], ops.add(index, first))


@cache
def _levels() -> NDArray[np.float32]:
    return np.asarray(np.load(DATA / "gaussian.npy", allow_pickle=False), np.float32)


@cache
def _losses() -> Losses:
    table = np.load(DATA / "gaussian_distortion.npy", allow_pickle=False)
    return Losses(table.astype(np.float64))
