"""`center`: the mean row is taken off, and added again when decoding.

Padding stays zero because the table masks it after decoding; an all-zero row is not exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.base import Transform
from embzip.codecs.ops import ArrayOps
from embzip.engine import Table, sum_rows
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class Center(Transform):
    """Subtract the (weighted) mean row."""

    name: ClassVar[str] = "center"
    example: ClassVar[str] = "center|int8"
    tunable: ClassVar[tuple[str, ...]] = ("mean",)

    def out_dim(self, dim: int) -> int:
        return dim

    def layout(self, rows: int, dim: int) -> tuple[ArraySpec, ...]:
        return (ArraySpec("mean", "float32", (dim,)),)

    def fit(
        self,
        table: Table,
        *,
        weights: NDArray[np.float64] | None,
        metric: Matrix | None,
        seed: int,
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:

        def sum_of(first: int, block: Matrix) -> tuple[NDArray[np.float64]]:
            if weights is None:
                return (block.sum(axis=0, dtype=np.float64),)
            return (weights[first : first + len(block)] @ block.astype(np.float64),)

        (total,) = sum_rows(sum_of, table)
        mass = float(table.shape[0] if weights is None else weights.sum())
        return {"mean": (total / mass).astype(np.float32)}, {}

    def encode(self, block: Matrix, params: Arrays) -> Matrix:
        return np.asarray(block - params["mean"], np.float32)

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        return {}

    def decode(self, block: Any, params: Mapping[str, Any], ops: ArrayOps) -> Any:
        return ops.add(block, params["mean"])
