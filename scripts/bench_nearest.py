"""The nearest rows on codes, beside faiss' exact search on decoded rows: answers, time, memory.

`python -m scripts.bench_nearest [TABLE] [--rows 400000] [--dim 100] [--codec SPEC ...]`: a table
that embzip reads, or random rows. faiss' IndexFlatIP holds decoded rows at length 1. Answers are
equal where the ten tokens are; cosines that differ by less than 1e-6 are told apart by rounding, so
those are counted too.
"""

import argparse
from pathlib import Path
from time import perf_counter

import faiss
import numpy as np

import embzip
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary
from scripts.bench_codecs_tables import title

CODECS = ["float32", "int8", "svd|int8", "svd|tcq:2"]
K = 10


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--codec", nargs="*", default=CODECS)
    parser.add_argument("--queries", type=int, default=20)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    if arguments.table is None:
        # Columns of falling variance, as trained tables have them.
        scale = 1 / np.sqrt(1 + np.arange(arguments.dim))
        matrix = (rng.normal(size=(arguments.rows, arguments.dim)) * scale).astype(np.float32)
        vectors = Vectors(Vocabulary(f"w{i}" for i in range(arguments.rows)), matrix)
    else:
        vectors = embzip.read_vectors(arguments.table, skip_bad=True, duplicates="first")
    queries = rng.choice(vectors.rows, arguments.queries, replace=False).tolist()
    faiss.omp_set_num_threads(1)
    print(
        "| codec | equal | cosines within 1e-6 | ms on codes | MB | ms of faiss | MB decoded |\n"
        "|---|--:|--:|--:|--:|--:|--:|"
    )
    for codec in arguments.codec:
        table = embzip.compress(vectors, codec)
        rows = table.decode()
        unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
        index = faiss.IndexFlatIP(table.dim)
        index.add(unit)
        table.nearest(queries[0], K)
        equal = close = 0
        ours = theirs = 0.0
        for query in queries:
            start = perf_counter()
            found = table.nearest(query, K)
            ours += perf_counter() - start
            start = perf_counter()
            scores, ids = index.search(unit[query : query + 1], K + 1)
            theirs += perf_counter() - start
            kept = ids[0] != query
            tokens = [vectors.vocabulary.token(i) for i in ids[0][kept][:K].tolist()]
            equal += tokens == [each.token for each in found]
            mine = np.array([each.cosine for each in found])
            close += bool(np.allclose(mine, scores[0][kept][:K], atol=1e-6))
        count = len(queries)
        print(
            f"| {title(codec)} | {equal}/{count} | {close}/{count} | {1e3 * ours / count:.1f} "
            f"| {table.resident_nbytes / 1e6:.0f} | {1e3 * theirs / count:.1f} "
            f"| {unit.nbytes / 1e6:.0f} |"
        )


if __name__ == "__main__":
    main()
