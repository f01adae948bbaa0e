"""Stored bytes of packed files beside the entropy of their codes, codec by codec.

`python -m scripts.bench_pack VECTORS [--codec SPEC ...]`: any table embzip reads, and .npy.
The entropy is that of each column's bytes by themselves, tables and offsets not counted; what is
stored counts everything.
"""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

import embzip

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


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--codec", action="append")
    arguments = parser.parse_args()
    path = arguments.vectors
    bare = path.suffix == ".npy"
    vectors = np.load(path, mmap_mode="r") if bare else embzip.read_vectors(path)
    print("| codec | codes, bytes | entropy | stored | stored / entropy | pack, s | load, s |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "packed.embz")
        for codec in arguments.codec or CODECS:
            small = embzip.compress(vectors, codec)
            started = perf_counter()
            embzip.save(small, path, pack=True)
            packed = perf_counter()
            embzip.load(path)
            loaded = perf_counter()
            stored = sum(
                tensor["bytes"]
                for tensor in embzip.inspect(path)["tensors"]
                if tensor["name"].startswith("codes.")
            )
            plain = sum(array.nbytes for array in small.codes.values())
            entropy = sum(entropy_bytes(array) for array in small.codes.values())
            print(
                f"| `{codec}` | {plain:,} | {entropy:,.0f} | {stored:,} | {stored / entropy:.4f} "
                f"| {packed - started:.1f} | {loaded - packed:.1f} |"
            )


if __name__ == "__main__":
    main()
