"""How many bits entropy coding will spend on each symbol of dependent quantization.

They are estimated from counts in rows that were quantized already, for each context: column, level
of activity, and quantizer. Contexts whose symbols are about equally large lend each other counts,
so that a few thousand rows are enough. The coder itself is `embzip.packing`; the search that uses
the estimates is `path_search`.

References: Miller 1955, Note on the bias of information estimates.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.ectcq.dependent import (
    LEVELS,
    MEMORY,
    SHIFTED,
    Octets,
    activities,
    levels_of,
    magnitudes,
    states_of,
    symbols_of,
    thresholds_of,
    values_of,
)
from embzip.types import Matrix

_LENT = 30.0  # the weight, in counts, of what like contexts add to a context's own counts
_PER_OCTAVE = 4  # contexts are alike where their mean magnitudes round to the same quarter octave
# Measured on packed files.
_TABLE_BITS = 1.5  # of the frequency tables, for each symbol that occurs in a context
_MODEL_BITS = 0.007  # that a number takes more because contexts share tables
_BLOCK_BITS = 64.0  # of a block of rows beside its symbols: length, checksum, the coder's state
_BLOCK = 256  # rows of a block
_PIECE = 2048  # rows that are counted at a time


@dataclass(frozen=True, eq=False)
class Rates:
    """Bits of symbols, and the values for which they were counted.

    Attributes
    ----------
    thresholds
        (dim, 7) of activities.
    bits
        (dim, 8, 2, 256) by column, level, quantizer and symbol.
    shift
        (2, 4) as `values_of` takes it: the means of the numbers that small symbols stood for.
    a_row
        The bits that a row takes on average.
    tables
        The bits that frequency tables and thresholds take.
    """

    thresholds: NDArray[np.uint16]
    bits: NDArray[np.float32]
    shift: NDArray[np.float32]
    a_row: float
    tables: float

    @classmethod
    def guessed(cls, deviation: NDArray[np.float64]) -> "Rates":
        """Return the rates of Gaussian columns (dim,), whose deviations are given in steps."""
        shift = np.zeros((2, SHIFTED), np.float32)
        values = values_of(shift)
        wide = np.maximum(deviation, 0.3)[:, None, None]
        shares = np.exp(-0.5 * (values / wide) ** 2) + 1e-7
        bits = -np.log2(shares / shares.sum(axis=2, keepdims=True)).astype(np.float32)
        never = np.full((len(deviation), LEVELS - 1), 65535, np.uint16)
        every = np.ascontiguousarray(np.repeat(bits[:, None], LEVELS, axis=1))
        return cls(never, every, shift, 0.0, 0.0)

    @classmethod
    def counted(cls, numbers: Matrix, octets: Octets, *, closed: bool) -> "Rates":
        """Return the rates of rows: numbers in steps, and the bytes that stand for them.

        Where paths are closed, columns stand in the order in which they are read.
        """
        rows, dim = octets.shape
        symbols, odd = symbols_of(octets, closed=closed)
        sums = activities(symbols)
        thresholds = thresholds_of(sums, LEVELS)
        counts = np.zeros(dim * LEVELS * 512)
        for piece in _pieces(rows):
            places = np.arange(dim) * LEVELS + levels_of(sums[piece], thresholds)
            places = (places * 2 + odd[piece]) * 256 + symbols[piece]
            counts += np.bincount(places.ravel(), minlength=counts.size)
        counts = counts.reshape(dim, LEVELS, 2, 256)
        alike = _alike(counts)
        pooled = np.zeros((int(alike.max()) + 1, 2, 256))
        np.add.at(pooled, alike, counts)
        lent = pooled + pooled[:, :, -np.arange(256) % 256] + 0.02
        lent /= lent.sum(axis=2, keepdims=True)
        shares = counts + _LENT * lent[alike]
        shares /= shares.sum(axis=3, keepdims=True)
        entropy, free = _entropy(counts.reshape(-1, 256))
        bits = -np.log2(shares).astype(np.float32)
        if closed:
            # The parities of the last five columns are known from the state, which is read first.
            tail = shares[-MEMORY:].reshape(MEMORY, LEVELS, 2, 128, 2)
            known = np.log2(tail.sum(axis=3, keepdims=True))
            bits[-MEMORY:] += np.broadcast_to(known, tail.shape).reshape(bits[-MEMORY:].shape)
            parities = counts[-MEMORY:].reshape(-1, 128, 2).sum(axis=1)
            states = np.bincount(states_of(octets), minlength=2**MEMORY).astype(np.float64)
            entropy += _entropy(states[None])[0] - _entropy(parities)[0]
        return cls(
            thresholds,
            bits,
            _shift(numbers, symbols, odd),
            entropy / rows + _MODEL_BITS * dim,
            _TABLE_BITS * free + 16 * thresholds.size,
        )

    def total(self, rows: int) -> float:
        """Return the bits that a table of so many rows will take."""
        return rows * self.a_row + self.tables + _BLOCK_BITS * -(-rows // _BLOCK)


def _entropy(counts: NDArray[np.float64]) -> tuple[float, int]:
    """Return the bits of counted symbols (contexts, alphabet), and how many counts are free.

    Counts of few rows look too sure of themselves (Miller 1955): half a nat for each is added.
    """
    used = counts[counts.any(axis=1)]
    own = used / used.sum(axis=1, keepdims=True)
    free = int((used > 0).sum()) - len(used)
    return -float((used * np.log2(np.where(used > 0, own, 1))).sum()) + free / (2 * np.log(2)), free


def _alike(counts: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return a number (dim, levels) that contexts of like mean magnitude have in common."""
    far = magnitudes(np.arange(256, dtype=np.uint8)).astype(np.float64)
    mean = (counts.sum(axis=2) @ far) / counts.sum(axis=(2, 3)).clip(1)
    found = np.rint(_PER_OCTAVE * np.log2(mean + 0.01)).astype(np.intp)
    made: NDArray[np.intp] = found - found.min()
    return made


def _shift(numbers: Matrix, symbols: Octets, odd: Octets) -> NDArray[np.float32]:
    values = values_of(np.zeros((2, SHIFTED)))
    sums, used = np.zeros((2, 2 * (SHIFTED + 1)))
    for piece in _pieces(len(numbers)):
        plain = values[odd[piece], symbols[piece]]
        nearer = (plain - numbers[piece]) * np.sign(plain)
        far = magnitudes(symbols[piece])
        place = np.where(far <= SHIFTED, odd[piece].astype(np.intp) * (SHIFTED + 1) + far, 0)
        np.add.at(sums, place.ravel(), nearer.ravel())
        used += np.bincount(place.ravel(), minlength=used.size)
    mean = sums / used.clip(1)
    return np.asarray(np.clip(mean, -0.9, 0.9).reshape(2, -1)[:, 1:], np.float32)


def _pieces(rows: int) -> Iterator[slice]:
    """Yield the rows in pieces, so that whole numbers of 8 bytes are few at once."""
    for start in range(0, rows, _PIECE):
        yield slice(start, start + _PIECE)
