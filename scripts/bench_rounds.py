"""word2vec in rounds on shards of a corpus, beside plain word2vec and PPMI: accuracy and time.

    python -m scripts.bench_rounds data -o bench/rounds
    python -m scripts.bench_rounds data -o bench/rounds --table

Words and vectors of `--dim` columns come from the training texts without their dev tenth, with
defaults else (so many epochs that ten million tokens are read, 5 to 30). Two classifiers that take
the mean of a text's rows are trained on them; figures are their accuracy on dev, which also chooses
the epoch; test is not read. In `frozen` the table stays as it is, which shows the vectors
themselves; in `trained` it is trained along. `plain, rate x 4, epochs / 4` is plain word2vec with
the learning rate of four shards, and the time of one of them: what of a gain is the rate's.

Times are of CPU, in one process of one thread. `on N machines` is a model: what the client does,
and of every round the slowest shard, were each shard a machine's; weights are not sent in it.
Each cell is a file under `scripts/cells/rounds`, which is not computed again.
"""

import argparse
import json
import os
import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

import embzip
from embzip.files.writing import write_bytes
from embzip.labelled.splits import split_examples
from embzip.threads import ONE_THREAD
from scripts.bench_texts import examples_file
from scripts.rounds import Taken, in_rounds, training_by

SETS = ("ru_avito", "tagmynews", "debian-topic")


class Setting(NamedTuple):
    """How vectors are trained: in rounds of so many shards, or faster for fewer epochs."""

    method: Literal["word2vec", "ppmi"] = "word2vec"
    shards: int = 0
    fewer_epochs: bool = False


SETTINGS = {
    "plain": Setting(),
    "8 shards": Setting(shards=8),
    "4 shards": Setting(shards=4),
    "2 shards": Setting(shards=2),
    "plain, rate x 4, epochs / 4": Setting(fewer_epochs=True),
    "ppmi": Setting("ppmi"),
}
CELLS = Path(__file__).parent / "cells" / "rounds"


def main() -> None:
    """Compute cells, or print the table of those there are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/train.tsv.xz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--table", action="store_true", help="compute nothing, print the table")
    given = parser.parse_args()
    if not given.table:
        os.environ.update(ONE_THREAD)
        given.output.mkdir(parents=True, exist_ok=True)
        for seed in given.seeds:
            for name in given.sets:
                for setting in given.settings:
                    words = re.findall(r"\w+", setting)
                    path = CELLS / f"{name}-{'-'.join(words)}-{seed}.json"
                    if not path.exists():
                        record = cell(given.texts / name, setting, seed, given.dim, given.output)
                        path.parent.mkdir(parents=True, exist_ok=True)
                        write_bytes(path, (json.dumps(record, indent=1) + "\n").encode())
                        print(record, file=sys.stderr, flush=True)
    print(table())


def cell(folder: Path, setting: str, seed: int, dim: int, output: Path) -> dict[str, Any]:
    """Train vectors and two classifiers, and return what they took and how good they are."""
    from embzip.tf import train

    training, dev = split_examples(embzip.read_examples(examples_file(folder, "train")))
    texts = output / f"{folder.name}.txt"
    texts.write_text("".join(f"{example.text}\n" for example in training), "utf-8")
    words = embzip.build_words(texts, min_count=1)
    start = time.process_time()
    taken: Taken = []
    with ExitStack() as stack:
        if SETTINGS[setting].shards:
            stack.enter_context(training_by(in_rounds(SETTINGS[setting].shards, seed, taken)))
        elif SETTINGS[setting].fewer_epochs:
            stack.enter_context(training_by(fewer_epochs))
        vectors = embzip.train_vectors(
            texts, words, dim=dim, seed=seed, method=SETTINGS[setting].method
        )
    cpu = time.process_time() - start
    slowest = sum(map(max, taken))
    judged = {
        trainable: train(
            training, vectors, dev=dev, seed=seed, encoder="mean", trainable=trainable,
            learning_rate=rate, epochs=15, patience=15,
        )
        for trainable, rate in ((False, 1e-2), (True, 1e-3))
    }  # fmt: skip
    return {
        "set": folder.name,
        "setting": setting,
        "seed": seed,
        "dim": dim,
        "tokens": int(np.asarray(vectors.counts).sum()),
        "rows": vectors.rows,
        "cpu": round(cpu, 1),
        "apart": round(cpu - sum(map(sum, taken)) + slowest, 1),
        "rounds": len(taken),
        "frozen": max(judged[False].dev_accuracy),
        "trained": max(judged[True].dev_accuracy),
    }


def fewer_epochs(plain: Any, model: Any, *, epochs: int, **options: Any) -> None:
    """Train a quarter of the epochs, with four times the learning rate."""
    plain(model, epochs=-(-epochs // 4), start_alpha=4 * model.alpha, **options)


def table() -> str:
    """Return the table of all cells: means over seeds."""
    cells = [json.loads(path.read_text()) for path in sorted(CELLS.glob("*.json"))]
    lines = [
        "| texts | tokens | vectors | seeds | frozen | trained | rounds | CPU s "
        "| s, on N machines |\n|---|---|---|---|---|---|---|---|---|"
    ]
    for name in sorted({each["set"] for each in cells}, key=SETS.index):
        for setting in SETTINGS:
            those = [c for c in cells if (c["set"], c["setting"]) == (name, setting)]
            if those:
                mean = {
                    key: np.mean([each[key] for each in those])
                    for key in ("frozen", "trained", "cpu", "apart", "rounds")
                }
                apart = f"{mean['apart']:.1f}" if mean["rounds"] else ""
                lines.append(
                    f"| {name} | {those[0]['tokens']:,} | {setting} | {len(those)} "
                    f"| {mean['frozen']:.4f} | {mean['trained']:.4f} | {mean['rounds']:.0f} "
                    f"| {mean['cpu']:.1f} | {apart} |"
                )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
