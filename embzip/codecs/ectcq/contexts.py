"""What entropy coding is told of the bytes of dependent quantization, column by column.

A symbol's context is its quantizer and the level of activity before it. Where paths are closed,
columns are read from column 5 around, after the state of each row; see `dependent`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.ectcq.dependent import (
    FLIPS,
    LAG,
    LEVELS,
    MEMORY,
    Octets,
    activities,
    closes,
    in_order,
    levels_of,
    magnitudes,
    put_back,
    states_of,
    symbols_of,
    thresholds_of,
)

Thresholds = NDArray[np.uint16]


@dataclass(frozen=True)
class DependentContexts:
    """The contexts of rows of so many columns, as `embzip.codecs.base.RowContexts` asks for."""

    columns: int
    count: int = 2 * LEVELS
    thresholds: int = LEVELS - 1

    @property
    def tail(self) -> int:
        return MEMORY if closes(self.columns) else 0

    def learned(self, codes: Octets) -> Thresholds:
        symbols, _ = self._symbols(codes)
        return thresholds_of(activities(symbols), LEVELS)

    def seen(self, codes: Octets, learned: Thresholds) -> tuple[Octets, Octets, Octets | None]:
        symbols, odd = self._symbols(codes)
        states = states_of(in_order(codes)) if self.tail else None
        return symbols, 2 * levels_of(activities(symbols), learned) + odd, states

    def reader(self, rows: int, states: Octets | None, learned: Thresholds) -> "_Reader":
        return _Reader(rows, self.columns, states, learned)

    def _symbols(self, codes: Octets) -> tuple[Octets, Octets]:
        closed = self.tail > 0
        return symbols_of(in_order(codes) if closed else codes, closed=closed)


class _Reader:
    def __init__(self, rows: int, columns: int, states: Octets | None, learned: Thresholds) -> None:
        self._closed = states is not None
        self._learned = learned
        self._octets = np.empty((rows, columns), np.uint8)
        self._sums = np.zeros((rows, 1), np.int32)
        self._column = 0
        # The path's bits, with those before the first column; of closed paths the last ones too.
        self._bits = np.zeros((rows, columns + MEMORY), np.uint8)
        if states is not None:
            for back in range(MEMORY):
                self._bits[:, MEMORY - 1 - back] = states >> np.uint8(back) & 1
            self._bits[:, columns:] = self._bits[:, :MEMORY]

    def contexts(self) -> Octets:
        level = levels_of(self._sums, self._learned[self._column : self._column + 1])[:, 0]
        return 2 * level + self._bit(LAG)

    def lowest_bits(self) -> Octets | None:
        known = self._closed and self._column + MEMORY >= self._octets.shape[1]
        return self._bit(0) ^ self._flips() if known else None

    def read(self, symbols: Octets) -> None:
        octets = symbols ^ self._flips()
        self._octets[:, self._column] = octets
        self._bits[:, self._column + MEMORY] = octets & 1
        self._sums[:, 0] += magnitudes(symbols)
        self._column += 1

    def codes(self) -> Octets:
        return put_back(self._octets) if self._closed else self._octets

    def _bit(self, back: int) -> Octets:
        return self._bits[:, self._column + MEMORY - back]

    def _flips(self) -> Octets:
        first, second = FLIPS
        return self._bit(first) ^ self._bit(second)
