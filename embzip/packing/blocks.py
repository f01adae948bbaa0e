"""One block: symbols and the tables of their contexts, to bytes and back.

Symbols of one table are coded together. Where contexts depend on symbols of columns before, columns
are coded one after another.

References: Duda et al. 2015 (asymmetric numeral systems), as `constriction` implements it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import FileFormatError
from embzip.packing.models import Models
from embzip.packing.views import Symbols

Numbers = NDArray[np.int32]


@dataclass(frozen=True)
class Trellis:
    """How low bits of columns before bear on a column, as in entropy-coded trellis quantization.

    Attributes
    ----------
    lag
        The low bit that many columns before is part of the context.
    flips
        Low bits of these columns before, added modulo 2, flip the low bit before it is coded.
    """

    lag: int
    flips: tuple[int, ...]

    def unflipped(self, symbols: Symbols) -> tuple[Symbols, NDArray[np.uint8]]:
        """Return what is coded, and the bits that are part of its context."""
        low = symbols & np.uint8(1)
        coded = symbols.copy()
        for flip in self.flips:
            coded[:, flip:] ^= low[:, : max(0, symbols.shape[1] - flip)]
        bits = np.zeros_like(low)
        bits[:, self.lag :] = low[:, : max(0, symbols.shape[1] - self.lag)]
        return coded, bits


@dataclass(frozen=True)
class Contexts:
    """The contexts of symbols: class of the row, bit of the trellis, column.

    Attributes
    ----------
    columns
        Symbols a row.
    period
        Columns that far apart have the same contexts.
    classes
        How many classes rows have; 1 for none.
    trellis
        How columns before bear on a column.
    """

    columns: int
    period: int
    classes: int = 1
    trellis: Trellis | None = None

    @property
    def count(self) -> int:
        """How many contexts there are."""
        return self.classes * (1 if self.trellis is None else 2) * self.period

    def of(self, rows: int, kinds: Symbols | None, bits: Symbols | None) -> NDArray[np.int64]:
        """Return the contexts (rows, columns)."""
        contexts = np.arange(self.columns, dtype=np.int64) % self.period
        found = np.broadcast_to(contexts, (rows, self.columns))
        if bits is not None:
            found = found + self.period * bits.astype(np.int64)
        if kinds is not None:
            share = self.count // self.classes
            found = found + share * kinds.astype(np.int64)[:, None]
        return found


class Coder:
    """Encodes and decodes blocks by models; holds what constriction makes of them."""

    def __init__(self, contexts: Contexts, models: Models) -> None:
        import constriction  # type: ignore[import-untyped]  # it carries no types

        self._coder = constriction.stream.stack.AnsCoder
        categorical = constriction.stream.model.Categorical
        self.contexts = contexts
        self._tables = models.of_context
        self._models = [
            categorical(row.astype(np.float64), perfect=False) for row in models.frequencies
        ]

    def encode(self, symbols: Symbols, kinds: Symbols | None) -> bytes:
        """Return the bytes of the symbols (rows, columns) of a block."""
        coder = self._coder()
        trellis = self.contexts.trellis
        coded, bits = (symbols, None) if trellis is None else trellis.unflipped(symbols)
        tables = self._tables[self.contexts.of(len(symbols), kinds, bits)]
        if trellis is None:
            self._push(coder, coded.ravel(), tables.ravel())
        else:
            for column in range(symbols.shape[1] - 1, -1, -1):
                self._push(coder, coded[:, column], tables[:, column])
        words = np.asarray(coder.get_compressed(), "<u4")
        return words.tobytes().rstrip(b"\0")

    def decode(self, content: bytes, rows: int, kinds: Symbols | None) -> Symbols:
        """Return the symbols (rows, columns) of a block.

        Raises
        ------
        FileFormatError
            For bytes that are not used up by that many symbols.
        """
        words = np.frombuffer(content + bytes(-len(content) % 4), "<u4").astype(np.uint32)
        if len(words) and not words[-1]:
            raise FileFormatError("a block ends in zeros")
        coder = self._coder(words)
        contexts = self.contexts
        symbols = np.empty((rows, contexts.columns), np.uint8)
        if contexts.trellis is None:
            tables = self._tables[contexts.of(rows, kinds, None)]
            self._pop(coder, symbols.reshape(-1), tables.ravel())
        else:
            self._columns(coder, symbols, contexts.trellis, kinds)
        if not coder.is_empty():
            raise FileFormatError("a block holds more than its rows")
        return symbols

    def _columns(
        self, coder: Any, symbols: Symbols, trellis: Trellis, kinds: Symbols | None
    ) -> None:
        nothing = np.zeros(symbols.shape, np.uint8)
        plain = self.contexts.of(len(symbols), kinds, nothing)
        column_symbols = np.empty(len(symbols), np.uint8)
        low = nothing  # filled as columns are decoded
        for column in range(symbols.shape[1]):
            of_column = plain[:, column]
            if column >= trellis.lag:
                of_column = of_column + self.contexts.period * low[:, column - trellis.lag].astype(
                    np.int64
                )
            self._pop(coder, column_symbols, self._tables[of_column])
            for flip in trellis.flips:
                if column >= flip:
                    column_symbols ^= low[:, column - flip]
            symbols[:, column] = column_symbols
            low[:, column] = column_symbols & 1

    def _push(self, coder: Any, symbols: Symbols, tables: NDArray[np.uint8]) -> None:
        order, used, starts = _runs(tables)
        ordered = symbols[order].astype(np.int32)
        for index in range(len(used) - 1, -1, -1):
            part = ordered[starts[index] : starts[index + 1]]
            coder.encode_reverse(part, self._models[used[index]])

    def _pop(self, coder: Any, out: Symbols, tables: NDArray[np.uint8]) -> None:
        order, used, starts = _runs(tables)
        for index, table in enumerate(used):
            first, last = starts[index], starts[index + 1]
            out[order[first:last]] = coder.decode(self._models[table], last - first)


def _runs(tables: NDArray[np.uint8]) -> tuple[NDArray[np.intp], list[int], list[int]]:
    """Return the places sorted by table, the tables in use, and where each begins."""
    order = np.argsort(tables, kind="stable")
    counts = np.bincount(tables, minlength=1)
    used = np.flatnonzero(counts)
    return order, used.tolist(), [0, *np.cumsum(counts[used]).tolist()]
