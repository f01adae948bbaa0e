"""What an epoch costs, before and after a change: steps of two checkouts in turn.

    git worktree add /tmp/before COMMIT
    python -m scripts.bench_epoch data --before /tmp/before

The table has a row for every word, 300 wide, float32 and trainable. Each figure is of a process of
its own, which trains for some steps, the batches' making included, and reports their mean times the
steps of an epoch, and its peak memory; the processes take turns, so that all see the same machine,
and of the turns the median counts. `before` and `after` are trained with the same options (batches
of 64, Keras' Adam), `auto` with the optimizer that is chosen for the table, `frozen` with the table
left as it is. Without --before, that column stays empty.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import embzip
from embzip import Example, read_examples
from scripts.bench_texts import SETS, examples_file

DIM, BATCH = 300, 64
HERE = Path(__file__).parent.parent
VARIANTS: dict[str, dict[str, Any]] = {
    "before": {"optimizer": "adam"},
    "after": {"optimizer": "adam"},
    "auto": {},
    "frozen": {"trainable": False},
}


def main() -> None:
    """Time the steps and print a row for each set; or, as a child, time one variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/train.tsv.xz; of a child, a set's")
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--child", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_measured(arguments.texts, arguments.table, arguments)))
        return
    print("| data | rows | s an epoch: before | after | auto | frozen | before / after "
          "| before / auto | peak MB: before | after | auto |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name in arguments.sets:
        print(_row(arguments.texts / name, arguments), flush=True)


def _row(folder: Path, arguments: argparse.Namespace) -> str:
    examples = examples_file(folder, "train")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    if arguments.before is None:
        del found["before"]
    with tempfile.TemporaryDirectory() as temporary:
        table = Path(temporary, "table.embz")
        texts = Path(temporary, "texts.txt")
        texts.write_text("".join(f"{e.text}\n" for e in read_examples(examples)), "utf-8")
        words = embzip.build_words(texts, min_count=1)
        rows = len(words.vocabulary)
        matrix = np.random.default_rng(0).normal(0, 0.1, (rows, DIM)).astype(np.float32)
        vectors = embzip.Vectors(words.vocabulary, matrix, tokenizer=words)
        embzip.save(embzip.compress(vectors, "float32"), table)
        for _ in range(arguments.turns):
            for variant, measured in found.items():
                checkout = arguments.before if variant == "before" else HERE
                command = [sys.executable, __file__, str(examples), "--table", str(table)]
                command += ["--child", variant, "--steps", str(arguments.steps)]
                environment = {**os.environ, "PYTHONPATH": str(checkout)}
                done = subprocess.run(
                    command, env=environment, stdout=subprocess.PIPE, check=True, cwd=temporary
                )
                measured.append(json.loads(done.stdout))
    seconds, peak = (
        {name: statistics.median(one[key] for one in runs) for name, runs in found.items()}
        for key in ("seconds", "peak_mb")
    )
    ratios = [
        f"{seconds['before'] / seconds[name]:.1f}" if "before" in seconds else ""
        for name in ("after", "auto")
    ]
    cells = [
        folder.name, f"{rows:,}",
        *(f"{seconds[name]:.1f}" if name in seconds else "" for name in VARIANTS), *ratios,
        *(f"{peak[name]:,.0f}" if name in peak else "" for name in ("before", "after", "auto")),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _measured(path: Path, table: Path, arguments: argparse.Namespace) -> dict[str, float]:
    examples = read_examples(path)
    options = VARIANTS[arguments.child]
    seconds = step_seconds(examples, embzip.load(table), arguments.steps, BATCH, **options)
    steps = -(-len(examples) // BATCH)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds * steps, "peak_mb": peak}


def step_seconds(
    examples: list[Example], table: Any, steps: int, batch_size: int, **options: Any
) -> float:
    """Return the mean seconds of so many steps of the first epoch, after three."""
    from embzip import tf

    ends: list[float] = []

    def progress(*_: object) -> None:
        ends.append(time.perf_counter())
        if len(ends) == steps + 3:  # the first traces the graph, the next fill caches
            raise _Enough

    with contextlib.suppress(_Enough):
        tf.train(examples, table, epochs=1, batch_size=batch_size, progress=progress, **options)
    return (ends[-1] - ends[2]) / (len(ends) - 3)


class _Enough(Exception):
    """All steps were timed."""


if __name__ == "__main__":
    main()
