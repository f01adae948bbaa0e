"""What a quantizer tells entropy coding of its codes, where they depend on others of the row."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class RowContexts(Protocol):
    """What a quantizer tells entropy coding of bytes (rows, columns) that depend on others.

    They are coded as symbols, a column after another. A symbol's context is one of `count`, and
    follows from the symbols before it and from what was learned of all rows.
    """

    @property
    def count(self) -> int:
        """Contexts in each column."""

    @property
    def thresholds(self) -> int:
        """Numbers that are learned for each column."""

    @property
    def tail(self) -> int:
        """Columns at the end whose symbols' lowest bits follow from a state; 0 without states."""

    def learned(self, codes: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Return (columns, thresholds) numbers, which a file stores, from a sample of rows."""

    def seen(
        self, codes: NDArray[np.uint8], learned: NDArray[np.uint16]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Return the symbols and their contexts (rows, columns), and the states (rows,) if any."""

    def reader(
        self, rows: int, states: NDArray[np.uint8] | None, learned: NDArray[np.uint16]
    ) -> "RowReader":
        """Return what undoes `seen`, a column after another."""


class RowReader(Protocol):
    """Rows whose symbols are being read."""

    def contexts(self) -> NDArray[np.uint8]:
        """Return the contexts (rows,) of the next column."""

    def lowest_bits(self) -> NDArray[np.uint8] | None:
        """Return the lowest bits of the next column's symbols where they are known."""

    def read(self, symbols: NDArray[np.uint8]) -> None:
        """Take the symbols (rows,) of the next column."""

    def codes(self) -> NDArray[np.uint8]:
        """Return the bytes, once all columns were read."""
