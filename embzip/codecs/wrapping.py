"""What wrappers share: a quantizer around another, each with codes of its own a row.

A wrapper hands rows on to the quantizer inside, which may be another wrapper, and restores them
from what that decodes and from its own codes. All else is delegated, so that a wrapper stands
before any quantizer, also one that finds its rows its own way.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import AT_ONCE, ArraySpec, Layout
from embzip.codecs.base import Quantizer
from embzip.codecs.ops import ArrayOps, numpy_ops
from embzip.codecs.row_contexts import RowContexts
from embzip.codecs.spec import Stage
from embzip.engine import Table, map_rows, spans
from embzip.errors import SpecError
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class Wrapper(Quantizer):
    """A quantizer around another, which gets the rows that the wrapper hands on.

    `own_codes` names the wrapper's codes; names of codes and params must not be those of a
    quantizer. Own codes have an entry a row, or `stored` and `taken` say how rows stand in them.

    Attributes
    ----------
    inner
        The quantizer inside.
    """

    inner: Quantizer
    own_codes: ClassVar[tuple[str, ...]]
    own_by_row: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def around(cls, stage: Stage, inner: Quantizer) -> Self:
        """Make the wrapper of a parsed stage and what follows it."""

    @abstractmethod
    def own_layout(self, rows: int, dim: int) -> Layout:
        """Return the wrapper's own tensors."""

    @abstractmethod
    def fit_own(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64] | None]:
        """Return the wrapper's own params, and the weights of the rows that it hands on."""

    @abstractmethod
    def handed(
        self, block: Matrix, params: Arrays, first_row: int
    ) -> tuple[Matrix, dict[str, NDArray[Any]]]:
        """Return the rows that are handed on, and the own codes, of a block from a row on."""

    @abstractmethod
    def restored(
        self, rows: Any, own: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps
    ) -> Any:
        """Return rows, from what the inner quantizer decodes and from their own codes."""

    def own_tables(self, params: Arrays) -> dict[str, NDArray[Any]]:
        """Return what `restored` looks up beside the params."""
        return {}

    def check_own(self, own: Arrays, params: Arrays) -> None:
        """Raise FileFormatError for own codes, of rows, and params that encoding never makes."""

    def stored(self, own: Arrays) -> dict[str, NDArray[Any]]:
        """Return the own codes of all rows as they are stored."""
        return dict(own)

    def store_own(
        self, codes: Mapping[str, NDArray[Any]], own: Arrays, params: Arrays, first_row: int
    ) -> None:
        """Write the own codes of a block into their place."""
        for name, part in own.items():
            codes[name][first_row : first_row + len(part)] = part

    def taken(self, codes: Mapping[str, Any], ids: Any, ops: ArrayOps) -> dict[str, Any]:
        """Return the own codes of some rows."""
        return {name: ops.take(codes[name], ids) for name in self.own_codes}

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        raise SpecError(f"{stage.name!r} stands before a quantizer, such as '{stage.name}|int8'")

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (self.stage, *self.inner.stages)

    @property
    def resolved(self) -> bool:
        return self.inner.resolved

    @property
    def by_row(self) -> bool:
        return self.own_by_row and self.inner.by_row

    @property
    def numbers_at_once(self) -> int:
        return self.inner.numbers_at_once

    def sized(self, rows: int, dim: int) -> Quantizer:
        return replace(self, inner=self.inner.sized(rows, dim))

    def layout(self, rows: int, dim: int) -> Layout:
        inner, own = self.inner.layout(rows, dim), self.own_layout(rows, dim)
        return Layout((*inner.codes, *own.codes), (*inner.params, *own.params))

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        own, weights = self.fit_own(table, weights=weights, seed=seed)
        return {**self.inner.fit(Handed(table, self, own), weights=weights, seed=seed), **own}

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        rows, own = self.handed(block, params, first_row)
        return {**self.inner.encode(rows, params, first_row), **own}

    def store(
        self,
        codes: Mapping[str, NDArray[Any]],
        encoded: Arrays,
        params: Arrays,
        first_row: int,
    ) -> None:
        self.inner.store(self._of_inner(codes), self._of_inner(encoded), params, first_row)
        own = {name: encoded[name] for name in self.own_codes}
        self.store_own(codes, own, params, first_row)

    def take(self, codes: Mapping[str, Any], ids: Any, ops: ArrayOps = numpy_ops) -> dict[str, Any]:
        return {**self.inner.take(self._of_inner(codes), ids, ops), **self.taken(codes, ids, ops)}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        rows = self.inner.decode(self._of_inner(codes), params, ops)
        return self.restored(rows, codes, params, ops)

    def decode_rows(self, codes: Arrays, params: Arrays, ids: NDArray[np.int64]) -> Matrix:
        rows = self.inner.decode_rows(self._of_inner(codes), params, ids)
        made: Matrix = self.restored(rows, self.taken(codes, ids, numpy_ops), params, numpy_ops)
        return made

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        return {**self.inner.tables(params, dim), **self.own_tables(params)}

    def contexts(self, code: ArraySpec) -> RowContexts | None:
        return None if code.name in self.own_codes else self.inner.contexts(code)

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        for own in self._blocks(codes, rows):
            self.check_own(own, params)
        self.inner.check(self._of_inner(codes), params, rows)

    def check_taken(self, taken: Arrays, params: Arrays) -> None:
        self.check_own(taken, params)
        self.inner.check_taken(self._of_inner(taken), params)

    def select(
        self, codes: Arrays, params: Arrays, ids: NDArray[np.int64]
    ) -> tuple[Quantizer, dict[str, NDArray[Any]]]:
        inner, chosen = self.inner.select(self._of_inner(codes), params, ids)
        own = self.stored(self.taken(codes, ids, numpy_ops))
        return replace(self, inner=inner), {**chosen, **own}

    def extended(
        self, codes: Arrays, params: Arrays, rows: int, table: Table
    ) -> tuple[Quantizer, dict[str, NDArray[Any]]]:
        handed = Handed(table, self, params)
        inner, made = self.inner.extended(self._of_inner(codes), params, rows, handed)
        own = list(self._blocks(codes, rows))
        own += map_rows(lambda first, block: self.handed(block, params, first)[1], table)
        joined = {name: np.concatenate([part[name] for part in own]) for name in self.own_codes}
        return replace(self, inner=inner), {**made, **self.stored(joined)}

    def _blocks(self, codes: Arrays, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the own codes of all rows, in blocks."""
        for part in spans(rows, AT_ONCE):
            yield self.taken(codes, np.arange(part.start, part.stop), numpy_ops)

    def _of_inner(self, codes: Mapping[str, Any]) -> dict[str, Any]:
        return {name: array for name, array in codes.items() if name not in self.own_codes}


@dataclass(frozen=True)
class Handed:
    """A table as the quantizer inside a wrapper sees it, computed a block at a time."""

    table: Table
    wrapper: Wrapper
    params: Arrays

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, dim)."""
        return self.table.shape

    def __getitem__(self, rows: slice, /) -> Matrix:
        block = np.ascontiguousarray(self.table[rows], np.float32)
        return self.wrapper.handed(block, self.params, rows.start)[0]
