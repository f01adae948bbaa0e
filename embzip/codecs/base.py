"""The contract of codecs.

A codec is a chain: transforms (matrix -> matrix), then one quantizer (matrix -> codes).

1. A stage is a frozen dataclass of hyper-parameters, written as a spec and read back from it.
   Learned state is plain named arrays: `params`, shared by all rows, and `codes`, a row each.
   What depends on data ('svd:energy=0.95') is resolved to numbers first ('svd:71'); only a
   resolved codec has a layout, is fitted, and stands in a file.
2. Rows are independent given the params: decode(take(codes, ids)) decodes only those rows, and
   each as in any other selection.
3. layout(rows, dim) states every tensor before fitting, and its bytes are the stored bytes.
4. One decoder serves NumPy and Keras: `decode` uses only `ArrayOps`. Indices are int32 and codes
   float32 before arithmetic. Rows are taken first, then decoded.
5. fit and encode read the matrix in row blocks, so a memory-mapped table of any size will do.
   Inputs are never modified.
6. `weights` (a non-negative number a row) and `metric` (dim x dim, positive definite) shape the
   error that fitting minimizes: sum of w_i * (x_i - y_i) metric (x_i - y_i)^T. The metric acts
   through transforms that turn or scale columns (svd, opq); quantizers see plain columns.
7. Same input and seed, same bytes, on one machine with as many threads for matrix products (they
   round differently). No global random state.
8. Padding is no codec's business. An all-zero row decodes to exact zeros without `center`.
9. Dequantization multiplies: x = scale * q.
10. A wrapper (`wrapping.py`) stands between transforms and quantizer and becomes the quantizer's
   outside: it keeps codes of its own a row ('svd:64|normalize|pq:16' keeps norms), which a
   transform cannot, and delegates all else to any quantizer.
11. `tables` holds what decoding looks up beside the params: made of them once, never stored.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.ops import ArrayOps, numpy_ops
from embzip.codecs.row_contexts import RowContexts
from embzip.codecs.spec import Stage
from embzip.engine import Table, map_rows
from embzip.errors import SpecError
from embzip.types import Arrays, Matrix


class Staged(ABC):
    """What a stage of a spec stands for; by default one without options.

    `usage` says how arguments are written, such as `:M[,bits=1|2|4|8]`, and `example` is a whole
    spec with typical ones; without it the name alone is one. `tunable` names the params that
    decoding reads as they are, so that gradients reach them. `bound` says why rows cannot be
    appended to a table.
    """

    name: ClassVar[str]
    usage: ClassVar[str] = ""
    example: ClassVar[str] = ""
    tunable: ClassVar[tuple[str, ...]] = ()
    bound: ClassVar[str] = "as it was fitted to all rows of its table"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        """Make what a parsed stage stands for; raises SpecError for options it does not have."""
        no_options(stage)
        return cls()

    @property
    def stage(self) -> Stage:
        """The stage that makes this."""
        return Stage(self.name)

    @property
    def resolved(self) -> bool:
        """Whether nothing about this stage depends on data any more."""
        return True

    def encoder(self, params: Arrays) -> dict[str, NDArray[Any]]:
        """Return what encoding rows of another table needs beside the stored params.

        Raises
        ------
        SpecError
            Where that does not follow from what is stored; mostly so.
        """
        raise SpecError(
            f"{self.name!r} takes no new rows, {self.bound}: compress old and new rows together"
        )


class Transform(Staged):
    """Matrix -> matrix. `decode` is affine in its input, so it can be folded into what follows."""

    @property
    def completion(self) -> Stage | None:
        """The quantizer that is meant where a chain ends with this transform; mostly none."""
        return None

    @abstractmethod
    def out_dim(self, dim: int) -> int:
        """Columns that leave the transform where `dim` enter."""

    @abstractmethod
    def layout(self, rows: int, dim: int) -> tuple[ArraySpec, ...]:
        """Return the params of a resolved transform; raises SpecError where it does not fit."""

    def resolve(
        self, table: Table, *, weights: NDArray[np.float64] | None, metric: Matrix | None
    ) -> Self:
        """Turn what depends on data into numbers; most transforms are resolved already."""
        return self

    @abstractmethod
    def fit(
        self,
        table: Table,
        *,
        weights: NDArray[np.float64] | None,
        metric: Matrix | None,
        seed: int,
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Return (params stored for decoding, arrays needed only to encode)."""

    @abstractmethod
    def encode(self, block: Matrix, params: Arrays) -> Matrix:
        """Transform a block of rows; `params` holds both kinds of arrays."""

    @abstractmethod
    def decode(self, block: Any, params: Mapping[str, Any], ops: ArrayOps) -> Any:
        """Undo `encode`, approximately."""


class Quantizer(Staged):
    """Matrix -> codes."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that make this quantizer: several where it is a wrapper."""
        return (self.stage,)

    @property
    def by_row(self) -> bool:
        """Whether each code has an entry for every row; else `take` finds rows its own way."""
        return type(self).take is Quantizer.take

    @property
    def numbers_at_once(self) -> int:
        """How many numbers `decode_rows` gives at its fastest."""
        return 250_000  # what is written in between stays cached

    def sized(self, rows: int, dim: int) -> "Quantizer":
        """Return the quantizer with what follows from the table's size turned into numbers."""
        return self

    def resolve(
        self,
        table: Table,
        *,
        weights: NDArray[np.float64] | None,
        metric: Matrix | None,
        seed: int,
    ) -> tuple[tuple[Transform, ...], "Quantizer"]:
        """Return the chain to use instead: one that `sized` leaves unresolved chooses all of it."""
        return (), self

    @abstractmethod
    def layout(self, rows: int, dim: int) -> Layout:
        """Return every tensor, before fitting."""

    @abstractmethod
    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        """Return the params shared by all rows.

        Arrays that the layout does not name serve encoding, and are not stored.
        """

    @abstractmethod
    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        """Return the codes of a block that begins at `first_row`."""

    def store(
        self,
        codes: Mapping[str, NDArray[Any]],
        encoded: Arrays,
        params: Arrays,
        first_row: int,
    ) -> None:
        """Write what `encode` returned into its place; default: arrays with one entry a row."""
        for name, part in encoded.items():
            codes[name][first_row : first_row + len(part)] = part

    @abstractmethod
    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        """Return float32 rows, any number of them including 0; `params` hold the tables too."""

    def decode_rows(self, codes: Arrays, params: Arrays, ids: NDArray[np.int64]) -> Matrix:
        """Return the rows of some ids (k,), as `decode` would, in NumPy."""
        rows: Matrix = self.decode(self.take(codes, ids), params, numpy_ops)
        return rows

    def unscaled(self, params: Arrays) -> "Unscaled":
        """Split off what a following linear layer can absorb: a scale a column; mostly nothing."""
        return Unscaled(self, dict(params), None)

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        """Return what decoding to `dim` columns looks up, under names the params do not have."""
        return {}

    def contexts(self, code: ArraySpec) -> RowContexts | None:
        """Return how entropy coding is to see one of the codes; None for bytes by column."""
        return None

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        """Raise FileFormatError for values that encoding never makes, as in a crafted file.

        `params` hold the tables too.
        """
        return

    def check_taken(self, taken: Arrays, params: Arrays) -> None:
        """Raise FileFormatError as `check` does, for what `take` returned: the rest is not read.

        Rows of a mapped file are checked so, each time they are read.
        """
        self.check(taken, params, len(next(iter(taken.values()))))

    def take(self, codes: Mapping[str, Any], ids: Any, ops: ArrayOps = numpy_ops) -> dict[str, Any]:
        """Return the codes of some rows, as `decode` reads them."""
        return {name: ops.take(array, ids) for name, array in codes.items()}

    def select(
        self, codes: Arrays, params: Arrays, ids: NDArray[np.int64]
    ) -> tuple["Quantizer", dict[str, NDArray[Any]]]:
        """Return the quantizer and codes of a table of some rows; the params stay."""
        return self, {name: np.ascontiguousarray(array[ids]) for name, array in codes.items()}

    def extended(
        self, codes: Arrays, params: Arrays, rows: int, table: Table
    ) -> tuple["Quantizer", dict[str, NDArray[Any]]]:
        """Return the quantizer and codes of `rows` rows and those of a table; the params stay.

        Raises
        ------
        SpecError
            Where `encoder` does.
        """
        known = {**params, **self.encoder(params)}
        parts = list(map_rows(lambda first, block: self.encode(block, known, first), table))
        return self, {
            name: np.concatenate([np.asarray(array), *(part[name] for part in parts)])
            for name, array in codes.items()
        }


@dataclass(frozen=True)
class Unscaled:
    """A quantizer whose column scales, if it had any, moved into `column_scale` (dim,)."""

    quantizer: Quantizer
    params: dict[str, NDArray[Any]]
    column_scale: NDArray[np.float32] | None


def no_options(stage: Stage) -> None:
    """Refuse arguments where a stage takes none."""
    if stage.arguments or stage.options:
        raise SpecError(f"{stage.name!r} takes no arguments, received {str(stage)!r}")
