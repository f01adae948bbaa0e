"""`int8`: a signed byte a number, x = scale * q.

`int8` keeps a scale a row, `int8:scale=column` one a column, `int8:scale=none` none: the rows are
whole numbers already, as in a table whose column scales were folded into the next layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer, Unscaled
from embzip.codecs.ops import ArrayOps
from embzip.codecs.rounding import scale_of, symmetric_int8
from embzip.codecs.spec import Stage
from embzip.engine import Table, reduce_rows
from embzip.errors import FileFormatError, SpecError
from embzip.types import Arrays, Matrix

_SCALES = ("row", "column", "none")
_CACHED = 65_536  # numbers quantized at a time: they stay in the processor's second cache


@dataclass(frozen=True)
class Int8(Quantizer):
    """Round to 255 symmetric levels; the largest number of a row (column) is a level.

    Attributes
    ----------
    scale
        `row`, `column` or `none`.
    """

    scale: str = "row"
    name: ClassVar[str] = "int8"
    usage: ClassVar[str] = "[:scale=row|column|none]"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        scale = stage.options.get("scale", "row")
        if stage.arguments or set(stage.options) - {"scale"} or scale not in _SCALES:
            raise SpecError(
                f"'int8' takes scale=row, scale=column or scale=none, received {str(stage)!r}"
            )
        return cls(scale)

    @property
    def stage(self) -> Stage:
        return Stage(self.name, (), {} if self.scale == "row" else {"scale": self.scale})

    def layout(self, rows: int, dim: int) -> Layout:
        values = ArraySpec("values", "int8", (rows, dim))
        if self.scale == "row":
            return Layout(codes=(values, ArraySpec("scale", "float32", (rows,))))
        if self.scale == "column":
            return Layout(codes=(values,), params=(ArraySpec("scale", "float32", (dim,)),))
        return Layout(codes=(values,))

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        if self.scale != "column":
            return {}
        largest = reduce_rows(
            lambda _, block: np.maximum(block.max(axis=0), -block.min(axis=0)), np.maximum, table
        )
        return {"scale": scale_of(largest)}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        values = np.empty(block.shape, np.int8)
        scale = np.empty(len(block), np.float32)
        given = params.get("scale", np.ones(1, np.float32))
        step = max(1, _CACHED // max(1, block.shape[1]))
        buffer = np.empty((min(step, len(block)), block.shape[1]), np.float32)
        for first in range(0, len(block), step):
            part, chosen = block[first : first + step], slice(first, first + step)
            scratch, out = buffer[: len(part)], values[chosen]
            if self.scale == "row":
                _, scale[chosen] = symmetric_int8(part, axis=1, scratch=scratch, out=out)
            else:
                symmetric_int8(part, axis=0, scale=given, scratch=scratch, out=out)
        return {"values": values, "scale": scale} if self.scale == "row" else {"values": values}

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        return {}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        values = ops.cast(codes["values"], "float32")
        if self.scale == "row":
            return ops.multiply(values, ops.reshape(codes["scale"], (-1, 1)))
        return ops.multiply(values, params["scale"]) if self.scale == "column" else values

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        scale = {**codes, **params}.get("scale")
        if scale is not None and not (scale > 0).all():
            row = int(np.flatnonzero(~(scale > 0))[0])
            raise FileFormatError(f"int8: scale {row} must be above 0, found {scale[row]}")

    def unscaled(self, params: Arrays) -> Unscaled:
        if self.scale != "column":
            return super().unscaled(params)
        return Unscaled(Int8("none"), {}, np.asarray(params["scale"], np.float32))
