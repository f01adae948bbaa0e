"""Codecs side by side: bytes, error, distance from the rate-distortion bound, speed and memory.

    python -m scripts.bench_codecs --table glove50 glove100 -o bench/codecs --plot bench/codecs
    python -m scripts.bench_codecs --table bench/task/steps/model-*/model.embz -o bench/codecs

embzip's codecs and those of faiss, llama.cpp, Keras, model2vec and compress-fasttext
(`uv sync --extra all --group bench`), each in a process of its own, in one thread, one after the
other. What was measured stands in OUTPUT/results.jsonl and is not measured again; delete the file,
or its lines, after changing code. Prints Markdown. What the columns mean is printed with them.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embzip.evaluation.bounds import GaussianBound, norm_conditioned_bound, pooled_bound
from scripts.bench_codecs_child import write_neighbours
from scripts.bench_codecs_plot import draw
from scripts.bench_codecs_tables import NEAREST_HEAD, markdown, nearest_rows
from scripts.bench_tables import table_name, table_path

CLASSES = 16
_SLOW = ("pq:", "normalize|pq:", "opq:", "rq:", "faiss-opq:", "faiss-rq:", "model2vec-vocabulary:")
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip
LEGEND = f"""\
Bytes are of codes and all else that decoding holds, over the rows; bits, of those over rows x
columns; file, of what the codec's own format stores (embzip's packed), without words. SNR is 10
log10 of the rows' squared distances from the table's mean over the squared errors, in dB. Pooled:
the Gaussian bound of the table's covariance at those bits, by reverse water-filling; by norm: the
same for a mixture of {CLASSES} classes of rows by distance from the mean, the class known free of
charge; the gap is bound minus SNR (below 0: past the pooled bound), once at the bits in memory
and once, file gap, at the bits of the file. Near: of the 10 nearest rows by cosine of 1,000
sampled rows (seed 0), the share that are the same after. Encode: fit and encode, one thread,
after a warm-up. Decode: 8,192 random rows at a time, the median. Both in seconds of the processor,
which other programs hardly move. Peak: anonymous memory (RssAnon) while fitting and encoding,
beyond what the process held before.
"""


def main() -> None:
    """Measure what is missing, then print one table for each table of rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", nargs="+", required=True, help="glove50, glove100, ... or paths")
    parser.add_argument("--codecs", nargs="+", help="only these")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--texts", type=Path, help="texts that word2vec300 is trained on")
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/embzip"))
    parser.add_argument("--nearest", action="store_true", help="print the nearest at each rate")
    parser.add_argument("--plot", type=Path, help="folder of one SVG a table")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    print(NEAREST_HEAD if arguments.nearest else LEGEND)
    for name in arguments.table:
        path = table_path(name, cache=arguments.cache.expanduser(), texts=arguments.texts)
        called = table_name(name)
        bounds = bounds_of(path, arguments.output / f"{called}-bounds.npz")
        results = measured(called, path, arguments.output, arguments.codecs)
        rows, dim = np.load(path, mmap_mode="r").shape
        head = f"{called}, {rows:,} x {dim}"
        if arguments.nearest:
            print(nearest_rows(head, results, bounds[0]), flush=True)
        else:
            print(f"**{head}**\n\n{markdown(results, *bounds)}\n", flush=True)
        if arguments.plot is not None:
            arguments.plot.mkdir(parents=True, exist_ok=True)
            draw(results, *bounds, arguments.plot / f"{called}.svg")


def bounds_of(path: Path, kept: Path) -> tuple[GaussianBound, GaussianBound]:
    """Return the pooled bound and the one by norm, kept in a file."""
    if not kept.exists():
        table = np.load(path, mmap_mode="r")
        made = [pooled_bound(table), norm_conditioned_bound(table, classes=CLASSES)]
        arrays = {
            f"{name}{i}": array for i, b in enumerate(made) for name, array in vars(b).items()
        }
        np.savez(kept, **arrays)
    with np.load(kept) as arrays:
        first, second = (
            GaussianBound(
                arrays[f"share{i}"],
                arrays[f"variance{i}"],
                float(arrays[f"energy{i}"]),
                int(arrays[f"dim{i}"]),
            )
            for i in range(2)
        )
    return first, second


def measured(
    table: str, path: Path, output: Path, codecs: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Return the results of a table, after measuring those that are missing."""
    file = output / "results.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    known = {(line["table"], line["codec"]): line for line in map(json.loads, lines)}
    neighbours = output / f"{table}-neighbours.npy"
    if not neighbours.exists():
        write_neighbours(path, neighbours)
    wanted = codecs or codecs_for(np.load(path, mmap_mode="r").shape[1])
    for codec in wanted:
        if (table, codec) in known:
            continue
        result = run(path, codec, neighbours)
        if result is None:
            continue
        known[table, codec] = {"table": table, **result}
        with file.open("a") as end:
            end.write(json.dumps(known[table, codec]) + "\n")
        print(f"{table}, {codec}: {result['seconds']:.1f} s", file=sys.stderr, flush=True)
    return [known[table, codec] for codec in wanted if (table, codec) in known]


def run(path: Path, codec: str, neighbours: Path) -> dict[str, Any] | None:
    """Measure one codec in a process of its own; None, and a line on stderr, where it fails."""
    command = [sys.executable, "-W", "ignore", "-m", "scripts.bench_codecs_child"]
    environment = dict(os.environ) | dict.fromkeys(_THREADS, "1")
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    last, before, peak = "", 0, 0
    with subprocess.Popen(
        [*command, str(path), codec, str(neighbours)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as child:
        lines: queue.Queue[str | None] = queue.Queue()
        errors: list[str] = []
        readers = [
            threading.Thread(target=_pass_lines, args=(child.stdout, lines)),
            threading.Thread(target=lambda: errors.extend(child.stderr or ())),
        ]
        for reader in readers:
            reader.start()
        fitting = False
        while True:
            if fitting:
                peak = max(peak, anonymous_bytes(child.pid))
            try:
                line = lines.get(timeout=0.005 if fitting else None)
            except queue.Empty:
                continue
            if line is None:
                break
            if line == "start":
                before, fitting = anonymous_bytes(child.pid), True
            elif line == "end":
                fitting = False
            else:
                last = line
        for reader in readers:
            reader.join()
    if child.returncode or not last:
        print(f"{codec}: failed: {''.join(errors[-1:]).strip()}", file=sys.stderr, flush=True)
        return None
    return {**json.loads(last), "peak_bytes": max(0, peak - before)}


def _pass_lines(stream: Iterable[str] | None, lines: "queue.Queue[str | None]") -> None:
    for line in stream or ():
        lines.put(line.strip())
    lines.put(None)


def anonymous_bytes(process: int) -> int:
    """Return the anonymous resident memory of a process; 0 where it has just ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def codecs_for(dim: int) -> list[str]:
    """Return the codecs that are compared on a table of so many columns.

    Beyond 200 columns those that take longest are left out: OPQ, residual quantizers, quantized
    vocabularies, and product quantizers of ours, which are as near as faiss'.

    Product quantizers have a part for 10, 5 and 2 columns: 0.8, 1.6 and 4 bits a number. OPQ has
    the first alone: faiss takes minutes for the others. Its residual quantizer, which leads other
    libraries below 1 bit, has one at 0.5 bits too.

    >>> "pq:10" in codecs_for(50), "faiss-pq:25" in codecs_for(50), "svd:32|int8" in codecs_for(50)
    (True, True, True)
    """
    parts = [dim // 10, dim // 5, dim // 2]
    ranks = [max(1, dim * share // 50) for share in (16, 32, 40)]
    rates, coarse = ("0.5", "1", "1.2", "2", "2.2", "3", "4"), ("0.8", "1.8", "3.8")
    wide = dim > 200
    codecs = [
        "float16",
        "int8",
        "int4",
        "int2",
        "int1",
        "kmeans:16",
        "rows:256",
        f"sparse:{dim // 4}",
        f"pq:{parts[1]}",
        f"opq:{parts[0]}",
        f"normalize|pq:{parts[1]}",
        f"rq:{parts[0]}",
        *(f"svd:{rank}|int8" for rank in ranks),
        *(f"svd|mixed:{bits}" for bits in rates),
        *(f"svd|tcq:{bits}" for bits in rates),
        *(f"svd|tcq:{bits},states=128" for bits in (1, 2, 4)),
        "svd|coarse|tcq:0.3,classes=4",
        *(f"svd|coarse|tcq:{b},classes=4{s}" for b in coarse for s in ("", ",states=128")),
        *(f"auto:{bits * dim / 8:g}B/row" for bits in (0.3, 0.5, 0.7, 1, 2, 4)),
        "svd|normalize|tcq:1",
        "svd|normalize|tcq:2",
        "center|svd|tcq:2,states=128",
        *(f"center|svd|ectcq:{bits}" for bits in (1, 2, 4)),
        *(f"svd|coarse|ectcq:{bits}" for bits in coarse),
        *(f"faiss-pq:{count}" for count in parts),
        f"faiss-opq:{parts[0]}",
        *(f"faiss-rq:{count}" for count in (max(1, dim // 16), *parts[:2])),
        "faiss-sq:8bit",
        *(f"faiss-rabitq:{bits}" for bits in (1, 2, 4)),
        *(f"faiss-turboquant:{bits}" for bits in (1, 2, 4)),
        *(f"ggml:{kind}" for kind in ("IQ1_S", "IQ2_XXS", "IQ4_XS")),
        "keras:int8",
        "keras:int4",
        *(f"model2vec:{kind}" for kind in ("float16", "int8")),
        "model2vec-vocabulary:256",
        f"compress-fasttext-svd:{ranks[0]}",
        f"compress-fasttext-svd:{ranks[1]}",
        f"compress-fasttext-pq:{parts[1]}",
        "compress-fasttext-float16",
    ]
    return [codec for codec in codecs if not (wide and codec.startswith(_SLOW))]


if __name__ == "__main__":
    main()
