"""What it takes to serve one classifier in each format, every figure from a fresh process.

    python -m scripts.bench_serving ../shared/data/tagmynews

The original is the anchor: a 220,000 x 300 float32 table (the corpus' words, filled up with made-up
ones), windows 1,1,2,3 x 128 filters, 50 tokens; its LiteRT dynamic-range file is what times are
divided by. Its numbers are random, for only time and memory are measured. embzip's rows are the
same classifier rebuilt with --codec. Tokenization is included on all sides. Processes of all
formats run in turn; figures are medians over --rounds. fastText needs `uv sync --group bench`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from embzip.measure import resident_mb

WIDTH, LENGTH, BATCH, CALLS = 300, 50, 64, 300
ANCHOR = "LiteRT dynamic-range"
Predict = Callable[[Sequence[str]], Any]
COLUMNS = (
    "bytes", "load s", "first ms", "p50 ms", "p50 / anchor", "p99 ms", "texts/s, 1 thread",
    "2 threads", "MB import", "MB load", "MB peak", "cold s",
)  # fmt: skip


def main() -> None:
    """Make the files, run the children in turn, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder with train.tsv.xz")
    parser.add_argument("--rows", type=int, default=220_000)
    parser.add_argument("--codec", default="svd:64|int8")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="embzip-serving-") as name:
        folder = Path(name)
        request = [str(arguments.data), str(arguments.rows), arguments.codec, name]
        _child("make", *request)
        formats: dict[str, tuple[str, str]] = json.loads((folder / "formats.json").read_text())
        found: dict[str, list[dict[str, float]]] = {label: [] for label in formats}
        bare = []
        for _ in range(arguments.rounds):
            bare.append(_child("nothing")["wall"])
            for label, (runner, file) in formats.items():
                figures = _child("measure", runner, str(folder / file), name)
                figures["wall"] = _child("first", runner, str(folder / file), name)["wall"]
                found[label].append(figures)
        print(f"| format | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
        anchor = _median(found[ANCHOR], "p50")
        for label, rounds in found.items():
            size = _nbytes(folder / formats[label][1])
            print(f"| {label} | {_row(rounds, size, anchor, statistics.median(bare))} |")
        print("\n| separate files, MB | 1 | 2 | 4 | 8 |\n|---|---|---|---|---|")
        for label in ("embzip .embz", "embzip .tflite"):
            runner, file = formats[label]
            counts = [
                _child("several", str(folder / file), str(count), name)["mb"]
                for count in (1, 2, 4, 8)
            ]
            print(f"| {label} | {' | '.join(f'{mb:.0f}' for mb in counts)} |")


def _child(*arguments: str) -> dict[str, float]:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench_serving_child", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{arguments}: {done.stderr[-2000:]}")
    lines = done.stdout.splitlines()
    figures: dict[str, float] = json.loads(lines[-1]) if lines else {}
    return {**figures, "wall": time.perf_counter() - started}


def _median(rounds: list[dict[str, float]], key: str) -> float:
    return statistics.median(figures[key] for figures in rounds)


def _row(rounds: list[dict[str, float]], size: int, anchor: float, bare: float) -> str:
    p50 = _median(rounds, "p50")
    cells = [
        f"{size:,}", f"{_median(rounds, 'load'):.3f}", f"{_median(rounds, 'first'):.2f}",
        f"{p50:.3f}", f"{p50 / anchor:.2f}", f"{_median(rounds, 'p99'):.3f}",
        f"{_median(rounds, 'one'):,.0f}", f"{_median(rounds, 'two'):,.0f}",
        f"{_median(rounds, 'mb_import'):.0f}", f"{_median(rounds, 'mb_load'):.0f}",
        f"{_median(rounds, 'mb_peak'):.0f}", f"{_median(rounds, 'wall') - bare:.2f}",
    ]  # fmt: skip
    return " | ".join(cells)


def _nbytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def measured(
    load: Callable[[], Predict], texts: Sequence[str], imported: float
) -> dict[str, float]:
    """Return the figures of one process: what a child does once its runner is imported."""
    started = time.perf_counter()
    predict = load()
    loaded = time.perf_counter()
    after = resident_mb()
    predict(texts[:1])
    first = time.perf_counter()
    taken = []
    for index in range(CALLS):
        before = time.perf_counter()
        predict(texts[index % len(texts) :][:1])
        taken.append(1000 * (time.perf_counter() - before))
    batches = [texts[at : at + BATCH] for at in range(0, len(texts) - BATCH + 1, BATCH)]
    speeds = []
    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(predict, batches[:threads]))
            before = time.perf_counter()
            list(pool.map(predict, batches))
            speeds.append(BATCH * len(batches) / (time.perf_counter() - before))
    peak = next(
        int(line.split()[1]) * 1024 / 1e6
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    taken.sort()
    return {
        "mb_import": imported, "load": loaded - started, "mb_load": after, "mb_peak": peak,
        "first": 1000 * (first - loaded), "p50": statistics.median(taken),
        "p99": taken[int(0.99 * len(taken))], "one": speeds[0], "two": speeds[1],
    }  # fmt: skip


if __name__ == "__main__":
    main()
