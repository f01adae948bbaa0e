"""A worker: a process of one thread that makes steps of a search until it is told no more.

It reads JSON lines from standard input, each a pair of what a search makes and a task, and answers
each by a line. What nobody expected ends it, with a traceback in its log. Whoever started it may
end at any time: then it ends too, at once, and what it was at is made again by the next search.
"""

import json
import os
import queue
import sys
import threading
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

from embzip.errors import EmbzipError
from embzip.evaluation.accuracy import macro_f1
from embzip.files.records import parse_json
from embzip.pipeline.steps import Step, Steps
from embzip.trials.journal import check_claimed
from embzip.trials.making import Making
from embzip.trials.space import Student


def serve() -> None:
    """Do what standard input says: the process's whole life."""
    # What libraries print must not stand among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")  # the search has said what is odd about its texts
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, told), daemon=True).start()
    steps = None
    while True:
        making, task = json.loads(told.get())
        made = Making.of(making)
        steps = steps or Steps(made.directory)
        try:
            answer = perform(task, made, steps)
        except EmbzipError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _listen(lines: TextIO, told: "queue.SimpleQueue[str]") -> None:
    for line in lines:
        told.put(line)
    os._exit(0)  # who asked has ended


def perform_alone(making: dict[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """Do one task of a search, wherever that is; warnings have been given by the search.

    Raises
    ------
    ClusterError
        On a machine that does not see the search's folder.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Making.of(making)
        check_claimed(made.directory)
        return perform(task, made, Steps(made.directory))


def perform(task: Mapping[str, Any], making: Making, steps: Steps) -> dict[str, Any]:
    """Do one task, and return what came of it.

    `{"do": "step", "name": NAME, ...}` makes a step of `Making`, and answers with its folder.
    `{"do": "trials", "trials": [...]}` makes students, and answers with the record of each.
    `{"do": "sketch", ...}` trains a student for its first epochs, and answers with its metrics.
    `{"do": "fold", "fold": N, ...}` makes a teacher and a student without a fold, and answers with
    the folders of what they say of it.
    """
    if task["do"] == "sketch":
        sketch = making.sketch(Student.of(task["student"]), seed=task["seed"])
        return scores(_answers(making.answers(sketch, "dev"), steps))
    if task["do"] == "fold":
        return _fold(task, replace(making, fold=task["fold"]), steps)
    if task["do"] == "trials":
        return {"trials": [_trial(each, task, making, steps) for each in task["trials"]]}
    return {"folder": str(_made(task, making, steps))}


def _made(task: Mapping[str, Any], making: Making, steps: Steps) -> Path:
    """Return the folder of a step that a task names."""
    match task["name"]:
        case "vectors":
            step = making.vectors
        case "folds":
            folded = making.folded()
            step = making.trained() if folded is None else folded
        case "baseline":
            reading = replace(making, reads=task.get("reads", making.reads))
            teacher = reading.trained(task["number"], quick=task["quick"])
            step = reading.answers(teacher, task["side"])
        case "serving":
            step = making.serving(
                _student(task, making) if "student" in task else making.trained(task["number"])
            )
        case "answers":
            step = making.answers(_student(task, making), task["side"])
        case _:
            step = making.exported(_student(task, making))
    return steps.folder(step)


def _fold(task: Mapping[str, Any], making: Making, steps: Steps) -> dict[str, Any]:
    student = making.student(Student.of(task["student"]), seed=task["seed"])
    models = {"before": making.trained(task["number"]), "after": student}
    return {
        name: str(steps.folder(making.answers(model, "gate"))) for name, model in models.items()
    }


def _student(task: Mapping[str, Any], making: Making) -> Any:
    student = Student.of(task["student"])
    return making.student(student, seed=task["seed"], quick=task["quick"])


def _trial(
    trial: Mapping[str, Any], task: Mapping[str, Any], making: Making, steps: Steps
) -> dict[str, Any]:
    """Make a student, and return what is known of it."""
    started = perf_counter()
    step = _student(trial, making)
    folder = steps.folder(step)
    found = _answers(making.answers(step, "dev"), steps)
    nbytes = (folder / "model.embz").stat().st_size
    record = {
        "number": trial["number"],
        "embz_bytes": nbytes,
        "bytes": nbytes,
        "latency": None,
        **scores(found),
    }
    if task["runtime"] == "litert":
        record["bytes"] = (steps.folder(making.exported(step)) / "model.tflite").stat().st_size
    if task["latency"]:
        measured = parse_json(
            (steps.folder(making.serving(step)) / "serving.json").read_bytes(), ""
        )
        record["latency"] = measured["latency_ms"]["p50"]
    return {**record, "seconds": round(perf_counter() - started, 2)}


def _answers(step: Step, steps: Steps) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((steps.folder(step) / "answers.json").read_bytes())
    return found


def scores(answers: Mapping[str, Any]) -> dict[str, float]:
    """Return both metrics of a model's answers."""
    expected, given = answers["expected"], answers["answers"]
    right = sum(a == b for a, b in zip(expected, given, strict=True))
    return {"accuracy": right / len(expected), "macro-f1": macro_f1(expected, given)}
