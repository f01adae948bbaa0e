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
from scripts.bench_peers import PEERS, codecs_for
from scripts.bench_tables import table_name, table_path

CLASSES = 16
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
    parser.add_argument("--plot", type=Path, help="folder of one SVG a table")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    print(LEGEND)
    for name in arguments.table:
        path = table_path(name, cache=arguments.cache.expanduser(), texts=arguments.texts)
        called = table_name(name)
        bounds = bounds_of(path, arguments.output / f"{called}-bounds.npz")
        results = measured(called, path, arguments.output, arguments.codecs)
        rows, dim = np.load(path, mmap_mode="r").shape
        print(f"**{called}**, {rows:,} x {dim}\n\n{markdown(results, *bounds)}\n", flush=True)
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


def markdown(
    results: Iterable[dict[str, Any]], pooled: GaussianBound, by_norm: GaussianBound
) -> str:
    """Return a Markdown table, by rising bits."""
    lines = [
        "| codec | bytes a row | bits | SNR | pooled | gap | by norm | gap | file | file gap "
        "| near | encode s | decode M rows/s | peak MB |",
        "|---" * 14 + "|",
    ]
    for result in sorted(results, key=lambda r: (bits(r), r["codec"])):
        rate, snr = bits(result), result["snr_db"]
        bounds = [bound.snr_db(rate) for bound in (pooled, by_norm)]
        stored = result["file_bytes"]
        on_disk = ["", ""]
        if stored is not None:
            there = pooled.snr_db(8 * stored / (result["rows"] * result["dim"]))
            on_disk = [f"{stored / result['rows']:.2f}", f"{there - snr:.2f}"]
        cells = [
            title(result["codec"], result.get("chosen")),
            f"{result['memory_bytes'] / result['rows']:.2f}",
            f"{rate:.2f}",
            f"{snr:.2f}",
            *(cell for bound in bounds for cell in (f"{bound:.2f}", f"{bound - snr:.2f}")),
            *on_disk,
            f"{result['overlap']:.3f}",
            f"{result['seconds']:.1f}",
            f"{result['rows_per_second'] / 1e6:.2f}",
            f"{result['peak_bytes'] / 1e6:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def bits(result: dict[str, Any]) -> float:
    """Return bits a number, of all that is held."""
    return float(8 * result["memory_bytes"] / (result["rows"] * result["dim"]))


def title(codec: str, chosen: str | None = None) -> str:
    """Return a codec's cell: embzip's specs as code, what `auto` chose, peers by name.

    >>> title("svd|tcq:2"), title("faiss-pq:25"), title("auto:6B/row", "int1")
    ('`svd\\\\|tcq:2`', 'faiss-pq:25', '`auto:6B/row`: `int1`')
    """
    if codec.partition(":")[0] in PEERS:
        return codec
    if chosen is not None:
        return f"{title(codec)}: {title(chosen)}"
    return "`" + codec.replace("|", "\\|") + "`"


if __name__ == "__main__":
    main()
