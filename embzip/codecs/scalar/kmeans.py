"""`kmeans:K`: weight sharing: every number becomes the nearest of K, which are clustered from all.

Up to 256 of them; codes are packed in 1, 2, 4 or 8 bits, the least that hold K. Where the table
has an all-zero row, one of the K is exactly 0. Fitting is Lloyd's algorithm on a sorted sample.

References: Lloyd 1982; Han et al. 2016 for weight sharing in networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer
from embzip.codecs.ops import ArrayOps
from embzip.codecs.sampling import has_zero_row, sample_rows
from embzip.codecs.spec import Stage, is_whole
from embzip.codecs.sub_byte import WIDTHS, byte_tables, highest_code, pack, packed_specs, unpack
from embzip.engine import Table
from embzip.errors import FileFormatError, SpecError
from embzip.types import Arrays, Matrix

_SAMPLE = 2_000_000  # numbers
_ROUNDS = 200


@dataclass(frozen=True)
class Kmeans(Quantizer):
    """Share K numbers: each becomes the nearest of them.

    Attributes
    ----------
    centroids
        How many, 2 to 256.
    """

    centroids: int
    name: ClassVar[str] = "kmeans"
    usage: ClassVar[str] = ":K"
    example: ClassVar[str] = "kmeans:16"
    tunable: ClassVar[tuple[str, ...]] = ("centroids",)

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        text = stage.arguments[0] if len(stage.arguments) == 1 and not stage.options else ""
        if not is_whole(text, 2, 256):
            raise SpecError(
                f"'kmeans' takes a number of centroids from 2 to 256 (kmeans:16), "
                f"received {str(stage)!r}"
            )
        return cls(int(text))

    @property
    def stage(self) -> Stage:
        return Stage(self.name, (str(self.centroids),))

    @property
    def _bits(self) -> int:
        return next(bits for bits in WIDTHS if 2**bits >= self.centroids)

    def layout(self, rows: int, dim: int) -> Layout:
        centroids = ArraySpec("centroids", "float32", (self.centroids,))
        return Layout(packed_specs(rows, dim, self._bits), (centroids,))

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        dim = table.shape[1]
        rows, mass = sample_rows(table, max(1, _SAMPLE // dim), weights=weights, seed=seed)
        numbers = rows.reshape(-1).astype(np.float64)
        order = np.argsort(numbers, kind="stable")
        pinned = has_zero_row(table)
        centroids = _clustered(numbers[order], np.repeat(mass, dim)[order], self.centroids, pinned)
        return {"centroids": centroids.astype(np.float32)}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        centroids = params["centroids"].astype(np.float64)
        middles = (centroids[1:] + centroids[:-1]) / 2
        # Ties go to the centroid nearer zero, so that 0 itself stays 0 where it is one.
        below = np.searchsorted(middles, block, side="left")
        above = np.searchsorted(middles, block, side="right")
        codes = np.where(block < 0, above, below).astype(np.uint8)
        return dict(pack(codes, self._bits))

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        return {}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        # The centroids themselves are looked up, not a table made of them: they can be tuned.
        return ops.take(params["centroids"], unpack(codes, params, ops))

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        return byte_tables(np.arange(2**self._bits, dtype=np.int32), self._bits, dim)

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        if highest_code(codes, self._bits) >= self.centroids:
            raise FileFormatError(f"{self.stage}: codes must lie in 0..{self.centroids - 1}")


def _clustered(
    numbers: NDArray[np.float64], mass: NDArray[np.float64], count: int, pinned: bool
) -> NDArray[np.float64]:
    """Return `count` rising centroids of sorted numbers; one is 0 where `pinned`."""
    masses = np.cumsum(mass)
    shares = (np.arange(count) + 0.5) / count

    def quantiles(at: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.searchsorted(masses, at * masses[-1])
        return np.asarray(numbers[np.minimum(found, len(numbers) - 1)])

    # One start is even in quantiles and range; the other has centroids as dense as the cube root
    # of the numbers' density, which is the optimum for many of them (Panter and Dite 1951).
    even = (quantiles(shares) + numbers[0] + shares * (numbers[-1] - numbers[0])) / 2
    grid = quantiles(np.linspace(0, 1, 2049))
    density = np.concatenate([[0.0], np.cumsum(np.diff(grid) ** (2 / 3))])
    cube_root = np.interp(shares * density[-1], density, grid)
    tried = [_lloyd(numbers, mass, start, pinned) for start in (even, cube_root)]
    return min(tried, key=lambda result: result[1])[0]


def _lloyd(
    numbers: NDArray[np.float64],
    mass: NDArray[np.float64],
    centroids: NDArray[np.float64],
    pinned: bool,
) -> tuple[NDArray[np.float64], float]:
    """Return better centroids, and their squared error less that of zeros."""
    # Sums over runs of the sorted numbers are differences of these.
    masses = np.concatenate([[0.0], np.cumsum(mass)])
    moments = np.concatenate([[0.0], np.cumsum(mass * numbers)])
    error = 0.0
    for _ in range(_ROUNDS):
        if pinned:
            centroids = centroids.copy()
            centroids[np.abs(centroids).argmin()] = 0
        middles = (centroids[1:] + centroids[:-1]) / 2
        edges = np.concatenate([[0], np.searchsorted(numbers, middles), [len(numbers)]])
        held = masses[edges[1:]] - masses[edges[:-1]]
        sums = moments[edges[1:]] - moments[edges[:-1]]
        error = float((held * centroids**2 - 2 * sums * centroids).sum())
        # Differences of sums are inexact where magnitudes differ by far: a mean is in its run.
        low = numbers[np.minimum(edges[:-1], len(numbers) - 1)]
        high = numbers[np.maximum(edges[1:] - 1, 0)]
        moved = np.clip(sums / np.where(held > 0, held, 1), low, np.maximum(low, high))
        moved = np.where(held > 0, moved, centroids)
        if pinned:
            moved[np.abs(centroids).argmin()] = 0
        moved = np.maximum.accumulate(moved)  # rounding may swap neighbours
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    return centroids, error
