"""What compressing costs in accuracy: seven data sets, words and BPE, three seeds, no fine-tuning.

    python -m scripts.bench_task data -o bench/task
    python -m scripts.bench_task data -o bench/task --table

For each data set, tokenizer and seed one model is trained in a process of its own: skip-gram
word2vec, then the shallow CNN with a trainable table; dev (its own file, or a tenth of train by a
fixed hash) chooses the epoch. `rebuild` then replaces the table, and nothing is trained again.
Sizes count every byte: `tcq` gets so many bits that codes and class tables together take the rate
asked for. Trained models stand under OUTPUT/steps; what codecs make of them is kept in a small file
a model under `scripts/cells/task`, and is not measured again: remove a codec there where its code
has changed. All data sets are done with seed 0, then with seed 1, and so on, so that a run that is
cut off has whole seeds.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

import embzip
from embzip import read_examples, rebuild
from embzip.codecs.row_classes.tcq import Tcq
from embzip.codecs.spec import one_stage
from embzip.evaluation.accuracy import mean_kl
from embzip.files.writing import write_bytes
from embzip.pipeline.steps import Steps
from scripts.bench_task_models import TOKENIZERS, Settings, Task, answers_of, model_step
from scripts.bench_task_tables import Outcome, detail_table, summary_table
from scripts.bench_texts import SETS, examples_file

CELLS = Path(__file__).parent / "cells" / "task"
# '@2.2' stands for `svd|tcq` with so many bits that all stored bytes take 2.2 bits a number, and
# 'auto@1' for what `auto` chooses at 1 bit; options of `tcq` may follow.
CODECS = ("int8", "svd:64|int8", "int4", "@2.2", "@1.2", "@1", "@0.7", "auto@1", "auto@0.5")


def main() -> None:
    """Train, rebuild, read test, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/{train,test[,dev]}.tsv.xz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--tokenizers", nargs="+", default=TOKENIZERS, choices=TOKENIZERS)
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--codecs", nargs="+", default=CODECS)
    parser.add_argument("--table", action="store_true", help="compute nothing, print the tables")
    given = parser.parse_args()
    started = time.perf_counter()

    def log(line: str) -> None:
        print(f"{time.perf_counter() - started:7.0f} s  {line}", file=sys.stderr, flush=True)

    tasks = [
        Task(given.texts / name, tokenizer, seed, Settings())
        for seed in given.seeds
        for name in given.sets
        for tokenizer in given.tokenizers
    ]
    if not given.table:
        steps = Steps(given.output, log=log)
        for task in tasks:
            measure(steps, task, ("float32", *given.codecs))
    outcomes = list(outcomes_of(tasks, ("float32", *given.codecs)))
    print(summary_table(outcomes), end="\n\n")
    print(detail_table(outcomes))


def measure(steps: Steps, task: Task, codecs: Iterable[str]) -> None:
    """Write what is missing in a model's cell; the model is trained only where something is."""
    path = CELLS / f"{task.name}.json"
    cell = json.loads(path.read_text()) if path.exists() else {}
    missing = [codec for codec in codecs if codec not in cell]
    if not missing:
        return
    trained = steps.folder(model_step(task)) / "model.embz"
    test = read_examples(examples_file(task.folder, "test"))
    before = embzip.load_classifier(trained)
    reference, right = answers_of(before, test)
    for codec in missing:
        after, spec = before, "float32"
        if codec != "float32":
            spec = spec_of(codec, *before.embedding.shape)
            after = rebuild(before, codec=spec, seed=task.seed)
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder, "model.embz")
            after.save(written)
            file_bytes = written.stat().st_size
            # What is measured is what the file holds, not what was in memory.
            probabilities, found = answers_of(embzip.load_classifier(written), test)
        cell[codec] = {
            "spec": after.embedding.codec.spec,
            "numbers": math.prod(before.embedding.shape),
            "table_bytes": after.embedding.nbytes,
            "file_bytes": file_bytes,
            "rows": len(test),
            "accuracy": float(found.mean()),
            "kl": mean_kl(reference, probabilities),
            "agreement": float((reference.argmax(1) == probabilities.argmax(1)).mean()),
            "won": np.flatnonzero(found & ~right).tolist(),
            "lost": np.flatnonzero(right & ~found).tolist(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{json.dumps(name)}: {json.dumps(each)}" for name, each in cell.items()]
        write_bytes(path, ("{" + ",\n".join(lines) + "}\n").encode())


def outcomes_of(tasks: Iterable[Task], codecs: Iterable[str]) -> Iterable[Outcome]:
    """Yield what the cells say, of the models that have all codecs."""
    codecs = list(codecs)
    for task in tasks:
        path = CELLS / f"{task.name}.json"
        cell = json.loads(path.read_text()) if path.exists() else {}
        if set(codecs) <= set(cell):
            for codec in codecs:
                yield Outcome(task.folder.name, task.tokenizer, task.seed, codec, **cell[codec])


def spec_of(codec: str, rows: int, dim: int) -> str:
    """Return the codec's spec; for '@BITS[,options]' the `svd|tcq` whose bytes take BITS a number.

    Folding leaves the quantizer alone in the file, so its layout is all that counts.

    >>> spec_of("int8", 1000, 300), spec_of("@2.2", 40_000, 300), spec_of("auto@1", 40_000, 300)
    ('int8', 'svd|tcq:2.195', 'auto:37.5B/row')
    >>> spec_of("@2.2,states=128", 40_000, 300)
    'svd|tcq:2.195,states=128'
    """
    if codec.startswith("auto@"):
        return f"auto:{float(codec.removeprefix('auto@')) * dim / 8:g}B/row"
    if not codec.startswith("@"):
        return codec
    quantizer = Tcq.from_stage(one_stage(f"tcq:{codec[1:]}"))
    beyond = max(0.0, 8 * quantizer.layout(rows, dim).nbytes / (rows * dim) - quantizer.bits)
    bits = math.floor(1000 * (quantizer.bits - beyond)) / 1000
    return f"svd|{replace(quantizer, bits=bits).stage}"


if __name__ == "__main__":
    main()
