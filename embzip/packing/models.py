"""Frequency tables: what the coder knows about symbols, in whole numbers.

A frequency is a byte, 0 for none, else 16 steps an octave: (16 + (v - 1) % 16) << ((v - 1) // 16).
Contexts with like histograms share a table. Whole numbers below 2^53 are exact in float64, so every
machine makes the same coder of them.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import FileFormatError

MOST_TABLES = 1024
_ROUNDS = 6
_CODES = np.arange(255)
_FREQUENCIES = np.concatenate([[0], (16 + _CODES % 16) << (_CODES // 16)]).astype(np.int64)
_LARGEST = int(_FREQUENCIES[-1])


@dataclass(frozen=True, eq=False)
class Models:
    """Tables and which context takes which.

    Attributes
    ----------
    of_context
        (contexts,) the table of each context.
    tables
        (tables, alphabet) frequencies as bytes.
    """

    of_context: NDArray[np.uint16]
    tables: NDArray[np.uint8]

    @property
    def frequencies(self) -> NDArray[np.int64]:
        """(tables, alphabet) whole numbers."""
        return np.asarray(_FREQUENCIES[self.tables])

    def to_bytes(self) -> bytes:
        """Return what `read_models` reads."""
        steps = np.diff(self.tables, axis=1, prepend=np.uint8(0))
        named = self.of_context.astype(_index(len(self.tables)))
        return zlib.compress(named.tobytes() + steps.tobytes(), 9)

    def cost(self, histograms: NDArray[np.int64]) -> float:
        """Return the bits that (contexts, alphabet) counted symbols take."""
        sums = _summed(histograms, self.of_context, len(self.tables))
        return float((sums * _lengths(self.tables)).sum())

    def parity_bits(self, histograms: NDArray[np.int64], contexts: NDArray[np.int64]) -> float:
        """Return the bits that the lowest bits alone of some contexts' symbols take."""
        half = self.tables.shape[1] // 2
        shares = self.frequencies.reshape(-1, half, 2).sum(axis=1).astype(np.float64)
        shares /= shares.sum(axis=1, keepdims=True)
        counts = histograms[contexts].reshape(-1, half, 2).sum(axis=1)
        found = shares[self.of_context[contexts]]
        return -float((counts * np.log2(np.where(found > 0, found, 1))).sum())


def read_models(content: bytes, contexts: int, tables: int, alphabet: int) -> Models:
    """Read tables.

    Raises
    ------
    FileFormatError
        For bytes that `Models.to_bytes` does not write.
    """
    index = _index(tables)
    named = contexts * index.itemsize
    size = named + tables * alphabet
    reader = zlib.decompressobj()
    try:
        raw = reader.decompress(content, size + 1)
    except zlib.error as error:
        raise FileFormatError(f"its frequency tables are damaged: {error}") from error
    if len(raw) != size or not reader.eof or reader.unused_data:
        raise FileFormatError(f"its frequency tables take {size} bytes, found {len(raw)}")
    of_context = np.frombuffer(raw, index, contexts).astype(np.uint16)
    if int(of_context.max(initial=0)) >= tables:
        raise FileFormatError(
            f"it has {tables} frequency tables, and a context names {of_context.max()}"
        )
    steps = np.frombuffer(raw, np.uint8, offset=named).reshape(tables, alphabet)
    made = Models(of_context, np.cumsum(steps, axis=1, dtype=np.uint8))
    if not made.tables.any(axis=1).all():
        raise FileFormatError("a frequency table must have a symbol, and its sum is zero")
    return made


def _index(tables: int) -> np.dtype[Any]:
    """Return how a context names its table: in a byte where there are at most 256."""
    return np.dtype("u1" if tables <= 256 else "<u2")


def fit_models(histograms: NDArray[np.int64], *, share: float = 1.0) -> Models:
    """Return the tables for (contexts, alphabet) counts that take the fewest bytes, all counted.

    Parameters
    ----------
    share
        The share of all symbols that was counted.
    """
    best = _clustered(histograms, 1)
    least = _total(best, histograms, share)
    used = int((histograms.sum(axis=1) > 0).sum())
    count, worse = 2, 0
    while count <= min(used, MOST_TABLES) and worse < 2:
        made = _clustered(histograms, count)
        total = _total(made, histograms, share)
        best, least, worse = (made, total, 0) if total < least else (best, least, worse + 1)
        if count == min(used, MOST_TABLES):
            break
        count = min(2 * count, used, MOST_TABLES)
    return best


def _total(models: Models, histograms: NDArray[np.int64], share: float) -> float:
    return models.cost(histograms) / share + 8 * len(models.to_bytes())


def _clustered(histograms: NDArray[np.int64], count: int) -> Models:
    """Return `count` tables: contexts go where they take the fewest bits, and round again."""
    mass = histograms.sum(axis=1)
    shares = histograms / np.maximum(mass, 1)[:, None]
    entropy = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
    order = np.argsort(entropy, kind="stable")
    weight = np.cumsum(mass[order] > 0)
    chosen = np.empty(len(mass), np.intp)
    chosen[order] = np.minimum((weight - 0.5) * count / max(1, weight[-1]), count - 1).clip(0)
    tables = _tables(histograms, chosen, count)
    seen = histograms.any(axis=0)
    for _ in range(_ROUNDS if count > 1 else 0):
        before = chosen
        lengths = _lengths(tables, missing=40.0)[:, seen]
        chosen = (histograms[:, seen] @ lengths.T).argmin(axis=1)
        tables = _tables(histograms, chosen, count)
        if np.array_equal(before, chosen):
            break
    used, chosen = np.unique(chosen, return_inverse=True)
    return Models(chosen.astype(np.uint16), tables[used])


def _tables(histograms: NDArray[np.int64], chosen: NDArray[Any], count: int) -> NDArray[np.uint8]:
    sums = _summed(histograms, chosen, count)
    sums[sums.sum(axis=1) == 0] = 1
    scaled = np.minimum(sums / sums.max(axis=1, keepdims=True) * _LARGEST, _LARGEST)
    upper = np.clip(np.searchsorted(_FREQUENCIES, scaled), 1, 255)
    nearer = _FREQUENCIES[upper] - scaled < scaled - _FREQUENCIES[upper - 1]
    found = np.where(nearer | (upper == 1), upper, upper - 1)
    # Rare symbols are known roughly only, and rough frequencies take fewer bytes.
    rough = np.select([sums < 30, sums < 300, sums < 3000], [16, 8, 4], 1)
    found = np.clip(np.rint(found / rough) * rough, 1, 255)
    return np.where(sums > 0, found, 0).astype(np.uint8)


def _summed(histograms: NDArray[np.int64], chosen: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Return the sums (count, alphabet) of the histograms that chose the same."""
    order = np.argsort(chosen, kind="stable")
    used, starts = np.unique(chosen[order], return_index=True)
    sums = np.zeros((count, histograms.shape[1]))
    sums[used] = np.add.reduceat(histograms[order], starts, axis=0)
    return sums


def _lengths(tables: NDArray[np.uint8], *, missing: float = 24.0) -> NDArray[np.float64]:
    """Return the bits of each symbol of each table; of those it does not have, `missing`."""
    frequencies = _FREQUENCIES[tables]
    shares = frequencies / frequencies.sum(axis=1, keepdims=True)
    return np.where(shares > 0, -np.log2(np.where(shares > 0, shares, 1)), missing)
