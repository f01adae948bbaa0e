"""Chains of stages: a codec, and what it takes to fit, decode and fold one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer, Transform
from embzip.codecs.ops import ArrayOps, numpy_ops
from embzip.codecs.row_contexts import RowContexts
from embzip.codecs.spec import format_stages
from embzip.engine import Table, map_rows, spans
from embzip.errors import InputError
from embzip.types import Arrays, Matrix, Progress

_LEVELS = 256  # no code stands for more times its scale
_DECODED = 1_000_000  # numbers at a time
_OCTAVES = 127.0  # of float32, above 1


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
        rows, dim = table.shape
        sized = self.quantizer.sized(rows, transforms[-1].out_dim(dim) if transforms else dim)
        if sized.resolved:
            return Codec(tuple(transforms), sized)
        # It is the whole chain, see `parse_codec`, so the table has not been transformed.
        return Codec(*self.quantizer.resolve(table, weights=weights, metric=metric, seed=seed))

    @property
    def resolved(self) -> bool:
        """Whether nothing depends on data any more, so that there is a layout."""
        return self.quantizer.resolved and all(stage.resolved for stage in self.transforms)

    def tunable(self, dim: int) -> tuple[str, ...]:
        """Return the params of a table of `dim` columns that training may move, '<stage>.<name>'.

        Decoding reads them as they are, so gradients reach them.
        """
        stages: tuple[Transform | Quantizer, ...] = (*self.transforms, self.quantizer)
        stored = {spec.name for spec in self.layout(2**20, dim).params}
        named = [f"{index}.{name}" for index, stage in enumerate(stages) for name in stage.tunable]
        return tuple(name for name in named if name in stored)

    def fit(
        self,
        table: Table,
        *,
        weights: NDArray[np.float64] | None = None,
        metric: Matrix | None = None,
        seed: int = 0,
    ) -> "Fitted":
        """Fit every stage of a resolved codec to a table."""
        params: dict[str, NDArray[Any]] = {}
        # A layout first: a rank too large is refused before any work.
        layout = self.layout(*table.shape)
        for index, transform in enumerate(self.transforms):
            stored, extra = transform.fit(table, weights=weights, metric=metric, seed=seed)
            table = Transformed(table, transform, {**stored, **extra})
            metric = pulled_back(metric, transform, stored, table.shape[1])
            params |= {f"{index}.{name}": array for name, array in stored.items()}
        fitted = self.quantizer.fit(table, weights=weights, seed=seed)
        named = {spec.name for spec in layout.params}
        last = {f"{len(self.transforms)}.{name}": array for name, array in fitted.items()}
        params |= {name: array for name, array in last.items() if name in named}
        return Fitted(self, layout, table, fitted, params)

    def contexts(self, rows: int, dim: int) -> dict[str, RowContexts]:
        """Return what the quantizer tells entropy coding of its codes, by their names."""
        told = {code.name: self.quantizer.contexts(code) for code in self.layout(rows, dim).codes}
        return {name: contexts for name, contexts in told.items() if contexts is not None}

    def extended(
        self, codes: Arrays, params: Arrays, rows: int, table: Table
    ) -> tuple["Codec", dict[str, NDArray[Any]]]:
        """Return the codec and codes of `rows` rows and, after them, those of a table.

        Parameters
        ----------
        params
            Of the codec, which stay; they hold the tables too.

        Raises
        ------
        SpecError
            Where a stage cannot encode by what is stored of it.
        InputError
            For a row of zeros that would not decode to zeros.
        """
        seen, exact = table, True
        for index, transform in enumerate(self.transforms):
            own = params_of(params, index)
            seen = Transformed(seen, transform, {**own, **transform.encoder(own)})
            exact = exact and not affine(transform, own, seen.shape[1])[1].any()
        own = params_of(params, len(self.transforms))
        quantizer, made = self.quantizer.extended(codes, own, rows, seen)
        codec = replace(self, quantizer=quantizer)
        zero = np.concatenate(list(map_rows(lambda _, block: ~block.any(axis=1), table)))
        ids = rows + np.flatnonzero(zero)
        if exact and codec.decode_rows(made, params, ids).any():
            raise InputError(
                f"row {ids[0] - rows}: this table was fitted without a row of zeros, and holds "
                "none exactly: leave the row out, or compress old and new rows together"
            )
        return codec, made

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        """Return the quantizer's tables for a table of `dim` columns, named as params are."""
        for transform in self.transforms:
            dim = transform.out_dim(dim)
        last = len(self.transforms)
        made = self.quantizer.tables(params_of(params, last), dim)
        return {f"{last}.{name}": array for name, array in made.items()}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        """Return the float32 rows of (taken) codes; `params` hold the tables too."""
        rows = self.quantizer.decode(codes, params_of(params, len(self.transforms)), ops)
        return self._undone(rows, params, ops)

    def decode_rows(self, codes: Arrays, params: Arrays, ids: NDArray[np.int64]) -> Matrix:
        """Return the float32 rows (k, dim) of some ids (k,), in NumPy."""
        own = params_of(params, len(self.transforms))
        rows = self.quantizer.decode_rows(codes, own, ids)
        return np.asarray(self._undone(rows, params, numpy_ops), np.float32)

    def overflowing_row(self, codes: Arrays, params: Arrays, rows: int) -> int | None:
        """Return the first row that decodes to no finite numbers; `params` hold the tables too.

        Mostly no row is decoded. What decoding does is take, multiply and add up: no number
        becomes larger than the largest of every array, multiplied, and that times the terms of a
        sum for each stage.
        """
        arrays = [a for a in (*codes.values(), *params.values()) if a.size]
        widest = max((a.shape[-1] for a in arrays if a.ndim > 1), default=1)
        octaves = (len(self.transforms) + 1) * np.log2(_LEVELS * max(1, widest))
        for array in arrays:
            if array.dtype.kind == "f":
                octaves += np.log2(max(1.0, float(array.max()), -float(array.min())))
        if octaves < _OCTAVES:
            return None
        step = max(1, _DECODED // widest)
        with np.errstate(over="ignore", invalid="ignore"):
            for part in spans(rows, step):
                block = self.decode_rows(codes, params, np.arange(part.start, part.stop))
                if not np.isfinite(block).all():
                    return int(part.start) + int(np.isfinite(block).all(axis=1).argmin())
        return None

    def _undone(self, rows: Any, params: Mapping[str, Any], ops: ArrayOps) -> Any:
        for index in range(len(self.transforms) - 1, -1, -1):
            rows = self.transforms[index].decode(rows, params_of(params, index), ops)
        return rows


@dataclass(frozen=True)
class Fitted:
    """A codec fitted to a table, which it is ready to encode.

    Attributes
    ----------
    table
        As the quantizer sees it.
    quantizer_params
        What the quantizer encodes with.
    params
        What is stored, named '<stage>.<name>'.
    """

    codec: Codec
    layout: Layout
    table: Table
    quantizer_params: Arrays
    params: dict[str, NDArray[Any]]

    def encode(self, progress: Progress | None = None) -> dict[str, NDArray[Any]]:
        """Return the codes of all rows."""
        codes = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in self.layout.codes}
        quantizer, params = self.codec.quantizer, self.quantizer_params
        rows = self.table.shape[0]

        def encoded(first: int, block: Matrix) -> tuple[int, int, dict[str, NDArray[Any]]]:
            return first, first + len(block), quantizer.encode(block, params, first)

        for first, done, part in map_rows(encoded, self.table):
            quantizer.store(codes, part, params, first)
            if progress is not None:
                progress(done, rows)
        return codes


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
