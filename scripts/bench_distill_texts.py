"""What texts without labels add, for `scripts.bench_distill`: one half of the labels is left out.

The teacher learns from the half that keeps its labels; its vectors are of all texts. Three students
learn from it: of that half alone, of that half with as many copies as make up for the texts of the
other, and of both, the other half without labels. Dev is told; test is not read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

import embzip
from scripts.bench_distill_cells import FIGURES, LONG, Task, in_order, judged

COPIES = 4  # of each text, the default
STUDENTS = ("half", "more copies", "texts")
Record = dict[str, Any]


def unlabelled(task: Task, size: str) -> Record:
    """Return the teacher of one half of the labels, and what its students are, on dev."""
    from embzip import tf

    train, dev = task.parts()
    first = tf.fold_of([example.text for example in train], 2) == 0
    half = [train[place] for place in np.flatnonzero(first)]
    others = [train[place].text for place in np.flatnonzero(~first)]
    vectors = embzip.load(task.folder / "vectors.embz")
    taught = tf.train(
        half, vectors, dev=dev, seed=task.seed, max_length=LONG.get(task.data)
    ).classifier
    options: dict[str, Record] = {
        "half": {},
        "more copies": {"copies": round((1 + COPIES) * len(train) / len(half)) - 1},
        "texts": {"texts": others},
    }
    found: Record = {"labelled": len(half), "unlabelled": len(others)}
    found["teacher"], _ = judged(taught, dev)
    for name in STUDENTS:
        made = tf.distill(
            taught, half, dev=dev, size=size, seed=task.seed, **{"copies": COPIES, **options[name]}
        )
        said, _ = judged(made.classifier, dev)
        found[name] = {**said, "log_loss": made.student.log_loss, "kl": made.student.kl}
    return found


def with_texts() -> str:
    """Return the table of students with and without further texts, on dev."""
    rows = []
    for cell, record in in_order("texts"):
        figures = [f"{_figure(cell.data, record[name]):.4f}" for name in ("teacher", *STUDENTS)]
        divergences = [f"{record[name]['kl']:.4f}" for name in STUDENTS]
        rows.append(
            f"| {cell.data} | {cell.seed} | {cell.size} | {record['labelled']:,} "
            f"| {record['unlabelled']:,} | {' | '.join([*figures, *divergences])} |"
        )
    if not rows:
        return ""
    return "\n".join(
        [
            "Students with and without texts that have no label (`--texts`), where half of the "
            "labels are left out: on dev, accuracy, of ru_ok_toxic macro-F1; KL from the teacher "
            "in nats. *More copies* has as many lessons as *texts*.",
            "",
            "| data | seed | size | labelled | without label | teacher | half | more copies "
            "| texts | KL: half | more copies | texts |",
            "|---" * 12 + "|",
            *rows,
        ]
    )


def _figure(data: str, record: Mapping[str, Any]) -> float:
    return float(record[FIGURES.get(data, "accuracy")])
