"""What it takes to serve one classifier in each format, every figure from a fresh process.

    .uv/bin/uv sync --locked --extra all --group bench
    python -m scripts.bench_serving data/tagmynews [--files DIR] [--formats NAME ...]

The original is the anchor: a 220,000 x 300 float32 table (the corpus' words, filled up with GloVe's
most frequent), windows 1,1,2,3 x 128 filters, 50 tokens; what TensorFlow's converter makes of its
Keras model with dynamic-range quantization is what times are divided by. Its numbers are random,
for only time and memory are measured; the texts are the corpus'. embzip's rows are the same
classifier rebuilt with --codec. Tokenization is included on all sides, by the same tokenizer but
for fastText, and every process computes in one thread; "2 threads" are two that predict batches of
64 at once. Processes of all formats run in turn; figures are medians over --rounds, MB are 10^6
bytes of resident memory. Making the files takes 10 GB and some minutes; --files keeps them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ANCHOR, SERVED = "LiteRT dynamic-range", "embzip .tflite, int8"
COUNTS = (1, 2, 4, 8)
COLUMNS = (
    "bytes", "load s", "first ms", "p50 ms", "p50 / anchor", "p99 ms", "texts/s, 1 thread",
    "2 threads", "MB import", "MB load", "MB peak", "cold s",
)  # fmt: skip
# NumPy's BLAS, TensorFlow within and between operations; LiteRT is told by embzip.
_ONE_THREAD = dict.fromkeys(
    (
        "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ),
    "1",
)  # fmt: skip
Figures = dict[str, float]


def main() -> None:
    """Make the files, run the children in turn, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder with train.tsv.xz")
    parser.add_argument("--rows", type=int, default=220_000)
    parser.add_argument("--codec", default="svd:64|int8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--formats", nargs="+", metavar="NAME", help="beside the anchor; all where left out"
    )
    parser.add_argument("--files", type=Path, help="a folder that keeps the files for other runs")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="embzip-serving-") as temporary:
        folder = arguments.files or Path(temporary)
        name = str(folder)
        made = _made(folder, str(arguments.data.resolve()), str(arguments.rows), arguments.codec)
        formats: dict[str, tuple[str, str]] = json.loads((folder / "formats.json").read_text())
        wanted = {ANCHOR, SERVED, *(arguments.formats or formats)}
        if unknown := wanted - set(formats):
            sys.exit(f"no format {sorted(unknown)[0]!r}: there are {', '.join(formats)}")
        formats = {label: made_of for label, made_of in formats.items() if label in wanted}
        found: dict[str, list[Figures]] = {label: [] for label in formats}
        bare = []
        for _ in range(arguments.rounds):
            bare.append(child("nothing"))
            for label, (runner, file) in formats.items():
                found[label].append(child("measure", runner, str(folder / file), name))
        print(f"| format | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
        for label, rounds in found.items():
            size = _nbytes(folder / formats[label][1])
            print(f"| {label} | {_row(rounds, size, found[ANCHOR], bare)} |")
        mb, cold = median(bare, "mb"), median(bare, "cold")
        print(f"\nPython alone: {mb:.0f} MB, {cold:.3f} s, which `cold s` is beyond.\n")
        memory = {
            (kind, count): child("several", kind, str(count), name)["mb"]
            for count in COUNTS
            for kind in ("small.embz", "small.tflite", "kit.embz", "kit.tflite")
        }
        _print_memory(memory, mb, made["head_mb"])
        served = ratio(found[SERVED], found[ANCHOR])
        print(
            f"\n{SERVED}: p50 {served:.2f} of the anchor's (goal 0.5), first label after "
            f"{median(found[SERVED], 'cold') - cold:.2f} s (goal 0.3), "
            f"{median(found[SERVED], 'mb_first') - mb:.0f} MB (goal 60) beyond Python's own."
        )


def _made(folder: Path, *wanted: str) -> Figures:
    """Make the files, or find them made of the same data, rows and codec."""
    record = folder / "made.json"
    if record.is_file():
        kept: dict[str, Any] = json.loads(record.read_text())
        if kept["wanted"] != list(wanted):
            sys.exit(f"{folder}: its files were made of {kept['wanted']}: name another folder")
        figures: Figures = kept["figures"]
        return figures
    folder.mkdir(exist_ok=True)
    figures = child("make", *wanted, str(folder))
    child("fasttext", str(Path(wanted[0], "train.tsv.xz")), "300", str(folder))
    record.write_text(json.dumps({"wanted": wanted, "figures": figures}))
    return figures


def child(*arguments: str) -> Figures:
    """Return what a process of `scripts.bench_serving_child` found."""
    environment = (
        os.environ if arguments[0] in ("make", "fasttext") else {**os.environ, **_ONE_THREAD}
    )
    started = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench_serving_child", str(started), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode != 0:
        sys.exit(f"{arguments}: {done.stderr[-2000:]}")
    print(f"{time.time() - started:6.1f} s {' '.join(arguments[:3])}", file=sys.stderr)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def median(rounds: list[Figures], key: str) -> float:
    """Return the median of a figure over the rounds."""
    return statistics.median(figures[key] for figures in rounds)


def ratio(rounds: list[Figures], anchor: list[Figures]) -> float:
    """Return p50 over the anchor's, taken round by round: a busy moment slows both down."""
    return statistics.median(
        own["p50"] / other["p50"] for own, other in zip(rounds, anchor, strict=True)
    )


def _row(rounds: list[Figures], size: int, anchor: list[Figures], bare: list[Figures]) -> str:
    of_anchor = ratio(rounds, anchor)
    cells = [
        f"{size:,}", f"{median(rounds, 'load'):.3f}", f"{median(rounds, 'first'):.2f}",
        f"{median(rounds, 'p50'):.3f}", f"{of_anchor:.2f}", f"{median(rounds, 'p99'):.3f}",
        f"{median(rounds, 'one'):,.0f}", f"{median(rounds, 'two'):,.0f}",
        f"{median(rounds, 'mb_import'):.0f}", f"{median(rounds, 'mb_load'):.0f}",
        f"{median(rounds, 'mb_peak'):.0f}",
        f"{median(rounds, 'cold') - median(bare, 'cold'):.2f}",
    ]  # fmt: skip
    return " | ".join(cells)


def _print_memory(memory: dict[tuple[str, int], float], bare: float, head: float) -> None:
    """Print what several models take beyond Python's own memory, after a prediction of each."""
    rows = {
        "separate .embz": "small.embz",
        "kit.embz, mapped": "kit.embz",
        "separate .tflite": "small.tflite",
        "kit.tflite": "kit.tflite",
    }
    columns = " | ".join(map(str, COUNTS))
    print(f"| MB beyond Python's own, models | {columns} | 8 / (1 + 7 heads) |")
    print(f"|{'---|' * (len(COUNTS) + 2)}")
    for label, kind in rows.items():
        taken = [memory[kind, count] - bare for count in COUNTS]
        shared = taken[-1] / (taken[0] + (COUNTS[-1] - 1) * head)
        print(f"| {label} | {' | '.join(f'{mb:.1f}' for mb in taken)} | {shared:.2f} |")
    print(f"\nA head has {head:.2f} MB.")


def _nbytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    main()
