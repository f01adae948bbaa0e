"""What `embzip.search` finds by itself: at a drop, at sizes, on two workers, and after kills.

    python -m scripts.bench_search data -o bench/search --sets trec --parts drop
    python -m scripts.bench_search data -o bench/search --table

Every search trains its own teachers, on training texts without the dev tenth, whose two halves
choose and judge; test is read by the search, once, after its gate. Minutes count from the end of
the teachers' training; a later search of the same texts takes them over. Parts:

    drop      the smallest file that loses at most half a point, 15 minutes
    30KB, 100KB   the best file of that size, 6 minutes each
    fasttext-30KB, fasttext-100KB   fastText's own autotune at that size, 6 minutes, same dev texts
    workers   trials that one and two workers end in 6 minutes
    kills     a search of 12 trials that is killed at random times, against one that is not

A cell (part, set) is a small file under `scripts/cells/search`, and is not computed again. A search
that was interrupted goes on in its folder under OUTPUT. One seed.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Any

import embzip
from embzip.classifier import load_classifier
from embzip.evaluation.verdicts import verdict_on
from embzip.files.writing import write_bytes
from embzip.labelled.splits import split_examples
from scripts.bench_distill_cells import FIGURES
from scripts.bench_distill_fasttext import label_of
from scripts.bench_distill_fasttext_child import THREADS
from scripts.bench_search_tables import CELLS, tables
from scripts.bench_texts import SETS, examples_file

MINUTES = {"drop": 15.0, "30KB": 6.0, "100KB": 6.0, "workers": 6.0}
PARTS = ("drop", "30KB", "100KB", "fasttext-30KB", "fasttext-100KB", "workers", "kills")
_KILLED_TRIALS, _KILLS = 12, 100
_LIVES = 1, 30  # seconds after which a search is killed
_REPRODUCED = ("trec",)  # what is killed: the smallest set
_TIMED = ("trec",)  # what is timed on one and on two workers: its trials are the shortest
Record = dict[str, Any]


def main() -> None:
    """Compute the cells that are missing, or print the tables of those there are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/{train,test}.tsv.xz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--minutes", type=float, help="instead of each part's own, to try it")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=_KILLS)
    parser.add_argument("--hours", type=float, help="after which no cell is begun")
    parser.add_argument("--table", action="store_true", help="compute nothing, print the tables")
    given = parser.parse_args()
    if not given.table:
        _compute(given)
    print(tables())


def _compute(given: argparse.Namespace) -> None:
    started = time.perf_counter()
    for part in given.parts:
        only = {"kills": _REPRODUCED, "workers": _TIMED}.get(part, given.sets)
        for data in (each for each in given.sets if each in only):
            path = CELLS / part / f"{data}.json"
            if path.exists():
                continue
            if given.hours is not None and time.perf_counter() - started > 3600 * given.hours:
                print(f"{given.hours} hours are over before {part} {data}", file=sys.stderr)
                return
            record = _PARTS[part.partition("-")[0]](part, data, given)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, (json.dumps(record) + "\n").encode())
            print(part, data, record, file=sys.stderr)


def _searched(part: str, data: str, given: argparse.Namespace) -> Record:
    """Return what a cell says of one search."""
    folder, place = given.texts / data, given.output / part / data
    shown: list[float] = []
    _take_teachers(place, [given.output / other / data for other in MINUTES])
    found = embzip.search(
        examples_file(folder, "train"),
        place,
        test=examples_file(folder, "test"),
        minutes=given.minutes or MINUTES[part],
        workers=given.workers,
        metric="macro-f1" if FIGURES.get(data) == "macro_f1" else "accuracy",
        size=None if part == "drop" else part,
        examples=False,
        watch=lambda record: shown.append(record["seconds"]),
        log=lambda line: print(f"{part} {data}: {line}", file=sys.stderr),
    )
    test = {key: found["test"][key] for key in _TESTED}
    return {
        "bytes": found["best"]["bytes"],
        "baseline_bytes": found["baseline"]["bytes"],
        "reads": found["baseline"]["reads"],
        "name": found["best"]["name"],
        "said": found["verdict"]["answer"],
        "gate": {key: found["verdict"][key] for key in ("rows", "difference", "lower", "upper")},
        "test": test,
        "trials": len(found["trials"]),
        "seconds": found["seconds"],
        "first_seconds": shown[0],
        "wrong": _wrong(place / "best.embz", folder),
    }


def _wrong(model: Path, folder: Path) -> list[int]:
    """Return which test texts a model answers wrongly, to compare it with a peer text by text."""
    test = embzip.read_examples(examples_file(folder, "test"))
    said = load_classifier(model).predict([example.text for example in test])
    pairs = enumerate(zip(test, said, strict=True))
    return [at for at, (example, answer) in pairs if answer.label != example.label]


def _take_teachers(folder: Path, others: Sequence[Path]) -> None:
    """Let a search begin where another of the same texts has trained its teachers."""
    trained = [other for other in others if (other / "gate.json").exists()]
    if trained and not folder.exists():
        shutil.copytree(trained[0], folder, ignore=_students)


_TESTED = ("rows", "before", "after", "difference", "lower", "upper", "changed")


def _fasttext(part: str, data: str, given: argparse.Namespace) -> Record:
    """Return what fastText's autotune reaches in the same minutes."""
    size = part.removeprefix("fasttext-")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(
            autotuned, given.texts / data, given.output / part / data, size,
            60 * (given.minutes or MINUTES[size]),
        ).result()  # fmt: skip


def autotuned(folder: Path, output: Path, size: str, seconds: float) -> Record:
    """Let fastText tune itself for a size, in a process of its own."""
    fasttext = import_module("fasttext")
    output.mkdir(parents=True, exist_ok=True)
    train = embzip.read_examples(examples_file(folder, "train"))
    test = embzip.read_examples(examples_file(folder, "test"))
    words = embzip.build_words(examples_file(folder, "train"), labelled=True, min_count=1)
    sides = {"train": split_examples(train)[0], "dev": split_examples(train)[1], "test": test}
    read = {}
    for side, examples in sides.items():
        texts = map(words.decode, words.encode([example.text for example in examples]))
        read[side] = list(texts)
        lines = zip(examples, read[side], strict=True)
        made = [f"__label__{label_of(example)} {text}\n" for example, text in lines]
        (output / f"{side}.txt").write_text("".join(made), "utf-8")
    try:
        model = fasttext.train_supervised(
            input=str(output / "train.txt"),
            autotuneValidationFile=str(output / "dev.txt"),
            autotuneDuration=int(seconds),
            autotuneModelSize=size.removesuffix("B"),
            thread=THREADS,
            verbose=0,
        )
    except (RuntimeError, ValueError, MemoryError) as error:
        return {"none": str(error)}
    model.save_model(str(output / "model.ftz"))
    best, _ = model.predict(read["test"])
    said = [labels[0].removeprefix("__label__") if labels else "" for labels in best]
    right = [a == label_of(example) for a, example in zip(said, test, strict=True)]
    return {
        "bytes": os.path.getsize(output / "model.ftz"),
        "accuracy": fmean(right),
        "wrong": [at for at, each in enumerate(right) if not each],
        "macro_f1": verdict_on(
            [label_of(example) for example in test], said, said, max_drop=0, metric="macro-f1",
            resamples=1,
        ).after,
    }  # fmt: skip


def _workers(part: str, data: str, given: argparse.Namespace) -> Record:
    """Return how many trials one and two workers end in the same minutes."""
    found = {}
    places = {count: given.output / part / f"{data}-{count}" for count in (1, 2)}
    for count, folder in places.items():
        _take_teachers(folder, [*places.values(), given.output / "drop" / data])
        record = embzip.search(
            examples_file(given.texts / data, "train"),
            folder,
            minutes=given.minutes or MINUTES[part],
            workers=count,
        )
        found[str(count)] = len(record["trials"])
    return {"trials": found, "ratio": found["2"] / found["1"]}


def _kills(part: str, data: str, given: argparse.Namespace) -> Record:
    """Return whether searches that were killed end as one that was not."""
    train = examples_file(given.texts / data, "train")
    place = given.output / part / data
    command = [
        sys.executable, "-m", "embzip", "search", str(train), "--trials", str(_KILLED_TRIALS),
    ]  # fmt: skip
    whole = place / "whole"
    subprocess.run([*command, "-o", str(whole)], check=True, capture_output=True)
    wanted = _outcome(whole)
    rng = random.Random(0)
    kills = same = searches = 0
    while kills < given.kills:
        folder = place / "killed"
        shutil.rmtree(folder, ignore_errors=True)
        _take_teachers(folder, [whole])  # what is killed is the search among students
        while True:
            process = subprocess.Popen(
                [*command, "--workers", "2", "-o", str(folder)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                process.wait(rng.uniform(*_LIVES) if kills < given.kills else None)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        searches += 1
        same += _outcome(folder) == wanted
    return {"kills": kills, "searches": searches, "same": same}


def _students(folder: str, names: list[str]) -> set[str]:
    """Return what a killed search does not take over."""
    begins = ("sketch-", "float-", "student-", "answers-", "export-", "serving-")
    steps = {name for name in names if name.startswith(begins)}
    return steps | (
        {"trials.log", "gate.json", "looks-at-test.json", "front.json", "lock"} & set(names)
    )


def _outcome(folder: Path) -> tuple[Any, str]:
    """Return a search's trials and its best file, by what does not depend on time."""
    record = json.loads((folder / "front.json").read_bytes())
    trials = [
        (each["number"], each["name"], each["bytes"], each["accuracy"]) for each in record["trials"]
    ]
    return trials, hashlib.sha256((folder / "best.embz").read_bytes()).hexdigest()


_PARTS: Mapping[str, Callable[[str, str, argparse.Namespace], Record]] = {
    "drop": _searched,
    "30KB": _searched,
    "100KB": _searched,
    "fasttext": _fasttext,
    "workers": _workers,
    "kills": _kills,
}


if __name__ == "__main__":
    main()
