"""The five commands of README, and fastText beside them: seconds, bytes, accuracy on test.

    git worktree add /tmp/before COMMIT
    python -m scripts.bench_chain data --before /tmp/before
    python -m scripts.bench_chain data --table

The commands are read from the README of each checkout and run as they stand there, with a seed; so
each chain has the defaults of its time. Seconds are those of whole commands, one after the other on
a machine that does nothing else. fastText (`uv sync --group bench`) gets the same words of the same
texts, supervised: with its own defaults, and with its autotune, which chooses for five minutes on
the tenth that embzip holds out too.

Each cell is a file under `scripts/cells/chain`; what is there is not run again. Test is read once a
cell, after everything was chosen.
"""

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import embzip
from embzip import Example, read_examples
from embzip.files.writing import write_bytes
from embzip.labelled.splits import split_examples
from scripts.bench_texts import examples_file

SETS = ("tagmynews", "ru_avito", "debian-topic")
CHAINS = ("before", "after", "fasttext", "fasttext-autotune")
CELLS = Path(__file__).parent / "cells" / "chain"
HERE = Path(__file__).parent.parent
SEEDED = ("train-vectors", "train", "distill")
AUTOTUNE = 300  # seconds


def main() -> None:
    """Run the cells that are missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/{train,test}.tsv.xz")
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--chains", nargs="+", default=CHAINS, choices=CHAINS)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", action="store_true", help="run nothing, print the table")
    arguments = parser.parse_args()
    for seed in () if arguments.table else arguments.seeds:
        for name in arguments.sets:
            for chain in arguments.chains:
                path = CELLS / chain / f"{name}-{seed}.json"
                if path.is_file() or (chain == "before" and arguments.before is None):
                    continue
                record = _cell(arguments.texts / name, chain, seed, arguments.before)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, (json.dumps(record, indent=1) + "\n").encode())
                print(chain, name, seed, record["accuracy"], file=sys.stderr, flush=True)
    print(table(arguments.sets))


def _cell(folder: Path, chain: str, seed: int, before: Path | None) -> dict[str, Any]:
    train, test = (read_examples(examples_file(folder, side)) for side in ("train", "test"))
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        for side, examples in (("train", train), ("test", test)):
            lines = "".join(f"{e.label}\t{e.text}\n" for e in examples)
            (place / f"{side}.tsv").write_text(lines, "utf-8")
        if chain.startswith("fasttext"):
            return _fasttext(place, train, test, seed, autotune=chain.endswith("autotune"))
        return _embzip(place, before if chain == "before" and before else HERE, seed)


def _embzip(place: Path, checkout: Path, seed: int) -> dict[str, Any]:
    """Run the five commands of a checkout's README in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    seconds: dict[str, float] = {}
    printed: dict[str, dict[str, Any]] = {}
    for command in commands_of((checkout / "README.md").read_text("utf-8")):
        name, *options = shlex.split(command)[1:]
        if name in SEEDED:
            options += ["--seed", str(seed)]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "embzip", name, *options, "--json"],
            cwd=place, env=environment, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        seconds[name] = round(time.perf_counter() - started, 1)
        printed[name] = json.loads(done.stdout)
    trained = embzip.evaluate(place / "model.embz", place / "test.tsv").to_json()
    return {
        "accuracy": trained["accuracy"],
        "macro_f1": trained["macro_f1"],
        "bytes": (place / "model.embz").stat().st_size,
        "small_accuracy": printed["evaluate"]["accuracy"],
        "small_bytes": (place / "small.embz").stat().st_size,
        "dev_accuracy": printed["train"]["dev_accuracy"],
        "seconds": seconds,
    }


def commands_of(page: str) -> list[str]:
    """Return the five commands of a README.

    >>> commands_of("The same by hand:\\n\\n```sh\\nembzip build-words a.tsv\\n```\\n")
    ['embzip build-words a.tsv']
    """
    block = re.search(r"The same by hand.*?```sh\n(.*?)```", page, re.DOTALL)
    return [] if block is None else block[1].splitlines()


def _fasttext(
    place: Path, train: list[Example], test: list[Example], seed: int, *, autotune: bool
) -> dict[str, Any]:
    """Train fastText in a process of its own: it can abort, and keeps state between trainings."""
    tokenizer = embzip.build_words(place / "train.tsv", labelled=True, min_count=1)
    kept, dev = split_examples(train) if autotune else (train, [])
    for side, examples in (("train", kept), ("dev", dev), ("test", test)):
        words = map(tokenizer.decode, tokenizer.encode([e.text for e in examples]))
        labels = ("_".join(e.label.split()) for e in examples)
        lines = [f"__label__{label} {text}\n" for label, text in zip(labels, words, strict=True)]
        (place / f"{side}.txt").write_text("".join(lines), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _FASTTEXT, str(seed), str(AUTOTUNE if autotune else 0)],
        cwd=place, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**record, "bytes": (place / "model.bin").stat().st_size}


_FASTTEXT = """
import json, sys, time
import fasttext
seed, tuned = map(int, sys.argv[1:])
options = {"autotuneValidationFile": "dev.txt", "autotuneDuration": tuned} if tuned else {}
started = time.perf_counter()
model = fasttext.train_supervised("train.txt", seed=seed, verbose=0, **options)
seconds = time.perf_counter() - started
model.save_model("model.bin")
_, accuracy, _ = model.test("test.txt")
print(json.dumps({"accuracy": accuracy, "seconds": {"train": round(seconds, 1)}}))
"""


def table(sets: list[str]) -> str:
    """Return the table of the cells there are."""
    lines = [
        "| data | chain | seeds | accuracy (each) | MB | after compression | MB | s, whole chain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in sets:
        for chain in CHAINS:
            paths = sorted((CELLS / chain).glob(f"{name}-*.json"))
            cells = [json.loads(path.read_text()) for path in paths]
            if not cells:
                continue
            each = ", ".join(f"{cell['accuracy']:.4f}" for cell in cells)
            small = small_bytes = ""
            if "small_bytes" in cells[0]:
                small = f"{_mean(cells, 'small_accuracy'):.4f}"
                small_bytes = f"{_mean(cells, 'small_bytes') / 1e6:.2f}"
            seconds = statistics.median(sum(cell["seconds"].values()) for cell in cells)
            lines.append(
                f"| {name} | {chain} | {len(cells)} | {_mean(cells, 'accuracy'):.4f} ({each}) "
                f"| {_mean(cells, 'bytes') / 1e6:.1f} | {small} | {small_bytes} | {seconds:.0f} |"
            )
    return "\n".join(lines)


def _mean(cells: list[dict[str, Any]], key: str) -> float:
    return float(statistics.mean(cell[key] for cell in cells))


if __name__ == "__main__":
    main()
