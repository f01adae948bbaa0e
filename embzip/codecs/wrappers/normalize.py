"""`normalize`: rows of length 1 for the quantizer that follows, and each row's norm in one byte.

A wrapper: it stands directly before the quantizer, as in `svd:64|normalize|pq:16`. The quantizer's
errors are weighed by the squared norms, so that what is least is the error of the whole rows.
Rows are divided by the norm as its byte holds it, so rounding the norm adds no error of its own.
A row longer than half the largest float32 comes back shorter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer, Unscaled, no_options
from embzip.codecs.ops import ArrayOps
from embzip.codecs.scales import (
    SCALE_RANGE,
    check_scale_range,
    fit_scale_range,
    nearest_scale,
    scale_table,
)
from embzip.codecs.spec import Stage
from embzip.codecs.wrapping import Wrapper
from embzip.engine import Table, map_rows
from embzip.errors import SpecError
from embzip.types import Arrays, Matrix

_LARGEST_UNIT = 4.0  # a unit row's numbers are at most 2, so the product is finite, decoded too


@dataclass(frozen=True)
class Normalize(Wrapper):
    """Keep norms apart from directions."""

    name: ClassVar[str] = "normalize"
    example: ClassVar[str] = "normalize|pq:30"
    own_codes: ClassVar[tuple[str, ...]] = ("norm",)

    @classmethod
    def around(cls, stage: Stage, inner: Quantizer) -> Self:
        no_options(stage)
        if any(each.name == cls.name for each in inner.stages):
            raise SpecError("'normalize' stands twice")
        return cls(inner)

    @property
    def stage(self) -> Stage:
        return Stage(self.name)

    def own_layout(self, rows: int, dim: int) -> Layout:
        norms = replace(SCALE_RANGE, name="norm_range")
        return Layout((ArraySpec("norm", "uint8", (rows,)),), (norms,))

    def fit_own(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64] | None]:
        norms = np.concatenate(list(map_rows(lambda _, block: _norms(block), table, divisor=2)))
        norm_range = fit_scale_range([(norms, norms)], _LARGEST_UNIT)
        squares = np.square(norms)
        largest = squares.max()
        if largest > 0:
            squares /= largest
        if weights is not None:
            squares *= weights
        return {"norm_range": norm_range}, squares if squares.any() else None

    def handed(
        self, block: Matrix, params: Arrays, first_row: int
    ) -> tuple[Matrix, dict[str, NDArray[Any]]]:
        norms = scale_table(params["norm_range"])
        true = _norms(block)
        byte = nearest_scale(true, norms)
        norm = norms[byte].astype(np.float64)
        norm = np.where(norm > 0, np.maximum(norm, true / 2), 0)[:, None]
        units = block / np.where(norm > 0, norm, np.inf)
        return np.asarray(units, np.float32), {"norm": byte}

    def restored(
        self, rows: Any, own: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps
    ) -> Any:
        norms = ops.take(params["norms"], ops.cast(own["norm"], "int32"))
        return ops.multiply(rows, ops.reshape(norms, (-1, 1)))

    def own_tables(self, params: Arrays) -> dict[str, NDArray[Any]]:
        return {"norms": scale_table(params["norm_range"])}

    def check_own(self, own: Arrays, params: Arrays) -> None:
        check_scale_range(self.name, params["norm_range"], _LARGEST_UNIT)

    def unscaled(self, params: Arrays) -> Unscaled:
        inner = self.inner.unscaled(params)
        kept = {**inner.params, "norm_range": params["norm_range"]}
        return Unscaled(replace(self, inner=inner.quantizer), kept, inner.column_scale)


def _norms(block: Matrix) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(block.astype(np.float64)).sum(axis=1)))
