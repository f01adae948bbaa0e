"""`float32`: the numbers themselves. The baseline, and what a trained table is saved as."""

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
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class Float32(Quantizer):
    """Store every number in four bytes."""

    name: ClassVar[str] = "float32"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        no_options(stage)
        return cls()

    @property
    def stage(self) -> Stage:
        return Stage(self.name)

    def layout(self, rows: int, dim: int) -> Layout:
        return Layout(codes=(ArraySpec("values", "float32", (rows, dim)),))

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        return {}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        return {"values": block}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        return codes["values"]

    def unscaled(self, params: Arrays) -> Unscaled:
        return Unscaled(self, {}, None)
