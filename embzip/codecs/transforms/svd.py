"""`svd:R`: truncated singular value decomposition, by the eigenvectors of the Gram matrix.

`svd:64` keeps 64 directions, `svd:energy=0.95` as many as hold that share of the (weighted)
squared length, `svd` all of them (the Karhunen-Loeve transform). With a metric M = L L^T the
error that is minimized is that of E L, what the layers reading the table see:

    E L ~ (E L V) V^T    hence    E ~ (E L V) (V^T L^-1)

The directions, V^T L^-1, are stored in float32; with `svd:64,components=int8` in a byte a number
and a scale a direction. Rows are then encoded by the inverse of what is stored, so that rounding
costs nothing where all directions are kept. There int8 is the default, unless a metric stretches
some directions far more than others: `svd` becomes `svd:100,components=int8`. Measured before
quantizers of 1 to 8 bits, with metrics of condition numbers up to 1,000, and with a third of the
directions, int8 costs 0.00 to 0.04 dB; float16 is no better, takes twice the bytes and does not
hold what a metric of any size may ask for.

References: Eckart and Young 1936; Srebro and Jaakkola 2003 for row weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.base import Transform
from embzip.codecs.chain import metric_root
from embzip.codecs.ops import ArrayOps, numpy_ops
from embzip.codecs.rounding import symmetric_int8
from embzip.codecs.spec import Stage, is_whole
from embzip.engine import Table, spans, sum_rows
from embzip.errors import SpecError
from embzip.types import Arrays, Matrix

# Rows of one float32 product. Products add up in float64, so rounding does not grow with the table:
# eigenvalues are good to about 1e-7 of the largest.
_ROWS = 2048
_LEAST = 1e-20  # of a product's trace: far above what float32 rounds to zero
# Condition of a metric from which int8 components cost more: 0.02 dB at 1e4, 1.0 at 1e6.
_UNEVEN = 1e4

_USAGE = (
    "'svd' takes a rank (svd:64) or a share of the energy (svd:energy=0.95), and "
    "components=float32 or components=int8"
)


@dataclass(frozen=True)
class Svd(Transform):
    """Keep the R directions that hold most of the table.

    Attributes
    ----------
    rank
        Directions kept, at most min(rows, dim); None where it is not resolved yet.
    energy
        The share of the squared length that the directions must hold, in (0, 1].
    components
        How the directions are stored: float32 or int8; None where it is not resolved yet.
    """

    rank: int | None = None
    energy: float = 1.0
    components: str | None = None
    name: ClassVar[str] = "svd"
    usage: ClassVar[str] = "[:R or :energy=SHARE][,components=float32|int8]"
    example: ClassVar[str] = "svd:64|int8"
    tunable: ClassVar[tuple[str, ...]] = ("components", "scale")

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        options = dict(stage.options)
        components = options.pop("components", None)
        known = components is None or components in ("float32", "int8")
        if not known or len(stage.arguments) + len(options) > 1 or set(options) - {"energy"}:
            raise SpecError(f"{_USAGE}, received {str(stage)!r}")
        if stage.arguments:
            text = stage.arguments[0]
            if not is_whole(text, 1, 2**31):
                raise SpecError(f"{_USAGE}: a rank is a whole number from 1, received {text!r}")
            return cls(rank=int(text), components=components or "float32")
        try:
            energy = float(options.get("energy", "1"))
        except ValueError:
            energy = np.nan
        if not 0 < energy <= 1:
            raise SpecError(f"{_USAGE}: a share lies in (0, 1], received {str(stage)!r}")
        return cls(energy=energy, components=components)

    @property
    def stage(self) -> Stage:
        # With a rank float32 is the default, and no default stands in a spec.
        usual = None if self.rank is None else "float32"
        stored = {} if self.components in (None, usual) else {"components": self.components}
        if self.rank is not None:
            return Stage(self.name, (str(self.rank),), stored)
        held = {} if self.energy == 1 else {"energy": repr(self.energy)}
        return Stage(self.name, (), {**held, **stored})

    @property
    def resolved(self) -> bool:
        return self.rank is not None

    def out_dim(self, dim: int) -> int:
        return self._resolved_rank()

    def layout(self, rows: int, dim: int) -> tuple[ArraySpec, ...]:
        rank = self._resolved_rank()
        if rank > min(rows, dim):
            raise SpecError(
                f"'svd:{rank}': the rank is at most {min(rows, dim)}, "
                f"the table's {'columns' if rank > dim else 'rows'}"
            )
        if self.components == "int8":
            scale = ArraySpec("scale", "float32", (rank,))
            return (ArraySpec("octets", "int8", (rank, dim)), scale)
        return (ArraySpec("components", "float32", (rank, dim)),)

    def resolve(
        self, table: Table, *, weights: NDArray[np.float64] | None, metric: Matrix | None
    ) -> Self:
        if self.rank is not None:
            return self
        largest = min(table.shape)
        if self.energy == 1:
            even = metric is None or np.linalg.cond(metric) < _UNEVEN
            small = "int8" if largest == table.shape[1] and even else "float32"
            return type(self)(rank=largest, components=self.components or small)
        stored = self.components or "float32"
        values, _ = _eigen(table, weights, None if metric is None else metric_root(metric))
        total = values.sum()
        if total == 0:
            return type(self)(rank=1, components=stored)
        held = np.cumsum(values) / total
        rank = int(np.searchsorted(held, self.energy - 1e-12)) + 1
        return type(self)(rank=min(rank, largest), components=stored)

    def fit(
        self,
        table: Table,
        *,
        weights: NDArray[np.float64] | None,
        metric: Matrix | None,
        seed: int,
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        self.layout(table.shape[0], table.shape[1])
        root = None if metric is None else metric_root(metric)
        _, directions = _eigen(table, weights, root)
        vectors = directions[:, : self.rank]
        # The sign of an eigenvector is arbitrary: the largest entry is made positive.
        largest = np.abs(vectors).argmax(axis=0)
        vectors = vectors * np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
        # With root L the table is encoded by L V and decoded by V^T L^-1.
        components = vectors.T if root is None else np.linalg.solve(root.T, vectors).T
        if self.components != "int8":
            projection = vectors if root is None else root @ vectors
            return (
                {"components": np.ascontiguousarray(components, np.float32)},
                {"projection": np.ascontiguousarray(projection, np.float32)},
            )
        octets, scale = symmetric_int8(components, axis=1)
        stored: dict[str, NDArray[Any]] = {"octets": octets, "scale": scale}
        kept = self._directions(stored, numpy_ops).astype(np.float64)
        # The combination of what is stored that is nearest to the row, by the metric.
        inverse = np.linalg.pinv(kept) if root is None else root @ np.linalg.pinv(kept @ root)
        return stored, {"projection": np.ascontiguousarray(inverse, np.float32)}

    def encode(self, block: Matrix, params: Arrays) -> Matrix:
        return np.asarray(block @ params["projection"], np.float32)

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        kept = self._directions(params, numpy_ops)
        return {"projection": np.linalg.pinv(kept.astype(np.float64)).astype(np.float32)}

    def decode(self, block: Any, params: Mapping[str, Any], ops: ArrayOps) -> Any:
        return ops.matmul(block, self._directions(params, ops))

    def _directions(self, params: Mapping[str, Any], ops: ArrayOps) -> Any:
        """Return the stored directions, (rank, dim) float32."""
        if self.components != "int8":
            return params["components"]
        octets = ops.cast(params["octets"], "float32")
        return ops.multiply(octets, ops.reshape(params["scale"], (-1, 1)))

    def _resolved_rank(self) -> int:
        if self.rank is None:
            raise SpecError(f"{str(self.stage)!r} depends on the table: resolve it first")
        return self.rank


def _eigen(
    table: Table, weights: NDArray[np.float64] | None, root: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eigenvalues (falling) and eigenvectors (columns) of the weighted Gram matrix."""

    def gram_of(first: int, block: Matrix) -> tuple[NDArray[np.float64]]:
        total = np.zeros((block.shape[1], block.shape[1]))
        for chosen in spans(len(block), _ROWS):
            part = block[chosen]
            if weights is not None:
                mass = weights[first + chosen.start : first + chosen.stop]
                part = np.asarray(part * np.sqrt(mass)[:, None], np.float32)
            total += _gram(part)
        return (total,)

    (gram,) = sum_rows(gram_of, table, divisor=2)
    if root is not None:
        gram = root.T @ gram @ root
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def _gram(block: Matrix) -> NDArray[Any]:
    """Return the product in float32, or in float64 where that overflows or nearly vanishes."""
    with np.errstate(over="ignore", invalid="ignore"):
        gram: NDArray[Any] = block.T @ block
    if _LEAST < np.trace(gram) < np.inf and np.isfinite(gram).all():
        return gram
    wide = block.astype(np.float64)
    return np.asarray(wide.T @ wide)
