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
from embzip.codecs.base import Quantizer, RowContexts, Unscaled, Wrapper, no_options
from embzip.codecs.ops import ArrayOps
from embzip.codecs.scales import (
    SCALE_RANGE,
    check_scale_range,
    fit_scale_range,
    nearest_scale,
    scale_table,
)
from embzip.codecs.spec import Stage
from embzip.engine import Table, map_rows
from embzip.errors import SpecError
from embzip.types import Arrays, Matrix

_LARGEST_UNIT = 4.0  # a unit row's numbers are at most 2, so the product is finite, decoded too


@dataclass(frozen=True)
class Normalize(Wrapper):
    """Keep norms apart from directions.

    Attributes
    ----------
    inner
        The quantizer of the unit rows.
    """

    inner: Quantizer
    name: ClassVar[str] = "normalize"
    example: ClassVar[str] = "normalize|pq:30"

    @classmethod
    def around(cls, stage: Stage, inner: Quantizer) -> Self:
        no_options(stage)
        if isinstance(inner, Normalize):
            raise SpecError("'normalize' stands twice")
        if type(inner).take is not Quantizer.take:
            raise SpecError(f"{inner.name!r} minds the rows' lengths: leave 'normalize' out")
        return cls(inner)

    @property
    def stage(self) -> Stage:
        return Stage(self.name)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (self.stage, *self.inner.stages)

    def layout(self, rows: int, dim: int) -> Layout:
        inner = self.inner.layout(rows, dim)
        norms = replace(SCALE_RANGE, name="norm_range")
        return Layout((*inner.codes, ArraySpec("norm", "uint8", (rows,))), (*inner.params, norms))

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        norms = np.concatenate(list(map_rows(lambda _, block: _norms(block), table, divisor=2)))
        norm_range = fit_scale_range([(norms, norms)], _LARGEST_UNIT)
        squares = np.square(norms)
        largest = squares.max()
        if largest > 0:
            squares /= largest
        if weights is not None:
            squares *= weights
        inner_weights = squares if squares.any() else None
        units = _UnitRows(table, scale_table(norm_range))
        params = self.inner.fit(units, weights=inner_weights, seed=seed)
        return {**params, "norm_range": norm_range}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        norms = scale_table(params["norm_range"])
        codes = self.inner.encode(_unit(block, norms), params, first_row)
        return {**codes, "norm": nearest_scale(_norms(block), norms)}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        norms = ops.take(params["norms"], ops.cast(codes["norm"], "int32"))
        return ops.multiply(self.inner.decode(codes, params, ops), ops.reshape(norms, (-1, 1)))

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        return {**self.inner.tables(params, dim), "norms": scale_table(params["norm_range"])}

    def contexts(self, code: ArraySpec) -> RowContexts | None:
        return None if code.name == "norm" else self.inner.contexts(code)

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        check_scale_range(self.name, params["norm_range"], _LARGEST_UNIT)
        self.inner.check(codes, params, rows)

    def unscaled(self, params: Arrays) -> Unscaled:
        inner = self.inner.unscaled(params)
        kept = {**inner.params, "norm_range": params["norm_range"]}
        return Unscaled(Normalize(inner.quantizer), kept, inner.column_scale)


@dataclass(frozen=True)
class _UnitRows:
    """A table with every row divided by its norm, as a byte holds it."""

    table: Table
    norms: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.table.shape

    def __getitem__(self, rows: slice, /) -> Matrix:
        return _unit(np.ascontiguousarray(self.table[rows], np.float32), self.norms)


def _norms(block: Matrix) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(block.astype(np.float64)).sum(axis=1)))


def _unit(block: Matrix, norms: NDArray[np.float32]) -> Matrix:
    true = _norms(block)
    norm = norms[nearest_scale(true, norms)].astype(np.float64)
    norm = np.where(norm > 0, np.maximum(norm, true / 2), 0)[:, None]
    units = block / np.where(norm > 0, norm, np.inf)
    return np.asarray(units, np.float32)
