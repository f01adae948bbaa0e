"""`int4`, `int2`, `int1`: 4, 2 or 1 bits a number, packed, x = scale * level.

The clip is optimized: the scale is not the one at which the largest number of a row is a level,
but the one of least squared error, found by trying steps around the best one for Gaussian numbers
and fitting the scale to the levels (each trial is a least-squares fit: scale = <x, q> / <q, q>).

`int4` keeps a scale a row, in one byte; its levels are halves, +-0.5 to +-7.5, and an all-zero row
has scale 0. `int4:scale=column` keeps one a column, `int4:scale=none` none, as after folding;
their levels are whole, -7 to 7, so that zero is one. `int1` has no whole levels: a scale a row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer, Unscaled
from embzip.codecs.ops import ArrayOps
from embzip.codecs.scales import (
    SCALE_RANGE,
    check_scale_range,
    fit_scale_range,
    nearest_scale,
    scale_table,
)
from embzip.codecs.spec import Stage
from embzip.codecs.sub_byte import byte_tables, highest_code, pack, packed_specs, unpack
from embzip.engine import Table, map_rows, reduce_rows, sum_rows
from embzip.errors import FileFormatError, SpecError
from embzip.types import Arrays, Matrix

_SMALLEST = np.finfo(np.float32).tiny
# The step of least squared error for unit Gaussian numbers (Max 1960), by bits and kind of levels.
_HALVES = {1: 1.596, 2: 0.996, 4: 0.335}
_WHOLE = {2: 1.224, 4: 0.354}
_TRIALS = (0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
_REFINEMENTS = 2


@dataclass(frozen=True)
class _PackedInt(Quantizer):
    """Levels at equal steps, 2**bits of them (one less where zero is a level).

    Attributes
    ----------
    scale
        `row`, `column` or `none`.
    """

    scale: str = "row"
    bits: ClassVar[int]

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        known = ("row",) if cls.bits == 1 else ("row", "column", "none")
        scale = stage.options.get("scale", "row")
        if stage.arguments or set(stage.options) - {"scale"} or scale not in known:
            choices = ", ".join(f"scale={name}" for name in known)
            raise SpecError(f"{cls.name!r} takes {choices}; received {str(stage)!r}")
        return cls(scale)

    @property
    def stage(self) -> Stage:
        return Stage(self.name, (), {} if self.scale == "row" else {"scale": self.scale})

    @property
    def _largest(self) -> float:
        """The largest level."""
        return float(2 ** (self.bits - 1)) - (0.5 if self.scale == "row" else 1)

    def layout(self, rows: int, dim: int) -> Layout:
        values = packed_specs(rows, dim, self.bits)
        if self.scale == "row":
            return Layout((*values, ArraySpec("scale", "uint8", (rows,))), (SCALE_RANGE,))
        if self.scale == "column":
            return Layout(values, (ArraySpec("scale", "float32", (dim,)),))
        return Layout(values)

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        if self.scale == "row":
            return {
                "scale_range": fit_scale_range(
                    map_rows(self._bounds, table, divisor=2), self._largest
                )
            }
        if self.scale == "column":
            return {"scale": self._column_scale(table, weights)}
        return {}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        if self.scale == "row":
            table = scale_table(params["scale_range"])
            chosen = nearest_scale(self._row_scale(block), table)
            return {**self._packed(block, table[chosen][:, None]), "scale": chosen}
        return self._packed(block, params.get("scale", np.float32(1)))

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        return {}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        levels = unpack(codes, params, ops)
        if self.scale == "row":
            scale = ops.take(params["scales"], ops.cast(codes["scale"], "int32"))
            return ops.multiply(levels, ops.reshape(scale, (-1, 1)))
        return ops.multiply(levels, params["scale"]) if self.scale == "column" else levels

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        levels = (np.arange(2**self.bits) - self._largest).astype(np.float32)
        tables = byte_tables(levels, self.bits, dim)
        if self.scale == "row":
            tables["scales"] = scale_table(params["scale_range"])
        return tables

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        if self.scale == "row":
            check_scale_range(self.name, params["scale_range"], self._largest)
        elif highest_code(codes, self.bits) > 2 * self._largest:
            raise FileFormatError(f"{self.name}: codes must lie in 0..{int(2 * self._largest)}")
        if self.scale == "column":
            scale = params["scale"]
            limit = np.finfo(np.float32).max / self._largest
            if not ((scale > 0) & (scale <= limit)).all():
                column = int(np.flatnonzero(~((scale > 0) & (scale <= limit)))[0])
                raise FileFormatError(
                    f"{self.name}: scale {column} must be above 0 and finite times "
                    f"{self._largest:g}, found {scale[column]}"
                )

    def unscaled(self, params: Arrays) -> Unscaled:
        if self.scale != "column":
            return super().unscaled(params)
        return Unscaled(type(self)("none"), {}, np.asarray(params["scale"], np.float32))

    def _levels(self, steps: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return the nearest level of each number, in place; one step is one level."""
        if self.scale == "row":
            np.floor(steps, out=steps)
            steps += np.float32(0.5)
        else:
            np.rint(steps, out=steps)
        return np.clip(steps, -self._largest, self._largest, out=steps)

    def _packed(self, block: Matrix, scale: Any) -> dict[str, NDArray[Any]]:
        # A number far outside the clip may be infinite in steps, and is clipped as any other.
        with np.errstate(over="ignore"):
            steps = block / np.where(scale > 0, scale, np.float32(1))
        codes = (self._levels(steps) + np.float32(self._largest)).astype(np.uint8)
        return dict(pack(codes, self.bits))

    def _steps(self, rms: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Yield the steps to try for numbers of magnitude up to 1."""
        if self.bits == 1:  # The levels are the signs at any step, and the fit is exact.
            yield np.ones_like(rms)
            return
        gaussian = np.float32((_HALVES if self.scale == "row" else _WHOLE)[self.bits])
        for factor in _TRIALS:
            yield np.maximum(gaussian * np.float32(factor) * rms, np.float32(1e-3))
        for factor in (1.0, 0.8):
            yield np.full_like(rms, factor / self._largest)

    def _bounds(self, first: int, block: Matrix) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return bounds of the rows' best scales.

        Below, all numbers are clipped. Above: <x, q> / <q, q> <= |x| / |q|, and levels are at
        least 0.5.
        """
        wide = np.abs(block).astype(np.float64)
        rms = np.sqrt(np.square(wide).mean(axis=1))
        return wide.mean(axis=1) / self._largest, 2 * rms

    def _row_scale(self, block: Matrix) -> NDArray[np.float64]:
        """Return the scale of least squared error of each row; 0 where the row vanishes."""
        peak = np.abs(block).max(axis=1)
        unit = block / np.where(peak < _SMALLEST, np.float32(1), peak)[:, None]
        best = np.zeros(len(block), np.float32)
        gain = np.full(len(block), -1.0, np.float32)

        def attempt(step: NDArray[np.float32]) -> None:
            levels = self._levels(unit / step[:, None])
            along = np.einsum("ij,ij->i", unit, levels)
            square = np.einsum("ij,ij->i", levels, levels)
            better = along * along / square > gain
            gain[better] = (along * along / square)[better]
            best[better] = (along / square)[better]

        for step in self._steps(np.sqrt(np.square(unit).mean(axis=1))):
            attempt(step)
        for _ in range(_REFINEMENTS):
            attempt(np.maximum(best, np.float32(1e-3)))
        return np.where(peak < _SMALLEST, 0.0, best.astype(np.float64) * peak)

    def _column_scale(
        self, table: Table, weights: NDArray[np.float64] | None
    ) -> NDArray[np.float32]:
        """Return the scale of least (weighted) squared error of each column; 1 where it is 0."""
        dim = table.shape[1]
        peak = reduce_rows(lambda _, block: np.abs(block).max(axis=0), np.maximum, table)
        divisor = np.where(peak < _SMALLEST, np.float32(1), peak)

        def unit_of(first: int, block: Matrix) -> tuple[NDArray[Any], NDArray[np.float64]]:
            part = slice(first, first + len(block))
            return block / divisor, np.ones(len(block)) if weights is None else weights[part]

        def energy_of(first: int, block: Matrix) -> tuple[Any, Any]:
            unit, weight = unit_of(first, block)
            return weight @ np.square(unit), weight.sum()

        def fits_of(first: int, block: Matrix) -> tuple[Any, Any]:
            unit, weight = unit_of(first, block)
            levels = [self._levels(unit / step) for step in steps]
            along = np.stack([weight @ (unit * each) for each in levels])
            return along, np.stack([weight @ np.square(each) for each in levels])

        energy, mass = sum_rows(energy_of, table, divisor=4)
        steps = list(self._steps(np.sqrt(energy / mass).astype(np.float32)))
        best, gain = np.zeros(dim), np.full(dim, -1.0)
        for _ in range(1 + _REFINEMENTS):
            along, square = sum_rows(fits_of, table, divisor=4)
            fitted = along / np.where(square > 0, square, 1)
            for trial in range(len(steps)):
                better = along[trial] * fitted[trial] > gain
                gain[better] = (along[trial] * fitted[trial])[better]
                best[better] = fitted[trial][better]
            steps = [np.maximum(best, 1e-3).astype(np.float32)]
        limit = float(np.finfo(np.float32).max) / self._largest * (1 - 1e-6)
        scale = np.minimum(best * peak, limit)
        return np.where(scale < _SMALLEST, 1, scale).astype(np.float32)


class Int4(_PackedInt):
    """Two numbers a byte."""

    name: ClassVar[str] = "int4"
    usage: ClassVar[str] = "[:scale=row|column|none]"
    bits: ClassVar[int] = 4


class Int2(_PackedInt):
    """Four numbers a byte."""

    name: ClassVar[str] = "int2"
    usage: ClassVar[str] = "[:scale=row|column|none]"
    bits: ClassVar[int] = 2


class Int1(_PackedInt):
    """Eight numbers a byte: their signs."""

    name: ClassVar[str] = "int1"
    bits: ClassVar[int] = 1
