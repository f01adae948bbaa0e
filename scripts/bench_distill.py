"""How small a distilled student is at which loss, beside its teacher, fastText and other ways.

    python -m scripts.bench_distill data -o bench/distill --sets trec --seeds 0 --hours 2
    python -m scripts.bench_distill data -o bench/distill --table

The teacher is README's chain before compression: all words, 300 numbers, float32, the defaults of
`train-vectors` and `train`. Each seed has vectors, a teacher, fold teachers and students of its
own. Dev is the tenth that `train` and `distill` hold out, also where a set has a file for it. It
makes every choice; test is read once a model. Parts:

    teacher   accuracy, and the bytes of the file; of the same with int8 table and kernels too
    folds     four fold teachers; seconds
    student   `embzip.tf.distill` at a size, nothing set by hand
    codec     the teacher over the best `svd:R|tcq:B` for dev that is at most so large
    fasttext  fastText's best quantized model of at most that size (`bench_distill_fasttext`)
    mean      a student without convolutions, as model2vec's: the mean of rows, a dense layer
    shapes    that size beside shapes picked by hand, on dev (`bench_distill_shapes`); if asked for
    texts     students with and without texts that have no label (`bench_distill_texts`); the same
    ways      students made in other ways, on dev (`bench_distill_ways`); the same

A cell (part, set, seed, size) is a small file under `scripts/cells/distill` and is not computed
again. Classifiers and predictions stay under OUTPUT; without the teacher's file there, teacher and
fold teachers are made anew. A size is that of a whole file as written; 1 KB is 1,000 bytes.
"""

import argparse
import multiprocessing
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import embzip
from embzip import Classifier
from embzip.errors import InputError
from scripts.bench_distill_cells import (
    LONG,
    SIZES,
    TARGETS,
    Cell,
    Task,
    cells_of,
    compared,
    judged,
)
from scripts.bench_distill_fasttext import fasttext, fasttext_full
from scripts.bench_distill_peers import codec, mean
from scripts.bench_distill_shapes import shapes
from scripts.bench_distill_tables import tables
from scripts.bench_distill_texts import unlabelled
from scripts.bench_distill_ways import ways
from scripts.bench_texts import SETS
from scripts.peaks import peak

PARTS = ("teacher", "folds", "student", "codec", "fasttext", "mean")
ASKED = ("shapes", "texts", "ways")  # run only where they are named
FOLDS = 4


def main() -> None:
    """Compute the cells that are missing, or print the tables of those there are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/{train,test}.tsv.xz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=(*SETS, *LONG))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--sizes", type=_size, nargs="+", default=SIZES, help="such as 64KB")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=(*PARTS, *ASKED))
    parser.add_argument("--targets", default="both", choices=TARGETS, help="of students")
    parser.add_argument("--hours", type=float, help="after which no cell is begun")
    parser.add_argument("--table", action="store_true", help="compute nothing, print the tables")
    given = parser.parse_args()
    if not given.table:
        _compute(given)
    print(tables(given.texts))


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*KB", text):
        raise argparse.ArgumentTypeError(f"a size is a number of KB, as 64KB, received {text}")
    return text


def _compute(given: argparse.Namespace) -> None:
    started = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    # A process a cell: TensorFlow does not give all memory back.
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        for cell in cells_asked(given.parts, given.sets, given.seeds, given.sizes, given.targets):
            task = Task(given.texts, given.output, cell.data, cell.seed)
            if done(cell, task):
                continue
            if given.hours is not None and time.perf_counter() - started > 3600 * given.hours:
                print(f"{given.hours} hours are over before {cell}", file=sys.stderr)
                return
            begun = time.perf_counter()
            record = pool.submit(run, cell, task).result()
            cell.write(record)
            said = record.get("none") or " ".join(f"{k} {record[k]}" for k in _SAID if k in record)
            seconds = time.perf_counter() - begun
            print(f"{cell.part:9} {cell.name:24} {seconds:5.0f} s  {said}", file=sys.stderr)


_SAID = ("bytes", "packed_bytes", "dev_accuracy", "dev", "accuracy")


def cells_asked(
    parts: list[str], sets: list[str], seeds: list[int], sizes: list[str], targets: str
) -> Iterator[Cell]:
    """Return cells in the order in which they are computed: what others need comes first."""
    for seed in seeds:
        for data in sets:
            for part in sorted(parts, key=(*PARTS, *ASKED).index):
                if part == "fasttext":
                    yield Cell("fasttext-full", data, seed)
                if part in ("teacher", "folds"):
                    yield Cell(part, data, seed)
                else:
                    chosen = targets if part == "student" else "both"
                    yield from (Cell(part, data, seed, size, chosen) for size in sizes)


def done(cell: Cell, task: Task) -> bool:
    """Say whether a cell is there, and, of teachers, the files that others need."""
    files = {"teacher": [_teacher(task)], "folds": [_fold(task, i) for i in range(FOLDS)]}
    return all(path.is_file() for path in (cell.path, *files.get(cell.part, ())))


def run(cell: Cell, task: Task) -> dict[str, Any]:
    """Return the record of a cell."""
    if cell.part == "fasttext-full":
        return fasttext_full(task)
    if cell.part == "fasttext":
        return fasttext(task, cell.nbytes)
    if cell.part == "teacher":
        return teacher(task)
    path = _teacher(task)
    known = cells_of("teacher").get(Cell("teacher", cell.data, cell.seed))
    if known is None or not path.is_file():
        sys.exit(f"{path} is not there: run --parts teacher first")
    if cell.part == "texts":
        return unlabelled(task, cell.size)
    taught = embzip.load_classifier(path)
    if cell.part == "folds":
        return folds(task, taught)
    if cell.part == "codec":
        small, record = codec(task, taught, cell.nbytes)
    else:
        folds_needed = [_fold(task, i) for i in range(FOLDS)] if cell.targets != "own" else []
        if missing := [path for path in folds_needed if not path.is_file()]:
            sys.exit(f"{missing[0]} is not there: run --parts folds first")
        asked = [embzip.load_classifier(path) for path in folds_needed]
        share = TARGETS[cell.targets]
        on_dev = {"shapes": shapes, "ways": ways}
        if cell.part in on_dev:
            return on_dev[cell.part](task, taught, asked, share, cell.size)
        if cell.part == "mean":
            small, record = mean(task, taught, asked, share, cell.nbytes)
        else:
            small, record = student(task, taught, asked, share, cell.size)
    if small is None:
        return record
    file = task.folder / f"{cell.part}-{cell.name}.embz"
    written = _bytes(small, file)
    test = task.test()
    found, probabilities = judged(embzip.load_classifier(file), test, file.with_suffix(".npz"))
    with np.load(_answers(task)) as kept:
        before = compared(found, probabilities, known, kept["probabilities"])
    return {**written, **record, **found, **before}


def teacher(task: Task) -> dict[str, Any]:
    """Train vectors and a classifier, keep both, and return what the classifier is."""
    from embzip import tf

    train = task.path("train")
    started = time.perf_counter()
    words = embzip.build_words(train, labelled=True, min_count=1)
    vectors = embzip.train_vectors(train, words, labelled=True, seed=task.seed)
    vector_seconds = time.perf_counter() - started
    embzip.save(embzip.compress(vectors, "float32"), _vectors(task), counts=True)
    started = time.perf_counter()
    result = tf.train(task.examples(), vectors, seed=task.seed, max_length=LONG.get(task.data))
    seconds = time.perf_counter() - started
    made = result.classifier
    file = task.folder / "measured.embz"
    written = _bytes(made, file)
    coded = _bytes(embzip.rebuild(made, codec="int8", kernels="int8"), file)
    file.unlink()
    _, dev = task.parts()
    on_dev = embzip.evaluate(made, dev, resamples=1)
    record, _ = judged(made, task.test(), _answers(task))
    counted = replace(made, embedding=replace(made.embedding, counts=vectors.counts))
    counted.save(_teacher(task), counts=True)
    return {
        **written,
        **{f"int8_{name}": size for name, size in coded.items()},
        "words": len(words.vocabulary) - 2,
        "vector_seconds": round(vector_seconds, 1),
        "seconds": round(seconds, 1),
        "best_epoch": result.run.best_epoch,
        "dev_accuracy": on_dev.accuracy,
        "dev_macro_f1": on_dev.macro_f1,
        **record,
    }


def folds(task: Task, taught: Classifier) -> dict[str, Any]:
    """Train the fold teachers, keep them, and return what they are on dev."""
    from embzip import tf

    started = time.perf_counter()
    vectors = embzip.load(_vectors(task))
    made = tf.fold_teachers(taught, task.examples(), vectors, folds=FOLDS)
    seconds = time.perf_counter() - started
    _, dev = task.parts()
    for index, each in enumerate(made):
        each.save(_fold(task, index))
    accuracies = [embzip.evaluate(each, dev, resamples=1).accuracy for each in made]
    return {"seconds": round(seconds, 1), "dev_accuracy": accuracies}


def student(
    task: Task, taught: Classifier, asked: list[Classifier], share: float, size: str
) -> tuple[Classifier | None, dict[str, Any]]:
    """Distil a student of a size; return it and what is known of it but for test."""
    from embzip import tf

    started = time.perf_counter()
    try:
        result = tf.distill(
            taught,
            task.examples(),
            size=size,
            fold_teachers=asked,
            fold_share=share,
            seed=task.seed,
        )
    except InputError as error:
        if "bytes" not in str(error):
            raise
        return None, {"none": str(error)}
    return result.classifier, {
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mb": round(peak() / 1e6),
        "shape": asdict(result.shape),
        "dev_accuracy": result.student.accuracy,
        "dev_macro_f1": result.student.macro_f1,
        "dev_kl": result.student.kl,
        "float_accuracy": result.float_accuracy,
        "rounded_accuracy": result.rounded_accuracy,
        "tuned_accuracy": result.tuned_accuracy,
    }


def _bytes(classifier: Classifier, file: Path) -> dict[str, int]:
    """Return the bytes of a classifier's file, packed and not; the packed one stays."""
    classifier.save(file)
    plain = file.stat().st_size
    classifier.save(file, pack=True)
    return {"bytes": plain, "packed_bytes": file.stat().st_size}


def _teacher(task: Task) -> Path:
    return task.folder / "teacher.embz"


def _answers(task: Task) -> Path:
    return task.folder / "teacher.npz"


def _vectors(task: Task) -> Path:
    return task.folder / "vectors.embz"


def _fold(task: Task, index: int) -> Path:
    return task.folder / f"fold-{index}.embz"


if __name__ == "__main__":
    main()
