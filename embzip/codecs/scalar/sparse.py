"""`sparse:N`: the N numbers of largest magnitude of every row, a byte each, and where they stand.

A number costs two bytes (three above 256 columns), a row one more for its scale. For tables whose
rows are nearly sparse, as after pruning; others are better off with `svd` or `int4`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer
from embzip.codecs.ops import ArrayOps
from embzip.codecs.rounding import LARGEST, symmetric_int8
from embzip.codecs.scales import (
    SCALE_RANGE,
    check_scale_range,
    fit_scale_range,
    nearest_scale,
    scale_table,
)
from embzip.codecs.spec import Stage, is_whole
from embzip.engine import Table, map_rows
from embzip.errors import FileFormatError, SpecError
from embzip.types import Arrays, Matrix

_MOST_COLUMNS = 4096  # decoding looks up unit vectors, which take columns x columns numbers


@dataclass(frozen=True)
class Sparse(Quantizer):
    """Keep the N largest numbers of a row.

    Attributes
    ----------
    kept
        How many, at most the columns.
    """

    kept: int
    name: ClassVar[str] = "sparse"
    usage: ClassVar[str] = ":N"
    example: ClassVar[str] = "sparse:30"
    bound: ClassVar[str] = "as its scales reach no farther than the numbers it was fitted to"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        text = stage.arguments[0] if len(stage.arguments) == 1 and not stage.options else ""
        if not is_whole(text, 1, _MOST_COLUMNS):
            raise SpecError(
                f"'sparse' takes how many numbers a row keeps (sparse:16), received {str(stage)!r}"
            )
        return cls(int(text))

    @property
    def stage(self) -> Stage:
        return Stage(self.name, (str(self.kept),))

    def layout(self, rows: int, dim: int) -> Layout:
        if self.kept > dim:
            raise SpecError(f"'{self.stage}' keeps more numbers than the table's {dim} columns")
        if dim > _MOST_COLUMNS:
            raise SpecError(
                f"'{self.stage}' takes tables of at most {_MOST_COLUMNS} columns, "
                f"this one has {dim}: choose another codec, such as 'int4'"
            )
        columns = ArraySpec("columns", "uint8" if dim <= 256 else "uint16", (rows, self.kept))
        values = ArraySpec("values", "int8", (rows, self.kept))
        return Layout((columns, values, ArraySpec("scale", "uint8", (rows,))), (SCALE_RANGE,))

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        peaks = ((peak, peak) for peak in map_rows(lambda _, block: _peak(block) / LARGEST, table))
        return {"scale_range": fit_scale_range(peaks, LARGEST)}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        # A stable sort: of equal magnitudes the first columns are kept.
        chosen = np.argsort(-np.abs(block), axis=1, kind="stable")[:, : self.kept]
        chosen = np.sort(chosen, axis=1)
        table = scale_table(params["scale_range"])
        byte = nearest_scale(_peak(block) / LARGEST, table)
        # Byte 0 stands for the scale 0: whatever such a row holds becomes level 0.
        scale = np.where(byte > 0, table[byte], np.float32(np.inf))
        values, _ = symmetric_int8(np.take_along_axis(block, chosen, 1), axis=1, scale=scale)
        return {
            "columns": chosen.astype(np.uint8 if block.shape[1] <= 256 else np.uint16),
            "values": values,
            "scale": byte,
        }

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        columns = ops.cast(codes["columns"], "int32")
        scale = ops.take(params["scales"], ops.cast(codes["scale"], "int32"))
        values = ops.multiply(ops.cast(codes["values"], "float32"), ops.reshape(scale, (-1, 1)))
        rows: Any = None
        for index in range(self.kept):
            column = ops.reshape(ops.columns(columns, index, index + 1), (-1,))
            part = ops.multiply(
                ops.take(params["units"], column), ops.columns(values, index, index + 1)
            )
            rows = part if rows is None else ops.add(rows, part)
        return rows

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        scales = scale_table(params["scale_range"])
        return {"units": np.eye(dim, dtype=np.float32), "scales": scales}

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        check_scale_range(self.name, params["scale_range"], LARGEST)
        columns, dim = codes["columns"].astype(np.int32), len(params["units"])
        bad = (np.diff(columns, axis=1) <= 0).any(axis=1) | (columns[:, -1] >= dim)
        if bad.any():
            raise FileFormatError(
                f"{self.stage}: the columns of row {int(bad.argmax())} must rise, below {dim}"
            )


def _peak(block: Matrix) -> Matrix:
    return np.asarray(np.abs(block).max(axis=1))
