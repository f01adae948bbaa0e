"""`coarse:K`: a k-means code a row, and the quantizer that follows codes what that leaves.

A wrapper: `svd|coarse:1024|tcq:1` stores the nearest of 1,024 centroids of each row, and `tcq`
the difference from it. Tables of words are clusters, and below 2 bits a number a cluster says more
than the bits it takes. Centroids are a byte a number with a scale a column, in the columns that the
quantizer sees, so that they fold. The first centroid is zeros, and all-zero rows take it. The
others stand by falling weight of their rows, so that a packed file spends few bits on the codes of
common ones.

A code takes as many bits as K needs. `coarse` alone takes K from rows and rate.

References: Jégou, Douze and Schmid 2011 (a coarse quantizer before a product quantizer).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer, Unscaled
from embzip.codecs.bit_planes import BLOCK, bit_planes, from_planes
from embzip.codecs.clustering import clustered, nearest_centroid
from embzip.codecs.ops import ArrayOps
from embzip.codecs.rounding import symmetric_int8
from embzip.codecs.sampling import sample_rows
from embzip.codecs.spec import Stage, is_whole
from embzip.codecs.wrapping import Wrapper
from embzip.engine import Table, map_rows
from embzip.errors import FileFormatError, SpecError
from embzip.types import Arrays, Matrix

MOST = 65_536  # a code is at most two bytes
# Where K is not given: a power of two whose centroids take at most this share of the quantizer's
# bytes. More than the most would take long to find, and gain little.
_SHARE, _MOST_CHOSEN = 0.03, 1024
_SAMPLED = 32  # rows a centroid that clustering looks at
_ROUNDS = 8
_LARGEST = float(np.finfo(np.float32).max)
_REFUSED = {
    "kmeans": "shares numbers that differences from centroids have not in common",
    "rows": "is a code of whole rows itself",
    "normalize": "errs less before 'coarse', as in 'normalize|coarse|tcq:2'",
    "float32": "keeps every row as it is",
    "float16": "takes as many bytes for differences as for rows",
}


@dataclass(frozen=True)
class Coarse(Wrapper):
    """Take a centroid off each row first: a k-means code a row.

    Attributes
    ----------
    centroids
        How many, 2 to 65,536 and at most the rows; None where it is not resolved yet.
    """

    centroids: int | None = None
    name: ClassVar[str] = "coarse"
    usage: ClassVar[str] = "[:K]"
    example: ClassVar[str] = "coarse:1024|tcq:1"
    own_codes: ClassVar[tuple[str, ...]] = ("coarse",)
    own_by_row: ClassVar[bool] = False

    @classmethod
    def around(cls, stage: Stage, inner: Quantizer) -> Self:
        text, *more = stage.arguments or ("",)
        whole = not text or is_whole(text, 2, MOST)
        if not whole or more or stage.options:
            raise SpecError(
                f"'coarse' takes a number of centroids from 2 to {MOST} (coarse:1024), or none "
                f"and chooses it, received {str(stage)!r}"
            )
        for name in (each.name for each in inner.stages):
            if name == cls.name:
                raise SpecError("'coarse' stands twice")
            if name in _REFUSED:
                raise SpecError(f"'coarse' does not stand before {name!r}, which {_REFUSED[name]}")
            if getattr(inner, "scale", None) == "none":
                raise SpecError(f"'{name}:scale=none' codes whole numbers: leave 'coarse' out")
        return cls(inner, int(text) if text else None)

    @property
    def stage(self) -> Stage:
        return Stage(self.name, () if self.centroids is None else (str(self.centroids),))

    @property
    def resolved(self) -> bool:
        return self.centroids is not None and self.inner.resolved

    def sized(self, rows: int, dim: int) -> Quantizer:
        inner = self.inner.sized(rows, dim)
        if self.centroids is not None:
            return replace(self, inner=inner)
        wanted = int(min(_SHARE * inner.layout(rows, dim).nbytes / dim, rows, _MOST_CHOSEN))
        return replace(self, inner=inner, centroids=2 ** max(1, wanted.bit_length() - 1))

    def own_layout(self, rows: int, dim: int) -> Layout:
        if self.centroids is None:
            raise SpecError(f"{str(self.stage)!r} depends on the table: resolve it first")
        if self.centroids > rows:
            raise SpecError(
                f"'coarse' has 2 centroids or more, and at most as many as the table has rows, "
                f"{rows:,}; '{self.stage}' has more: name fewer, or leave it out"
            )
        codes = ArraySpec("coarse", "uint8", (-(-rows // BLOCK), self._bits, BLOCK // 8))
        octets = ArraySpec("coarse_octets", "int8", (self.centroids, dim))
        return Layout((codes,), (octets, ArraySpec("coarse_scale", "float32", (dim,))))

    def fit_own(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64] | None]:
        self.own_layout(*table.shape)
        count = self.centroids or 0
        rows, mass = sample_rows(table, _SAMPLED * count, weights=weights, seed=seed)
        found = clustered(rows, mass, count, rounds=_ROUNDS, seed=seed)
        octets, scale = symmetric_int8(found, axis=0)
        params: dict[str, NDArray[Any]] = {"coarse_octets": octets, "coarse_scale": scale}
        points = _points(params)
        of_row = map_rows(lambda _, block: _nearest(block, points), table)
        # Not in the layout, so not stored as a param: encoding need not search again.
        return {**params, "coarse_rows": np.concatenate(list(of_row))}, weights

    def handed(
        self, block: Matrix, params: Arrays, first_row: int
    ) -> tuple[Matrix, dict[str, NDArray[Any]]]:
        points = _points(params)
        if "coarse_rows" in params:
            chosen = params["coarse_rows"][first_row : first_row + len(block)]
        else:
            chosen = _nearest(block, points)
        with np.errstate(over="ignore"):
            left = np.clip(block - points.take(chosen, axis=0), -_LARGEST, _LARGEST)
        return np.asarray(left, np.float32), {"coarse": chosen}

    def store_own(
        self, codes: Mapping[str, NDArray[Any]], own: Arrays, params: Arrays, first_row: int
    ) -> None:
        if first_row == 0:  # a block of 64 rows may lie in two blocks of encoding
            codes["coarse"][:] = self.stored({"coarse": params["coarse_rows"]})["coarse"]

    def stored(self, own: Arrays) -> dict[str, NDArray[Any]]:
        return {"coarse": bit_planes(own["coarse"], self._bits)}

    def taken(self, codes: Mapping[str, Any], ids: Any, ops: ArrayOps) -> dict[str, Any]:
        return {"coarse": from_planes(codes["coarse"], ids, ops)}

    def restored(
        self, rows: Any, own: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps
    ) -> Any:
        octets = ops.cast(ops.take(params["coarse_octets"], own["coarse"]), "float32")
        return ops.add(rows, ops.multiply(octets, params["coarse_scale"]))

    def check_own(self, own: Arrays, params: Arrays) -> None:
        most = self.centroids or 0
        if len(own["coarse"]) and int(own["coarse"].max()) >= most:
            raise FileFormatError(f"{self.stage}: codes must lie in 0..{most - 1}")

    def unscaled(self, params: Arrays) -> Unscaled:
        inner, scale = self.inner.unscaled(params), params["coarse_scale"]
        if inner.column_scale is not None:
            with np.errstate(over="ignore"):
                scale = scale / inner.column_scale
            if not (scale < _LARGEST / 128).all():
                return super().unscaled(params)
        kept = {**inner.params, "coarse_octets": params["coarse_octets"], "coarse_scale": scale}
        return Unscaled(replace(self, inner=inner.quantizer), kept, inner.column_scale)

    @property
    def _bits(self) -> int:
        return ((self.centroids or 2) - 1).bit_length()


def _points(params: Arrays) -> Matrix:
    """Return the centroids, as decoding computes them."""
    points: Matrix = params["coarse_octets"].astype(np.float32) * params["coarse_scale"]
    return points


def _nearest(block: Matrix, points: Matrix) -> NDArray[np.uint16]:
    return nearest_centroid(block, points).astype(np.uint16)
