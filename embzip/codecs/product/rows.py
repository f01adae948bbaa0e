"""`rows:K`: every row is one of K directions times a scale of its own: 2 or 3 bytes a row.

Directions are clustered by angle: each is moved to the one that explains most of its rows'
(weighted) squared length, a step of the power method, until nothing changes or for 20 rounds.

References: Sabin and Gray 1984 (gain-shape vector quantization).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer
from embzip.codecs.ops import ArrayOps
from embzip.codecs.sampling import sample_rows
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

_SAMPLED = 64  # rows a direction that fitting looks at
_ROUNDS = 20
_PRODUCTS = 4_000_000  # numbers of one matrix product
_LEAST_COSINE = 0.25  # of a row and its direction, for the range of scales
_ROUNDING = 1 + 1e-5


@dataclass(frozen=True)
class Rows(Quantizer):
    """Share K directions among rows.

    Attributes
    ----------
    directions
        How many, at most the rows and 65,536.
    """

    directions: int
    name: ClassVar[str] = "rows"
    usage: ClassVar[str] = ":K"
    example: ClassVar[str] = "rows:4096"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        text = stage.arguments[0] if len(stage.arguments) == 1 and not stage.options else ""
        if not is_whole(text, 1, 65536):
            raise SpecError(
                f"'rows' takes a number of directions from 1 to 65536 (rows:1024), "
                f"received {str(stage)!r}"
            )
        return cls(int(text))

    @property
    def stage(self) -> Stage:
        return Stage(self.name, (str(self.directions),))

    def layout(self, rows: int, dim: int) -> Layout:
        if self.directions > rows:
            raise SpecError(
                f"'{self.stage}': a table of {rows} rows has at most as many directions"
            )
        dtype = "uint8" if self.directions <= 256 else "uint16"
        codes = ArraySpec("direction", dtype, (rows,)), ArraySpec("scale", "uint8", (rows,))
        return Layout(
            codes, (ArraySpec("directions", "float32", (self.directions, dim)), SCALE_RANGE)
        )

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        rows, mass = sample_rows(table, _SAMPLED * self.directions, weights=weights, seed=seed)
        directions = _clustered(rows, mass, self.directions, seed)
        norms = map_rows(lambda _, block: _norms(block), table, divisor=2)
        scale_range = fit_scale_range((_LEAST_COSINE * norm, norm) for norm in norms)
        return {"directions": directions, "scale_range": scale_range}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        norms = _norms(block)
        chosen, cosine = _nearest(_unit(block, norms), params["directions"])
        dtype = np.uint8 if self.directions <= 256 else np.uint16
        scale = nearest_scale(norms * np.maximum(cosine, 0), scale_table(params["scale_range"]))
        return {"direction": chosen.astype(dtype), "scale": scale}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        rows = ops.take(params["directions"], ops.cast(codes["direction"], "int32"))
        scale = ops.take(params["scales"], ops.cast(codes["scale"], "int32"))
        return ops.multiply(rows, ops.reshape(scale, (-1, 1)))

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        return {"scales": scale_table(params["scale_range"])}

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        check_scale_range(self.name, params["scale_range"])
        if int(codes["direction"].max()) >= self.directions:
            raise FileFormatError(f"{self.stage}: codes must lie in 0..{self.directions - 1}")
        if not (np.abs(params["directions"]) <= _ROUNDING).all():
            raise FileFormatError(f"{self.stage}: numbers of directions must be at most 1")


def _norms(block: Matrix) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(block.astype(np.float64)).sum(axis=1)))


def _unit(block: Matrix, norms: NDArray[np.float64]) -> Matrix:
    divisor = np.where(norms > 0, norms, 1)[:, None]
    return (block / divisor).astype(np.float32)


def _nearest(units: Matrix, directions: Matrix) -> tuple[NDArray[np.intp], Matrix]:
    """Return each row's direction of largest cosine, and that cosine."""
    chosen = np.zeros(len(units), np.intp)
    cosine = np.zeros(len(units), np.float32)
    step = max(1, _PRODUCTS // len(directions))
    for first in range(0, len(units), step):
        products = units[first : first + step] @ directions.T
        part = products.argmax(axis=1)
        chosen[first : first + step] = part
        cosine[first : first + step] = products[np.arange(len(part)), part]
    return chosen, cosine


def _clustered(rows: Matrix, mass: NDArray[np.float64], count: int, seed: int) -> Matrix:
    norms = _norms(rows)
    shown = norms > 0
    units, norms, mass = _unit(rows[shown], norms[shown]), norms[shown], mass[shown]
    energy = mass * np.square(norms / norms.max(initial=0)) if len(norms) else mass
    # The start: rows drawn by their squared length, others where too few have any.
    directions = np.zeros((count, rows.shape[1]), np.float32)
    possible = np.flatnonzero(energy)
    if len(possible) == 0:
        return directions
    rng = np.random.default_rng(seed)
    share = energy[possible] / energy[possible].sum()
    start = rng.choice(possible, min(count, len(possible)), replace=False, p=share)
    directions[: len(start)] = units[np.sort(start)]
    chosen = np.full(len(units), -1)
    for _ in range(_ROUNDS):
        before, (chosen, cosine) = chosen, _nearest(units, directions)
        if np.array_equal(before, chosen):
            break
        force = energy * np.maximum(cosine, 0)
        sums = np.zeros(directions.shape)
        order = np.argsort(chosen, kind="stable")
        held, begins = np.unique(chosen[order], return_index=True)
        sums[held] = np.add.reduceat(units[order] * force[order, None], begins, axis=0)
        lengths = np.sqrt(np.square(sums).sum(axis=1))
        used = lengths > 0
        directions[used] = (sums[used] / lengths[used, None]).astype(np.float32)
        # Directions without rows go to the rows that are explained worst.
        unused = np.flatnonzero(~used)[: len(units)]
        error = energy * (1 - np.square(np.clip(cosine, 0, 1)))
        directions[unused] = units[np.argsort(-error, kind="stable")[: len(unused)]]
    return directions
