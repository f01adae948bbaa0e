"""Packed files, codec by codec: bytes beside the entropy of the codes, error beside the bound.

`python -m scripts.bench_pack VECTORS [--codec SPEC ...]`: any table embzip reads, and .npy.
The entropy is that of each column's bytes by themselves, tables and offsets not counted. Bits a
number count the whole file but the vocabulary. The gap is how far the signal-to-noise ratio stays
below that of the best code for a Gaussian of the table's covariance, at these bits.
"""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import embzip
from embzip.engine import Table, map_rows
from embzip.evaluation.bounds import pooled_bound

CODECS = ["int8", "int8:scale=column", "int4", "int2", "float16", "kmeans:32", "normalize|int4"]


def entropy_bytes(array: np.ndarray) -> float:
    """Return the empirical entropy of the bytes of every column."""
    columns = np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)
    total = 0.0
    for column in columns.T:
        counts = np.bincount(column)
        counts = counts[counts > 0]
        total -= float((counts * np.log2(counts / len(column))).sum())
    return total / 8


def error_of(table: Table, small: embzip.CompressedEmbedding) -> float:
    """Return the mean squared error of a row."""

    def lost(first: int, block: np.ndarray) -> float:
        rows = small[np.arange(first, first + len(block))]
        return float(np.square(rows.astype(np.float64) - block).sum())

    return sum(map_rows(lost, table)) / table.shape[0]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--codec", action="append")
    arguments = parser.parse_args()
    path = arguments.vectors
    vectors: Any
    table: Any
    if path.suffix == ".npy":
        vectors = table = np.load(path, mmap_mode="r")
    else:
        vectors = embzip.read_vectors(path)
        table = vectors.matrix
    bound = pooled_bound(table)
    print(
        "| codec | entropy | stored | bits a number | SNR, dB | gap, dB | s: made | packed | read |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "packed.embz")
        for codec in arguments.codec or CODECS:
            started = perf_counter()
            small = embzip.compress(vectors, codec)
            made = perf_counter()
            embzip.save(small, path, pack=True)
            packed = perf_counter()
            embzip.load(path)
            loaded = perf_counter()
            record = embzip.inspect(path).to_json()
            stored = sum(t["bytes"] for t in record["tensors"] if t["name"].startswith("codes."))
            entropy = sum(entropy_bytes(array) for array in small.codes.values())
            bits = 8 * (record["bytes"]["total"] - record["bytes"]["vocabulary"]) / table.size
            snr = 10 * np.log10(bound.energy / error_of(table, small))
            print(
                f"| `{codec}` | {entropy:,.0f} | {stored:,} | {bits:.3f} | {snr:.2f} "
                f"| {bound.snr_db(bits) - snr:.2f} | {made - started:.0f} "
                f"| {packed - made:.0f} | {loaded - packed:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
