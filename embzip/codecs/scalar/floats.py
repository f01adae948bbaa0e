"""`float32`, `float16`: the numbers themselves, in four bytes or in two.

float32 is the baseline, and what a trained table is saved as. float16, with 11 significant bits,
is for storage only: arithmetic stays in float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer
from embzip.codecs.ops import ArrayOps
from embzip.engine import Table
from embzip.errors import InputError
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class _Floats(Quantizer):
    """Numbers of the NumPy type that the codec is named after."""

    def layout(self, rows: int, dim: int) -> Layout:
        return Layout(codes=(ArraySpec("values", self.name, (rows, dim)),))

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        return {}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        with np.errstate(over="ignore"):
            values = block.astype(self.name, copy=False)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
            raise InputError(
                f"row {first_row + row}: float16 holds numbers up to 65504, found "
                f"{np.abs(block[row]).max():g}: choose another codec, such as 'int8'"
            )
        return {"values": values}

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        return {}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        return ops.cast(codes["values"], "float32")


class Float32(_Floats):
    """Store every number in four bytes."""

    name: ClassVar[str] = "float32"


class Float16(_Floats):
    """Store every number in two bytes."""

    name: ClassVar[str] = "float16"
