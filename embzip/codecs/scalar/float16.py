"""`float16`: half precision, for storage only; arithmetic stays in float32."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer, Unscaled, no_options
from embzip.codecs.ops import ArrayOps
from embzip.codecs.spec import Stage
from embzip.engine import Table
from embzip.errors import InputError
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class Float16(Quantizer):
    """Store every number in two bytes, eleven significant bits."""

    name: ClassVar[str] = "float16"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        no_options(stage)
        return cls()

    @property
    def stage(self) -> Stage:
        return Stage(self.name)

    def layout(self, rows: int, dim: int) -> Layout:
        return Layout(codes=(ArraySpec("values", "float16", (rows, dim)),))

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        return {}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        with np.errstate(over="ignore"):
            values = block.astype(np.float16)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
            raise InputError(
                f"row {first_row + row}: float16 holds numbers up to 65504, found "
                f"{np.abs(block[row]).max():g}: choose another codec, such as 'int8'"
            )
        return {"values": values}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        return ops.cast(codes["values"], "float32")

    def unscaled(self, params: Arrays) -> Unscaled:
        return Unscaled(self, {}, None)
