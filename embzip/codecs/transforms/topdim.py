"""`topdim:N`: the mean row and the N principal directions around it are removed, and stay removed.

"All-but-the-top" makes vectors more isotropic: it is a change of the table that helps similarity,
not a compression of it. What is removed is not stored, so decoded rows are the changed ones, and
this stage costs no byte. An all-zero row becomes minus the mean; padding is masked as always.

References: Mu and Viswanath 2018.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.base import Transform
from embzip.codecs.ops import ArrayOps
from embzip.codecs.spec import Stage, is_whole
from embzip.engine import Table, sum_rows
from embzip.errors import SpecError
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class Topdim(Transform):
    """Remove what all rows have in common: the mean and N directions.

    Attributes
    ----------
    directions
        How many principal directions go, from 1; the paper's rule is dim / 100.
    """

    directions: int
    name: ClassVar[str] = "topdim"
    usage: ClassVar[str] = ":N"
    example: ClassVar[str] = "topdim:3|int8"
    bound: ClassVar[str] = "as the directions that it removes are not stored"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        text = stage.arguments[0] if len(stage.arguments) == 1 and not stage.options else ""
        if not is_whole(text, 1, 2**31):
            raise SpecError(
                f"'topdim' takes a number of directions from 1 (topdim:2), received {str(stage)!r}"
            )
        return cls(int(text))

    @property
    def stage(self) -> Stage:
        return Stage(self.name, (str(self.directions),))

    def out_dim(self, dim: int) -> int:
        return dim

    def layout(self, rows: int, dim: int) -> tuple[ArraySpec, ...]:
        if self.directions >= dim:
            raise SpecError(
                f"'{self.stage}' removes all of the table's {dim} columns: choose fewer directions"
            )
        return ()

    def fit(
        self,
        table: Table,
        *,
        weights: NDArray[np.float64] | None,
        metric: Matrix | None,
        seed: int,
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        self.layout(*table.shape)

        def sums_of(first: int, block: Matrix) -> tuple[Any, Any, float]:
            wide = block.astype(np.float64)
            part = slice(first, first + len(block))
            weight = np.ones(len(block)) if weights is None else weights[part]
            return weight @ wide, wide.T @ (wide * weight[:, None]), float(weight.sum())

        total, gram, mass = sum_rows(sums_of, table, divisor=2)
        mean = total / mass
        covariance = gram / mass - np.outer(mean, mean)
        _, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        top = vectors[:, -self.directions :]
        return {}, {"mean": mean.astype(np.float32), "top": top.astype(np.float32)}

    def encode(self, block: Matrix, params: Arrays) -> Matrix:
        around = block - params["mean"]
        top = params["top"]
        return np.asarray(around - (around @ top) @ top.T, np.float32)

    def decode(self, block: Any, params: Mapping[str, Any], ops: ArrayOps) -> Any:
        return block
