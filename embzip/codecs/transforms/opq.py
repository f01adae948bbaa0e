"""`opq:M,bits=8`: a rotation after which M parts of the columns suit a product quantizer.

At the end of a chain it stands for itself and that quantizer: 'opq:16' is 'opq:16|pq:16'. Being a
transform, the rotation folds into the layers that read the table. Where M does not divide the
columns, the rotated table has a few more of them. Fitted by faiss.

References: Ge, He, Ke and Sun 2014.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec
from embzip.codecs.base import Transform
from embzip.codecs.chain import metric_root
from embzip.codecs.codebooks import (
    check_size,
    drawn_by_weight,
    import_faiss,
    parts_and_bits,
    power_of_two,
    scaled,
    stage_of,
    training_rows,
)
from embzip.codecs.ops import ArrayOps
from embzip.codecs.spec import Stage
from embzip.engine import Table
from embzip.errors import SpecError
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class Opq(Transform):
    """Rotate for a product quantizer; `opq:M` alone stands for `opq:M|pq:M`.

    Attributes
    ----------
    parts, bits
        Those of the quantizer.
    """

    parts: int
    bits: int = 8
    name: ClassVar[str] = "opq"
    usage: ClassVar[str] = ":M[,bits=1|2|4|8]"
    example: ClassVar[str] = "opq:30|pq:30"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        return cls(*parts_and_bits(stage, "parts"))

    @property
    def stage(self) -> Stage:
        return stage_of(self.name, self.parts, self.bits)

    @property
    def completion(self) -> Stage:
        return stage_of("pq", self.parts, self.bits)

    def out_dim(self, dim: int) -> int:
        return -(-dim // self.parts) * self.parts

    def layout(self, rows: int, dim: int) -> tuple[ArraySpec, ...]:
        if self.parts > dim:
            raise SpecError(f"'{self.stage}' has more parts than the table's {dim} columns")
        check_size(self.stage, rows, self.bits)
        return (ArraySpec("components", "float32", (self.out_dim(dim), dim)),)

    def fit(
        self,
        table: Table,
        *,
        weights: NDArray[np.float64] | None,
        metric: Matrix | None,
        seed: int,
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        faiss = import_faiss(str(self.stage))
        dim = table.shape[1]
        rows, mass = training_rows(table, self.bits, weights=weights, seed=seed)
        rows = drawn_by_weight(rows, mass, seed)
        least = self.out_dim(dim)
        if len(rows) < least:  # faiss would write beyond the end of its arrays
            rows = np.resize(rows, (least, dim))
        root = np.eye(dim) if metric is None else metric_root(metric)
        seen = rows.astype(np.float64) @ root
        rotation = faiss.OPQMatrix(dim, self.parts, self.out_dim(dim))
        product = faiss.ProductQuantizer(self.out_dim(dim), self.parts, self.bits)
        product.cp.min_points_per_centroid = 1  # we refuse too few rows ourselves
        rotation.pq = product
        rotation.train(scaled(seen, power_of_two(seen)))
        found = faiss.vector_to_array(rotation.A).reshape(self.out_dim(dim), dim)
        # The nearest matrix with exactly orthonormal columns.
        left, _, right = np.linalg.svd(found.astype(np.float64), full_matrices=False)
        turned = left @ right
        # With root L the table is encoded by L R^T and decoded by R L^-1.
        return (
            {"components": np.ascontiguousarray(np.linalg.solve(root.T, turned.T).T, np.float32)},
            {"projection": np.ascontiguousarray(root @ turned.T, np.float32)},
        )

    def encode(self, block: Matrix, params: Arrays) -> Matrix:
        return np.asarray(block @ params["projection"], np.float32)

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        kept = params["components"]
        return {"projection": np.linalg.pinv(kept.astype(np.float64)).astype(np.float32)}

    def decode(self, block: Any, params: Mapping[str, Any], ops: ArrayOps) -> Any:
        return ops.matmul(block, params["components"])
