"""One block: symbols and the tables of their contexts, to bytes and back.

Symbols of one table are coded together. Those of dependent quantization (see
`embzip.codecs.dependent`) have contexts by what stands in the columns before, so columns are coded
one after another.

References: Duda et al. 2015 (asymmetric numeral systems), as `constriction` implements it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.dependent import (
    FLIPS,
    LAG,
    MEMORY,
    activities,
    levels_of,
    magnitudes,
    symbols_of,
)
from embzip.errors import FileFormatError
from embzip.packing.models import Models
from embzip.packing.views import Symbols

Thresholds = NDArray[np.uint16]
_COUNTED = 2**18


@dataclass(frozen=True)
class Contexts:
    """The contexts of symbols: class of the row, activity and quantizer, column.

    Attributes
    ----------
    columns
        Symbols a row.
    period
        Columns that far apart have the same contexts.
    classes
        How many classes rows have; 1 for none.
    levels
        Of activity, in bytes of dependent quantization; 0 for other symbols.
    """

    columns: int
    period: int
    classes: int = 1
    levels: int = 0

    @property
    def count(self) -> int:
        """How many contexts there are."""
        return self.classes * max(1, 2 * self.levels) * self.period

    def of(self, rows: int, kinds: Symbols | None, earlier: Symbols | None) -> NDArray[np.int64]:
        """Return the contexts (rows, columns); `earlier` is twice the level, plus the quantizer."""
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

    def __init__(
        self, contexts: Contexts, models: Models, thresholds: Thresholds | None = None
    ) -> None:
        import constriction  # type: ignore[import-untyped]  # it carries no types

        self._coder = constriction.stream.stack.AnsCoder
        categorical = constriction.stream.model.Categorical
        self.contexts = contexts
        self._thresholds = thresholds
        self._tables = models.of_context
        self._models = [
            categorical(row.astype(np.float64), perfect=False) for row in models.frequencies
        ]

    def encode(self, symbols: Symbols, kinds: Symbols | None) -> bytes:
        """Return the bytes of the symbols (rows, columns) of a block."""
        coder = self._coder()
        coded, earlier = seen(symbols, self._thresholds)
        tables = self._tables[self.contexts.of(len(symbols), kinds, earlier)]
        if earlier is None:
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
        if self._thresholds is None:
            tables = self._tables_of(rows, kinds)
            self._pop(coder, symbols.reshape(-1), tables.ravel())
        else:
            self._columns(coder, symbols, self._thresholds, kinds)
        if not coder.is_empty():
            raise FileFormatError("a block holds more than its rows")
        return symbols

    def _tables_of(self, rows: int, kinds: Symbols | None) -> NDArray[np.uint8]:
        """Return the tables (rows, columns) of symbols that depend on no others.

        As contexts they would take eight bytes each.
        """
        contexts = self.contexts
        of_class = self._tables.reshape(contexts.classes, contexts.period)
        wide = of_class[:, np.arange(contexts.columns) % contexts.period]
        if kinds is None:
            return np.broadcast_to(wide[0], (rows, contexts.columns))
        return np.asarray(wide[kinds], np.uint8)

    def _columns(
        self, coder: Any, octets: Symbols, thresholds: Thresholds, kinds: Symbols | None
    ) -> None:
        rows, columns = octets.shape
        first = self.contexts.of(rows, kinds, None)
        bits = np.zeros((rows, columns + MEMORY), np.uint8)
        sums = np.zeros((rows, 1), np.int32)
        symbols = np.empty(rows, np.uint8)
        for column in range(columns):
            here = column + MEMORY
            earlier = 2 * levels_of(sums, thresholds[column : column + 1])[:, 0]
            earlier += bits[:, here - LAG]
            contexts = first[:, column] + self.contexts.period * earlier.astype(np.int64)
            self._pop(coder, symbols, self._tables[contexts])
            sums[:, 0] += magnitudes(symbols)
            octets[:, column] = symbols
            for flip in FLIPS:
                octets[:, column] ^= bits[:, here - flip]
            bits[:, here] = octets[:, column] & 1

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


def seen(symbols: Symbols, thresholds: Thresholds | None) -> tuple[Symbols, Symbols | None]:
    """Return what is coded, and what columns before say of it."""
    if thresholds is None:
        return symbols, None
    coded, odd = symbols_of(symbols)
    return coded, 2 * levels_of(activities(coded), thresholds) + odd


def _runs(tables: NDArray[np.uint8]) -> tuple[NDArray[np.intp], list[int], list[int]]:
    """Return the places sorted by table, the tables in use, and where each begins."""
    order = np.argsort(tables, kind="stable")
    counts = np.zeros(256, np.int64)
    for first in range(0, len(tables), _COUNTED):  # bincount makes eight bytes of each
        counts += np.bincount(tables[first : first + _COUNTED], minlength=256)
    used = np.flatnonzero(counts)
    return order, used.tolist(), [0, *np.cumsum(counts[used]).tolist()]
