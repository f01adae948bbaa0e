"""Measures one codec on one table; `scripts.bench_codecs` starts it, a process for each codec.

Writes lines to standard output: "start" before fitting and "end" after encoding, between which the
parent watches this process's memory, then one JSON object.
"""

import ctypes
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.types import Matrix
from scripts.bench_peers import Coded, encode

QUERIES, NEAREST, SEED = 1000, 10, 0
_WARM_UP = 16_384  # rows encoded first: imports and compiled loops are not the codec's time
_BLOCK = 8192
_TIMED_SECONDS = 1.0


def main() -> None:
    """Take a table, a codec and the table's neighbours from the command line; write the lines."""
    path, codec, known = sys.argv[1:]
    table = np.load(path, mmap_mode="r")
    encode(codec, table[:_WARM_UP]).rows(np.arange(8))
    gc.collect()
    # Memory that the warm-up has given back must not hide what the codec takes.
    ctypes.CDLL(None).malloc_trim(0)
    print("start", flush=True)
    started = time.process_time()
    coded = encode(codec, table)
    seconds = time.process_time() - started
    print("end", flush=True)
    rows, dim = table.shape
    result = {
        "codec": codec,
        "chosen": coded.chosen,
        "rows": rows,
        "dim": dim,
        "memory_bytes": coded.nbytes,
        "file_bytes": None if coded.file_bytes is None else coded.file_bytes(),
        "seconds": seconds,
        "rows_per_second": rows_per_second(coded, rows),
    }
    decoded = np.empty((rows, dim), np.float32)
    result["snr_db"] = decoded_snr(table, coded, decoded)
    result["overlap"] = overlap(np.load(known), nearest(decoded))
    print(json.dumps(result), flush=True)


def decoded_snr(table: Matrix, coded: Coded, decoded: Matrix) -> float:
    """Decode all rows into `decoded`; return the SNR in dB.

    10 log10 of the rows' squared distances from the table's mean over the squared errors.
    """
    mean = np.mean(table, axis=0, dtype=np.float64)
    energy = error = 0.0
    for first in range(0, len(table), _BLOCK):
        rows = table[first : first + _BLOCK].astype(np.float64)
        decoded[first : first + len(rows)] = coded.rows(np.arange(first, first + len(rows)))
        energy += float(np.square(rows - mean).sum())
        error += float(np.square(rows - decoded[first : first + len(rows)]).sum())
    return 10 * np.log10(energy / error) if error else float("inf")


def rows_per_second(coded: Coded, rows: int) -> float:
    """Return decoded rows a second: the median of batches of random rows."""
    rng = np.random.default_rng(SEED)
    taken: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < _TIMED_SECONDS or len(taken) < 5:
        ids = rng.integers(0, rows, _BLOCK)
        started = time.process_time()
        coded.rows(ids)
        taken.append(time.process_time() - started)
    return _BLOCK / float(np.median(taken))


def nearest(matrix: Matrix) -> NDArray[np.int64]:
    """Return (queries, 10) ids of the rows with the largest cosines to sampled rows, by scan.

    Makes the rows of `matrix` unit rows.
    """
    import faiss

    for first in range(0, len(matrix), _BLOCK):
        rows = matrix[first : first + _BLOCK]
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    queries = np.random.default_rng(SEED).choice(len(matrix), min(QUERIES, len(matrix)), False)
    found: Any = faiss.knn(matrix[queries], matrix, NEAREST + 1, metric=faiss.METRIC_INNER_PRODUCT)[
        1
    ]
    # A row is no neighbour of its own; where equals have crowded it out, the last one goes.
    own = found == queries[:, None]
    own[~own.any(axis=1), -1] = True
    return np.asarray(found[~own].reshape(len(queries), NEAREST))


def overlap(known: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """Return the mean share of known neighbours that are found.

    >>> overlap(np.array([[1, 2]]), np.array([[2, 5]]))
    0.5
    """
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(known, found, strict=True)]))


def write_neighbours(table: Path, target: Path) -> None:
    """Write the neighbours of a table's own rows."""
    np.save(target, nearest(np.array(np.load(table, mmap_mode="r"), np.float32)))


if __name__ == "__main__":
    main()
