"""Train the universal tables of `embzip.codecs`: trellises, and Gaussian scalar levels.

    python scripts/train_trellis.py [STATES ...]

Not to be run again: .embz files hold places in these tables, so the tables are part of the format
(a test holds their digests). A better table needs a name of its own.

Writes beside the codecs trellis<STATES>.npy and gaussian.npy, and with each a _distortion.npy: the
mean squared error, as a share of the variance the table expects, of k bits on Gaussian numbers of
2^-8 to 2^8 times that variance, always on fresh numbers and tail-biting.

Start: Ungerboeck's labelling of Lloyd-Max levels plus a little noise, and from 5 bits on the table
of one bit less, refined. Then Lloyd iterations: encode by the codec's own search, move each value
to the mean of the numbers that chose it. They converge slowly: at 4 bits 20 iterations stand
1.7 dB from the bound, 40 1.4, 80 1.2, 150 1.0. With 128 states further iterations take the mean of
those before them too: a value that follows 40 numbers alone is 0.02 to 0.1 dB worse.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.row_classes.losses import MOST_BITS
from embzip.codecs.row_classes.trellis import DATA, Trellis, Values, decode, encode

# Parity checks (octal) of Ungerboeck's one-dimensional codes, by states.
PARITY = {4: (0o5, 0o2), 8: (0o13, 0o04), 16: (0o23, 0o04), 32: (0o45, 0o10), 64: (0o103, 0o024),
          128: (0o235, 0o126)}  # fmt: skip
LENGTH = 128
ITERATIONS = 300
AVERAGED = {128: 150}  # further iterations, by states
_KEPT = 0.95  # of the sums of the iterations before, in those
_COPIED = 4  # bits up to which tables start from the labelling
OCTAVES = np.arange(-16, 17) / 2  # of the variance


def gaussian_levels(bits: int) -> NDArray[np.float64]:
    """Return the Lloyd-Max levels of the unit Gaussian, on an equal-probability grid."""
    points = _quantiles(2**20)
    levels = points[(2 * np.arange(2**bits) + 1) * len(points) // 2 ** (bits + 1)] * 1.4
    sums = np.concatenate([[0.0], np.cumsum(points)])
    for _ in range(4000):
        edges = np.searchsorted(points, (levels[1:] + levels[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(points)]])
        counts = np.diff(edges)
        moved = np.where(counts > 0, np.diff(sums[edges]) / np.maximum(counts, 1), levels)
        if np.abs(moved - levels).max() < 1e-7:
            break
        levels = moved
    return np.asarray((levels - levels[::-1]) / 2)


def _quantiles(count: int) -> NDArray[np.float64]:
    from scipy.special import ndtri

    return np.asarray(ndtri((np.arange(count) + 0.5) / count))


def labelled(states: int, bits: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (2 * states, 2^(bits-1)) values: the levels of a subset for each window."""
    levels = gaussian_levels(bits + 1)
    high, low = PARITY[states]
    windows = np.arange(2 * states)
    subset = 2 * _parity(windows & high) + _parity(windows & low)
    values = np.stack([levels[s::4] for s in subset])
    noise = np.diff(levels).mean() * 0.02
    return values + rng.normal(0, noise, values.shape)


def _parity(words: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([int(word).bit_count() & 1 for word in words])


def refined(states: int, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return twice as many values a window, on the curve through those of one bit less.

    Value i of a window of subset s stands at place 4 i + s of a line, the finer one in half steps.
    """
    windows, count = values.shape
    high, low = PARITY[states]
    every = np.arange(windows)
    subset = 2 * _parity(every & high) + _parity(every & low)
    made = np.empty((windows, 2 * count))
    for window, (row, label) in enumerate(zip(np.sort(values, axis=1), subset, strict=True)):
        old = 4 * np.arange(-1, count + 1) + label - (4 * count - 1) / 2
        edges = np.concatenate([[2 * row[0] - row[1]], row, [2 * row[-1] - row[-2]]])
        new = (4 * np.arange(2 * count) + label - (8 * count - 1) / 2) / 2
        made[window] = np.interp(new, old, edges)
    return made


def trained(states: int, values: NDArray[np.float64], bits: int, seed: int) -> Values:
    """Return the values after Lloyd iterations."""
    rng = np.random.default_rng(seed)
    rows = max(512, 40 * values.size // LENGTH)
    counts, sums = np.zeros((2, values.size))
    for iteration in range(ITERATIONS + AVERAGED.get(states, 0)):
        numbers = rng.normal(size=(rows, LENGTH)).astype(np.float32)
        coded, free = encode(only(values, bits), numbers, [bits] * LENGTH)
        windows = sum(
            np.roll(coded, back, axis=1).astype(np.int64) << back
            for back in range(states.bit_length())
        )
        cell = (windows * values.shape[1] + free).ravel()
        kept = _KEPT if iteration >= ITERATIONS else 0
        counts = kept * counts + np.bincount(cell, minlength=values.size)
        sums = kept * sums + np.bincount(cell, numbers.ravel(), minlength=values.size)
        # A prior of two numbers where the value stands keeps rare cells from jumping.
        values = ((sums + 2 * values.ravel()) / (counts + 2)).reshape(values.shape)
    return values.astype(np.float32)


def only(values: NDArray[np.floating], bits: int) -> Trellis:
    """Return a trellis that knows one number of bits."""
    table = np.zeros((len(values), 2**bits - 1), np.float32)
    table[:, 2 ** (bits - 1) - 1 :] = values
    return Trellis(table)


def distortion(trellis: Trellis, bits: int, variance: float, rows: int = 200) -> float:
    """Return the mean squared error on fresh numbers of a variance."""
    rng = np.random.default_rng(10_000 + bits)
    numbers = (rng.normal(size=(rows, LENGTH)) * np.sqrt(variance)).astype(np.float32)
    coded, free = encode(trellis, numbers, [bits] * LENGTH)
    found = decode(trellis, coded, free, [bits] * LENGTH)
    return float(np.square(numbers - found, dtype=np.float64).mean())


def train_trellis(states: int) -> None:
    """Write the table of so many states and its distortions."""
    table = np.zeros((2 * states, 2**MOST_BITS - 1), np.float16)
    best = np.zeros((2 * states, 1), np.float32)
    for bits in range(1, MOST_BITS + 1):
        if bits <= _COPIED:
            values = labelled(states, bits, np.random.default_rng(bits))
        else:
            values = refined(states, best)
        best = trained(states, values, bits, seed=bits)
        table[:, 2 ** (bits - 1) - 1 : 2**bits - 1] = best
        gap = 10 * np.log10(distortion(only(best, bits), bits, 1, 2000) * 4**bits)
        print(f"{states} states, {bits} bits: {gap:.3f} dB from the bound", flush=True)
    np.save(DATA / f"trellis{states}.npy", table)
    trellis = Trellis(table.astype(np.float32))
    errors = np.empty((MOST_BITS + 1, len(OCTAVES)), np.float32)
    errors[0] = 2.0**OCTAVES
    for bits in range(1, MOST_BITS + 1):
        errors[bits] = [distortion(trellis, bits, 2.0**octave) for octave in OCTAVES]
    np.save(DATA / f"trellis{states}_distortion.npy", errors)


def train_gaussian() -> None:
    """Write the scalar levels (2^k of them from column 2^k - 2) and their distortions."""
    levels = [gaussian_levels(bits).astype(np.float32) for bits in range(1, MOST_BITS + 1)]
    np.save(DATA / "gaussian.npy", np.concatenate(levels))
    points = _quantiles(2**16)
    errors = np.empty((MOST_BITS + 1, len(OCTAVES)), np.float32)
    errors[0] = 2.0**OCTAVES
    for column, octave in enumerate(OCTAVES):
        numbers = points * 2.0 ** (octave / 2)
        for bits, known in enumerate(levels, start=1):
            found = known[np.searchsorted((known[1:] + known[:-1]) / 2, numbers)]
            errors[bits, column] = np.square(numbers - found).mean()
    np.save(DATA / "gaussian_distortion.npy", errors)
    for bits in range(1, MOST_BITS + 1):
        print(f"scalar, {bits} bits: {10 * np.log10(errors[bits, 16] * 4**bits):.3f} dB")


if __name__ == "__main__":
    train_gaussian()
    for wanted in [int(argument) for argument in sys.argv[1:]] or [32]:
        train_trellis(wanted)
