"""One block: symbols and the tables of their contexts, to bytes and back.

Symbols of one table are coded together. Where a quantizer says that contexts follow from symbols
before (`embzip.codecs.base.RowContexts`), columns are coded one after another, and the rows' states
first.

References: Duda et al. 2015 (asymmetric numeral systems), as `constriction` implements it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.row_contexts import RowContexts
from embzip.errors import FileFormatError
from embzip.packing.models import Models
from embzip.packing.views import Symbols

Learned = NDArray[np.uint16]
_COUNTED = 2**18


@dataclass(frozen=True)
class Contexts:
    """The contexts of symbols: class of the row, what stands before in the row, column.

    Attributes
    ----------
    columns
        Symbols a row.
    period
        Columns that far apart have the same contexts.
    classes
        How many classes rows have; 1 for none.
    before
        How contexts follow from the symbols before, where they do.
    """

    columns: int
    period: int
    classes: int = 1
    before: RowContexts | None = None

    @property
    def states(self) -> bool:
        """Whether rows have states; the last context is theirs."""
        return self.before is not None and self.before.tail > 0

    @property
    def count(self) -> int:
        """How many contexts there are."""
        own = 1 if self.before is None else self.before.count
        return self.classes * own * self.period + self.states

    @property
    def tail(self) -> NDArray[np.int64]:
        """The contexts of symbols with known lowest bits; none where they have others too."""
        if self.before is None or self.period < self.columns:
            return np.zeros(0, np.int64)
        last = np.arange(self.columns - self.before.tail, self.columns, dtype=np.int64)
        return (last[:, None] + self.period * np.arange(self.before.count)).ravel()

    def seen(
        self, symbols: Symbols, learned: Learned | None
    ) -> tuple[Symbols, Symbols | None, Symbols | None]:
        """Return what is coded, what it says of contexts, and the states, if any."""
        if self.before is None or learned is None:
            return symbols, None, None
        return self.before.seen(symbols, learned)

    def of(self, rows: int, kinds: Symbols | None, earlier: Symbols | None) -> NDArray[np.int64]:
        """Return the contexts (rows, columns), by classes and by what stands before."""
        contexts = np.arange(self.columns, dtype=np.int64) % self.period
        found = np.broadcast_to(contexts, (rows, self.columns))
        if earlier is not None:
            found = found + self.period * earlier.astype(np.int64)
        if kinds is not None:
            share = self.count // self.classes
            found = found + share * kinds.astype(np.int64)[:, None]
        return found


class Coder:
    """Encodes and decodes blocks by models; holds what constriction makes of them."""

    def __init__(self, contexts: Contexts, models: Models, learned: Learned | None = None) -> None:
        import constriction  # type: ignore[import-untyped]  # it carries no types

        self._coder = constriction.stream.stack.AnsCoder
        self._categorical = constriction.stream.model.Categorical
        self.contexts = contexts
        self._learned = learned
        self._tables = models.of_context.astype(np.intp)
        self._frequencies = models.frequencies
        # Made when they are used: tables, then those of even and of odd symbols alone.
        self._models: list[Any] = [None] * (3 * len(self._frequencies))

    def encode(self, symbols: Symbols, kinds: Symbols | None) -> bytes:
        """Return the bytes of the symbols (rows, columns) of a block."""
        coder = self._coder()
        contexts = self.contexts
        coded, earlier, states = contexts.seen(symbols, self._learned)
        tables = self._tables[contexts.of(len(symbols), kinds, earlier)]
        if contexts.before is None:
            self._push(coder, coded.ravel(), tables.ravel())
        else:
            for column in range(symbols.shape[1] - 1, -1, -1):
                here = tables[:, column]
                if column >= contexts.columns - contexts.before.tail:
                    here = self._of_parity(here, coded[:, column] & 1)
                self._push(coder, coded[:, column], here)
        if states is not None:
            self._push(coder, states, self._tables[[-1] * len(states)])
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
            raise FileFormatError("its bytes must not end in zeros")
        coder = self._coder(words)
        contexts = self.contexts
        if contexts.before is None or self._learned is None:
            symbols = np.empty((rows, contexts.columns), np.uint8)
            self._pop(coder, symbols.reshape(-1), self._tables_of(rows, kinds).ravel())
        else:
            symbols = self._columns(coder, rows, contexts.before, self._learned, kinds)
        if not coder.is_empty():
            raise FileFormatError("its bytes hold more than the symbols of its rows")
        return symbols

    def _tables_of(self, rows: int, kinds: Symbols | None) -> NDArray[np.uint16]:
        """Return the tables (rows, columns) of symbols that depend on no others.

        As contexts they would take eight bytes each.
        """
        contexts = self.contexts
        of_class = self._tables.astype(np.uint16).reshape(contexts.classes, contexts.period)
        wide = of_class[:, np.arange(contexts.columns) % contexts.period]
        if kinds is None:
            return np.broadcast_to(wide[0], (rows, contexts.columns))
        return np.asarray(wide[kinds], np.uint16)

    def _columns(
        self, coder: Any, rows: int, before: RowContexts, learned: Learned, kinds: Symbols | None
    ) -> Symbols:
        first = self.contexts.of(rows, kinds, None)
        states = np.empty(rows, np.uint8) if self.contexts.states else None
        if states is not None:
            self._pop(coder, states, self._tables[[-1] * rows])
        reader = before.reader(rows, states, learned)
        symbols = np.empty(rows, np.uint8)
        for column in range(self.contexts.columns):
            contexts = first[:, column] + self.contexts.period * reader.contexts().astype(np.int64)
            tables, known = self._tables[contexts], reader.lowest_bits()
            self._pop(coder, symbols, tables if known is None else self._of_parity(tables, known))
            reader.read(symbols)
        return reader.codes()

    def _of_parity(self, tables: NDArray[np.intp], parities: NDArray[Any]) -> NDArray[np.intp]:
        return tables + len(self._frequencies) * (1 + parities.astype(np.intp))

    def _model(self, table: int) -> Any:
        """Return what constriction makes of a table."""
        if self._models[table] is None:
            half, index = divmod(table, len(self._frequencies))
            row = self._frequencies[index].astype(np.float64)
            if half:
                row[2 - half :: 2] = 0
            if not row.any():
                raise FileFormatError("a frequency table must have symbols of each parity")
            self._models[table] = self._categorical(row, perfect=False)
        return self._models[table]

    def _push(self, coder: Any, symbols: Symbols, tables: NDArray[np.intp]) -> None:
        order, used, starts = _runs(tables)
        ordered = symbols[order].astype(np.int32)
        for index in range(len(used) - 1, -1, -1):
            part = ordered[starts[index] : starts[index + 1]]
            coder.encode_reverse(part, self._model(used[index]))

    def _pop(self, coder: Any, out: Symbols, tables: NDArray[Any]) -> None:
        order, used, starts = _runs(tables)
        for index, table in enumerate(used):
            first, last = starts[index], starts[index + 1]
            out[order[first:last]] = coder.decode(self._model(table), last - first)


def _runs(tables: NDArray[Any]) -> tuple[NDArray[np.intp], list[int], list[int]]:
    """Return the places sorted by table, the tables in use, and where each begins."""
    # Of two bytes, numpy sorts by counting; it counts numbers of eight, so not all at once.
    small = tables.astype(np.uint16, copy=False)
    order = np.argsort(small, kind="stable")
    counts = np.zeros(int(small.max(initial=0)) + 1, np.int64)
    for first in range(0, len(small), _COUNTED):
        counts += np.bincount(small[first : first + _COUNTED], minlength=len(counts))
    used = np.flatnonzero(counts)
    return order, used.tolist(), [0, *np.cumsum(counts[used]).tolist()]
