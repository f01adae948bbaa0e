"""Arrays as symbols: bytes, pieces of bytes, or numbers that stand in bit planes.

A view turns some entries (k, ...) of an array into a (k, columns) matrix of small numbers, and
back. Nothing here knows how often a symbol occurs.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.uint8]


class View(Protocol):
    """A way to see entries of an array as symbols."""

    @property
    def alphabet(self) -> int:
        """How many symbols there are."""

    @property
    def name(self) -> str:
        """What stands in the file."""

    def columns(self, entry: tuple[int, ...], itemsize: int) -> int:
        """Return the symbols of one entry of a shape."""

    def symbols(self, part: NDArray[Any]) -> Symbols:
        """Return the symbols (k, columns) of entries (k, ...), which are little-endian."""

    def entries(self, symbols: Symbols, entry: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Undo `symbols`."""


@dataclass(frozen=True)
class Pieces:
    """The bytes of every number from the lowest, each in pieces of 1, 2, 4 or 8 bits.

    Examples
    --------
    >>> Pieces(4).symbols(np.array([[0x1234]], np.uint16))
    array([[4, 3, 2, 1]], dtype=uint8)
    """

    bits: int

    @property
    def alphabet(self) -> int:
        """How many symbols there are."""
        return 1 << self.bits

    @property
    def name(self) -> str:
        """What stands in the file."""
        return f"pieces{self.bits}"

    def columns(self, entry: tuple[int, ...], itemsize: int) -> int:
        """Return the symbols of one entry of a shape."""
        return int(np.prod(entry, dtype=np.int64)) * itemsize * (8 // self.bits)

    def symbols(self, part: NDArray[Any]) -> Symbols:
        """Return the pieces of entries."""
        octets = np.ascontiguousarray(part).reshape(len(part), -1).view(np.uint8)
        if self.bits == 8:
            return octets
        shifts = np.arange(0, 8, self.bits, dtype=np.uint8)
        pieces = octets[:, :, None] >> shifts & np.uint8(self.alphabet - 1)
        return np.asarray(pieces.reshape(len(part), -1), np.uint8)

    def entries(self, symbols: Symbols, entry: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Put the pieces together again."""
        per = 8 // self.bits
        octets = symbols
        if per > 1:
            shifts = np.arange(0, 8, self.bits, dtype=np.uint8)
            octets = np.bitwise_or.reduce(
                symbols.reshape(len(symbols), -1, per) << shifts, axis=2, dtype=np.uint8
            )
        numbers = np.ascontiguousarray(octets).reshape(-1).view(np.dtype(dtype).newbyteorder("<"))
        return numbers.reshape(len(symbols), *entry)


@dataclass(frozen=True)
class Planes:
    """Entries (planes, bytes): symbol i has bit i % 8 of byte i // 8 of every plane.

    Examples
    --------
    >>> Planes(2).symbols(np.array([[[0b01], [0b11]]], np.uint8))[0, :3]
    array([3, 2, 0], dtype=uint8)
    """

    planes: int

    @property
    def alphabet(self) -> int:
        """How many symbols there are."""
        return 1 << self.planes

    @property
    def name(self) -> str:
        """What stands in the file."""
        return f"planes{self.planes}"

    def columns(self, entry: tuple[int, ...], itemsize: int) -> int:
        """Return the symbols of one entry of a shape."""
        return entry[1] * 8

    def symbols(self, part: NDArray[Any]) -> Symbols:
        """Return the numbers that stand in planes."""
        bits = np.unpackbits(part, axis=2, bitorder="little")
        shifts = np.arange(self.planes, dtype=np.uint8)[:, None]
        return np.asarray(np.bitwise_or.reduce(bits << shifts, axis=1), np.uint8)

    def entries(self, symbols: Symbols, entry: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Split the numbers into planes again."""
        shifts = np.arange(self.planes, dtype=np.uint8)[:, None]
        bits = symbols[:, None, :] >> shifts & 1
        return np.packbits(bits, axis=2, bitorder="little")


_ALL: tuple[View, ...] = (*map(Pieces, (8, 4, 2, 1)), *map(Planes, (1, 2, 3, 4)))
VIEWS = {view.name: view for view in _ALL}


def views_of(dtype: str, shape: tuple[int, ...]) -> list[View]:
    """Return the views that suit an array."""
    pieces: list[View] = [Pieces(8)]
    if dtype == "uint8":
        pieces += [Pieces(4), Pieces(2), Pieces(1)]
        if len(shape) == 3 and 1 <= shape[1] <= 4:
            pieces.append(Planes(shape[1]))
    return pieces


def fits(view: View, dtype: str, shape: tuple[int, ...]) -> bool:
    """Say whether an array can be seen so."""
    if isinstance(view, Planes):
        return dtype == "uint8" and len(shape) == 3 and shape[1] == view.planes
    return len(shape) >= 1
