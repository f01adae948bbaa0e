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
   error that fitting minimizes: sum of w_i * (x_i - y_i) metric (x_i - y_i)^T.
7. Same input and seed, same bytes, on one machine. No global random state.
8. Padding is no codec's business. An all-zero row decodes to exact zeros without `center`.
9. Dequantization multiplies: x = scale * q.
10. A wrapper stands directly before the quantizer and becomes its outside: it keeps codes of its
   own a row ('svd:64|normalize|pq:16' keeps norms), which a transform cannot.
11. `tables` holds what decoding looks up beside the params: made of them once, never stored.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.spec import Stage, format_stages
from embzip.errors import InputError, SpecError

Matrix = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]
Progress = Callable[[int, int], None]

BLOCK_BYTES = 16_000_000


class Table(Protocol):
    """A (rows, dim) matrix that may be on disk, or be seen through transforms."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, dim)."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """Return a block of rows."""


class ArrayOps(Protocol):
    """The operations decoders are made of; arrays are NumPy's or a framework's."""

    def take(self, array: Any, ids: Any) -> Any:
        """Return array[ids] along the first axis; ids are int32."""

    def cast(self, array: Any, dtype: str) -> Any:
        """Return the array in another dtype."""

    def matmul(self, left: Any, right: Any) -> Any:
        """Return the matrix product."""

    def multiply(self, left: Any, right: Any) -> Any:
        """Return the product of elements."""

    def add(self, left: Any, right: Any) -> Any:
        """Return the sum of elements."""

    def reshape(self, array: Any, shape: tuple[int, ...]) -> Any:
        """Return the array in another shape; one -1 is allowed."""

    def concatenate(self, arrays: list[Any], axis: int) -> Any:
        """Return arrays joined along an axis."""

    def columns(self, array: Any, first: int, last: int) -> Any:
        """Return array[:, first:last]."""

    def take_along(self, array: Any, ids: Any) -> Any:
        """Return (k, n) elements: ids[i, j] names a column of row i of a matrix."""

    def cumsum(self, array: Any) -> Any:
        """Return sums of the columns up to and with each, of a matrix."""

    def right_shift(self, array: Any, bits: Any) -> Any:
        """Return whole numbers shifted right."""

    def bitwise_and(self, array: Any, mask: Any) -> Any:
        """Return the bits that both have."""


class _NumpyOps:
    def take(self, array: Any, ids: Any) -> Any:
        return np.asarray(array).take(ids, axis=0)

    def cast(self, array: Any, dtype: str) -> Any:
        return np.asarray(array).astype(dtype, copy=False)

    def matmul(self, left: Any, right: Any) -> Any:
        return left @ right

    def multiply(self, left: Any, right: Any) -> Any:
        return left * right

    def add(self, left: Any, right: Any) -> Any:
        return left + right

    def reshape(self, array: Any, shape: tuple[int, ...]) -> Any:
        return np.reshape(array, shape)

    def concatenate(self, arrays: list[Any], axis: int) -> Any:
        return np.concatenate(arrays, axis=axis)

    def columns(self, array: Any, first: int, last: int) -> Any:
        return array[:, first:last]

    def take_along(self, array: Any, ids: Any) -> Any:
        rows, width = array.shape
        flat = np.arange(rows, dtype=np.int64)[:, None] * width
        return np.take(array, flat + ids)

    def cumsum(self, array: Any) -> Any:
        return np.cumsum(array, axis=1, dtype=array.dtype)

    def right_shift(self, array: Any, bits: Any) -> Any:
        return array >> bits

    def bitwise_and(self, array: Any, mask: Any) -> Any:
        return array & mask


numpy_ops: ArrayOps = _NumpyOps()


@dataclass(frozen=True)
class ArraySpec:
    """Name, dtype (NumPy's name) and shape of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        size = np.dtype(self.dtype).itemsize
        for length in self.shape:
            size *= length
        return size


@dataclass(frozen=True)
class Layout:
    """Every tensor of a compressed table."""

    codes: tuple[ArraySpec, ...] = ()
    params: tuple[ArraySpec, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(spec.nbytes for spec in self.codes + self.params)


class Transform(ABC):
    """Matrix -> matrix. `decode` is affine in its input, so it can be folded into what follows."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def from_stage(cls, stage: Stage) -> Self:
        """Make the transform of a parsed stage."""

    @property
    @abstractmethod
    def stage(self) -> Stage:
        """The stage that makes this transform."""

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


class Quantizer(ABC):
    """Matrix -> codes."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def from_stage(cls, stage: Stage) -> Self:
        """Make the quantizer of a parsed stage."""

    @property
    @abstractmethod
    def stage(self) -> Stage:
        """The stage that makes this quantizer."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that make this quantizer: several where it is a wrapper."""
        return (self.stage,)

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
        block: Matrix,
        params: Arrays,
        first_row: int,
    ) -> None:
        """Encode a block into its place; default: arrays with one entry a row."""
        for name, part in self.encode(block, params, first_row).items():
            codes[name][first_row : first_row + len(block)] = part

    @abstractmethod
    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        """Return float32 rows, any number of them including 0; `params` hold the tables too."""

    @abstractmethod
    def unscaled(self, params: Arrays) -> "Unscaled":
        """Split off what a following linear layer can absorb: a scale a column."""

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        """Return what decoding to `dim` columns looks up, under names the params do not have."""
        return {}

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        """Raise FileFormatError for values that encoding never makes, as in a crafted file.

        `params` hold the tables too.
        """
        return

    def take(self, codes: Mapping[str, Any], ids: Any, ops: ArrayOps = numpy_ops) -> dict[str, Any]:
        """Return the codes of some rows, as `decode` reads them."""
        return {name: ops.take(array, ids) for name, array in codes.items()}

    def select(
        self, codes: Arrays, params: Arrays, ids: NDArray[np.int64]
    ) -> tuple["Quantizer", dict[str, NDArray[Any]]]:
        """Return the quantizer and codes of a table of some rows; the params stay."""
        return self, {name: np.ascontiguousarray(array[ids]) for name, array in codes.items()}


class Wrapper(Quantizer):
    """A quantizer around another, which gets the rows that the wrapper hands on."""

    @classmethod
    @abstractmethod
    def around(cls, stage: Stage, inner: Quantizer) -> Self:
        """Make the wrapper of a parsed stage and what follows it."""

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        raise SpecError(f"{stage.name!r} stands before a quantizer, such as '{stage.name}|int8'")


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


def row_blocks(table: Table, *, divisor: int = 1) -> Iterator[tuple[int, Matrix]]:
    """Yield (first row, block): consecutive rows as finite float32, a bounded number of bytes.

    Raises
    ------
    InputError
        For a value that is not finite, or not finite in float32; names the row.
    """
    rows, dim = table.shape
    step = max(1, BLOCK_BYTES // (4 * max(1, dim) * divisor))
    for first in range(0, rows, step):
        raw = table[slice(first, min(rows, first + step))]
        with np.errstate(over="ignore"):
            block = np.ascontiguousarray(raw, np.float32)
        if not np.isfinite(block).all():
            row = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise InputError(
                f"row {first + row}: a table must hold finite float32 numbers, found "
                f"{raw[row][~np.isfinite(block[row])][0]}"
            )
        yield first, block


@dataclass(frozen=True)
class Transformed:
    """A table seen through a fitted transform, computed a block at a time."""

    table: Table
    transform: Transform
    params: Arrays

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns after the transform)."""
        rows, dim = self.table.shape
        return rows, self.transform.out_dim(dim)

    def __getitem__(self, rows: slice, /) -> Matrix:
        block = np.ascontiguousarray(self.table[rows], np.float32)
        return self.transform.encode(block, self.params)


@dataclass(frozen=True)
class Codec:
    """A chain of transforms and one quantizer; `embzip.codecs.registry.parse_codec` makes it."""

    transforms: tuple[Transform, ...]
    quantizer: Quantizer

    @property
    def spec(self) -> str:
        """The specification, such as 'svd:64|int8'."""
        return format_stages([*(t.stage for t in self.transforms), *self.quantizer.stages])

    def __str__(self) -> str:
        return self.spec

    def layout(self, rows: int, dim: int) -> Layout:
        """Return every tensor of a compressed (rows, dim) table; params as '<stage>.<name>'."""
        params: list[ArraySpec] = []
        for index, transform in enumerate(self.transforms):
            params += _numbered(index, transform.layout(rows, dim))
            dim = transform.out_dim(dim)
        last = self.quantizer.layout(rows, dim)
        return Layout(last.codes, (*params, *_numbered(len(self.transforms), last.params)))

    def resolve(
        self,
        table: Table,
        *,
        weights: NDArray[np.float64] | None = None,
        metric: Matrix | None = None,
        seed: int = 0,
    ) -> "Codec":
        """Return the codec with everything that depends on data turned into numbers."""
        transforms: list[Transform] = []
        for index, transform in enumerate(self.transforms):
            resolved = transform.resolve(table, weights=weights, metric=metric)
            transforms.append(resolved)
            if index + 1 < len(self.transforms):
                stored, extra = resolved.fit(table, weights=weights, metric=metric, seed=seed)
                table = Transformed(table, resolved, {**stored, **extra})
                metric = pulled_back(metric, resolved, stored, table.shape[1])
        return replace(self, transforms=tuple(transforms))

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        """Return the quantizer's tables for a table of `dim` columns, named as params are."""
        for transform in self.transforms:
            dim = transform.out_dim(dim)
        last = len(self.transforms)
        made = self.quantizer.tables(params_of(params, last), dim)
        return {f"{last}.{name}": array for name, array in made.items()}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        """Return the float32 rows of (taken) codes; `params` hold the tables too."""
        last = len(self.transforms)
        rows = self.quantizer.decode(codes, params_of(params, last), ops)
        for index in range(last - 1, -1, -1):
            rows = self.transforms[index].decode(rows, params_of(params, index), ops)
        return rows


def params_of(params: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return the params of one stage of a chain, under the stage's own names."""
    prefix = f"{index}."
    return {
        name.removeprefix(prefix): array
        for name, array in params.items()
        if name.startswith(prefix)
    }


def affine(transform: Transform, params: Arrays, columns: int) -> tuple[Matrix, Matrix]:
    """Return (A, b) with decode(x) == x @ A + b, by decoding zero and the unit vectors."""
    offset = transform.decode(np.zeros((1, columns), np.float32), params, numpy_ops)
    unit = transform.decode(np.eye(columns, dtype=np.float32), params, numpy_ops)
    return unit - offset, offset[0]


def pulled_back(
    metric: Matrix | None, transform: Transform, params: Arrays, columns: int
) -> Matrix | None:
    """Return the metric as the columns behind a transform see it: A metric A^T."""
    if metric is None:
        return None
    matrix, _ = affine(transform, params, columns)
    return np.asarray(matrix @ metric @ matrix.T, np.float32)


def metric_root(metric: Matrix) -> NDArray[np.float64]:
    """Return the lower triangular L with metric = L L^T."""
    return np.asarray(np.linalg.cholesky(metric.astype(np.float64)))


def _numbered(index: int, specs: tuple[ArraySpec, ...]) -> tuple[ArraySpec, ...]:
    return tuple(replace(spec, name=f"{index}.{spec.name}") for spec in specs)
