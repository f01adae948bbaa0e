"""The measurements of `scripts.bench_speed`, each run alone in a process; prints JSON."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip import compress, load
from embzip.codecs import parse_codec
from embzip.evaluation.serving import resident_mb
from scripts.bench_speed import rss_anon

Table = NDArray[np.float32]
_IDS = 8192  # that are looked up at a time
_BARE_BYTES = 500_000  # of a bare block: it stays in the second cache


def main() -> None:
    """Run the measurement named by the first argument with the keywords of the second."""
    measurements: dict[str, Callable[..., dict[str, float]]] = {
        "tcq": tcq, "int8": int8, "svd": svd, "compress": compress_mapped, "load": load_mapped,
    }  # fmt: skip
    print(json.dumps(measurements[sys.argv[1]](**json.loads(sys.argv[2]))))


def rows_of(rows: int, dim: int) -> Table:
    """Return Gaussian rows of falling columns and of different lengths."""
    rng = np.random.default_rng(0)
    table = rng.standard_normal((rows, dim), np.float32) * np.linspace(1, 0.4, dim)
    return (table * rng.gamma(8, 1 / 8, size=(rows, 1))).astype(np.float32)


def timed(*runs: Callable[[], Any], rounds: int) -> list[float]:
    """Return the median seconds of each run; they take turns, after one turn that warms up.

    Seconds of the processor, as all runs compute in one thread: other programs hardly move them.
    """
    seconds: list[list[float]] = [[] for _ in runs]
    for turn in range(rounds + 1):
        for taken, run in zip(seconds, runs, strict=True):
            started = time.process_time()
            run()
            if turn:
                taken.append(time.process_time() - started)
    return [statistics.median(taken) for taken in seconds]


def tcq(bits: int, rounds: int) -> dict[str, float]:
    """Rows a second of encoding (fitted before), of decoding a whole table, and by random ids."""
    rows = 100_000
    table = rows_of(rows, 100)
    fitted = parse_codec(f"tcq:{bits}").fit(table)
    small, rotated = compress(table, f"tcq:{bits}"), compress(table, f"svd|tcq:{bits}")
    ids = np.random.default_rng(1).integers(0, rows, (rows // _IDS, _IDS))
    found = timed(
        fitted.encode, small.decode, rotated.decode,
        lambda: [rotated[some] for some in ids], rounds=rounds,
    )  # fmt: skip
    counts = {"encode": rows, "decode": rows, "decode_svd": rows, "by_ids": ids.size}
    return {
        name: count / seconds for (name, count), seconds in zip(counts.items(), found, strict=True)
    }


def int8(rows: int, dim: int, rounds: int) -> dict[str, float]:
    """Seconds of `compress` to int8 and of two bare passes over the table.

    The first pass takes each row's largest magnitude, the second scales, rounds and converts; both
    write into arrays that are there already but for the codes, block by block. Nothing is checked.
    """
    table = rows_of(rows, dim)
    step = max(1, _BARE_BYTES // (4 * dim))
    buffer = np.empty((step, dim), np.float32)

    def bare() -> None:
        largest = np.empty((rows, 1), np.float32)
        codes = np.empty((rows, dim), np.int8)
        for first in range(0, rows, step):
            block = table[first : first + step]
            part = np.abs(block, out=buffer[: len(block)])
            part.max(axis=1, keepdims=True, out=largest[first : first + step])
        factor = 127 / largest
        for first in range(0, rows, step):
            block = table[first : first + step]
            part = np.multiply(block, factor[first : first + step], out=buffer[: len(block)])
            codes[first : first + step] = np.rint(part, out=part)

    return _beside(lambda: compress(table, "int8"), bare, rounds)


def svd(rows: int, dim: int, rounds: int) -> dict[str, float]:
    """Seconds of `compress` to svd:64|float32 and of its two bare products.

    The Gram product is float32 within blocks of 16 MB, whose sums add up in float64; the projection
    is one float32 product with 64 columns. No eigenvectors are sought and nothing is checked.
    """
    table = rows_of(rows, dim)
    step = 16_000_000 // (4 * dim)
    directions = np.linalg.qr(rows_of(dim, 64))[0]

    def bare() -> None:
        gram = np.zeros((dim, dim))
        for first in range(0, rows, step):
            block = table[first : first + step]
            gram += block.T @ block
        codes = np.empty((rows, 64), np.float32)
        for first in range(0, rows, step):
            np.matmul(table[first : first + step], directions, out=codes[first : first + step])

    return _beside(lambda: compress(table, "svd:64|float32"), bare, rounds)


def compress_mapped(path: str, spec: str) -> dict[str, float]:
    """Seconds of `compress` on a mapped table, its bytes, MB held before, when encoding began.

    `cpu` counts the processor's seconds alone: a table that does not stay in the system's cache is
    read from the disk, at the disk's pace.
    """
    encoded: list[float] = []
    table = np.load(path, mmap_mode="r")
    before = rss_anon() / 1e6
    started, worked = time.perf_counter(), time.process_time()
    # The first call comes after the first block, which so counts as own memory: an upper bound.
    small = compress(table, spec, progress=lambda *_: encoded.append(time.monotonic()))
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    held = {"nbytes": small.nbytes, "before": before, "encoding": encoded[0]}
    return {"seconds": seconds, "cpu": cpu, **held}


def load_mapped(path: str) -> dict[str, float]:
    """Seconds of `load(mmap=True)` and a first row, and MB of memory they took."""
    before = resident_mb()
    started = time.perf_counter()
    table = load(path, mmap=True)
    _ = table[len(table) // 2]
    return {"seconds": time.perf_counter() - started, "rss": resident_mb() - before}


def _beside(ours: Callable[[], Any], bare: Callable[[], Any], rounds: int) -> dict[str, float]:
    ours_seconds, bare_seconds = timed(ours, bare, rounds=rounds)
    return {"ours": ours_seconds, "bare": bare_seconds}


if __name__ == "__main__":
    main()
