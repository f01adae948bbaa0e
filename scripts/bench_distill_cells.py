"""What the parts of `scripts.bench_distill` share: cells, texts, and what cells say of a model."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip import Example, TextClassifier, read_examples
from embzip.evaluation.accuracy import bootstrap_ci95, macro_f1, mean_kl
from embzip.files.writing import write_bytes
from embzip.labelled.splits import split_examples
from scripts.bench_texts import SETS, examples_file

CELLS = Path(__file__).parent / "cells" / "distill"
LONG = {"20ng": 200, "imdb": 200}  # tokens of a text that are read
SIZES = ("20KB", "30KB", "50KB", "64KB", "100KB", "250KB")
FIGURES = {"ru_ok_toxic": "macro_f1"}  # what judges a set, where it is not accuracy
TARGETS = {"both": 0.5, "folds": 1.0, "own": 0.0}  # share of the fold teachers' word
Record = dict[str, Any]
BySeed = dict[int, Record]
_NAME = re.compile(r"(?P<data>.+?)-(?P<seed>\d+)(-(?P<size>\d+KB))?(-(?P<targets>own|folds))?")


@dataclass(frozen=True)
class Cell:
    """One result: a part of the study, a set and a seed, and for most parts a size.

    >>> Cell("student", "trec", 0, "64KB", "own").path.relative_to(CELLS).as_posix()
    'student/trec-0-64KB-own.json'
    """

    part: str
    data: str
    seed: int
    size: str = ""
    targets: str = "both"

    @property
    def name(self) -> str:
        """The set, the seed, and what else there is."""
        other = "" if self.targets == "both" else self.targets
        return "-".join(filter(None, (self.data, str(self.seed), self.size, other)))

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return CELLS / self.part / f"{self.name}.json"

    @property
    def nbytes(self) -> int:
        """The most bytes that its file may have."""
        return 1000 * int(self.size.removesuffix("KB"))

    def write(self, record: Mapping[str, Any]) -> None:
        """Keep its record."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(self.path, (json.dumps(record, indent=1) + "\n").encode())


def cells_of(part: str) -> dict[Cell, Record]:
    """Return all cells of a part that there are, with their records."""
    found = {}
    for path in sorted((CELLS / part).glob("*.json")):
        if named := _NAME.fullmatch(path.stem):
            parts = named.groupdict()
            seed, size, targets = int(parts["seed"]), parts["size"] or "", parts["targets"]
            cell = Cell(part, parts["data"], seed, size, targets or "both")
            found[cell] = json.loads(path.read_text())
    return found


@cache
def kept(part: str) -> dict[Cell, Record]:
    """Return all cells of a part, read once: for tables, which make none."""
    return cells_of(part)


def in_order(part: str) -> list[tuple[Cell, Record]]:
    """Return all cells of a part that has sizes by set, seed and size, with their records."""
    place = {data: number for number, data in enumerate((*SETS, *LONG))}
    found = cells_of(part).items()
    return sorted(found, key=lambda pair: (place[pair[0].data], pair[0].seed, pair[0].nbytes))


def of(part: str, data: str, size: str = "", targets: str = "both") -> BySeed:
    """Return the records of a part, a set and a size by seed, without those that hold no model."""
    return {
        cell.seed: record
        for cell, record in kept(part).items()
        if (cell.data, cell.size, cell.targets) == (data, size, targets) and "none" not in record
    }


def sizes_of(part: str) -> list[str]:
    """Return all sizes that a part has, the smallest first."""
    found = {cell.size for cell in kept(part)} - {""}
    return sorted(found, key=lambda size: int(size.removesuffix("KB")))


def figure(data: str, record: Record, side: str = "") -> float:
    """Return what judges a set, on test or on a `side`."""
    return float(record[side + FIGURES.get(data, "accuracy")])


@dataclass(frozen=True)
class Task:
    """A set and a seed: its texts, and the folder of what is made of them."""

    texts: Path
    output: Path
    data: str
    seed: int

    @property
    def folder(self) -> Path:
        """Where classifiers and predictions stay."""
        folder = self.output / f"{self.data}-{self.seed}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path(self, side: str) -> Path:
        """Return the file of `train` or `test`."""
        return examples_file(self.texts / self.data, side)

    def examples(self) -> list[Example]:
        """Return the training texts, those of dev among them."""
        return read_examples(self.path("train"))

    def parts(self) -> tuple[list[Example], list[Example]]:
        """Return what is trained on, and dev: the tenth that `train` and `distill` hold out."""
        return split_examples(self.examples())

    def test(self) -> list[Example]:
        """Return the test texts."""
        return read_examples(self.path("test"))


def told(predicted: Sequence[str], examples: Sequence[Example]) -> dict[str, Any]:
    """Return what a cell says of predictions: accuracy, macro-F1, and which rows are right.

    >>> from embzip import make_examples
    >>> record = told(["a", "b", "b"], make_examples(list("aba"), list("xyz")))
    >>> round(record["macro_f1"], 3), right_of(record).tolist()
    (0.667, [True, True, False])
    """
    expected = [example.label for example in examples]
    right = np.array(expected, dtype=object) == np.array(predicted, dtype=object)
    return {
        "accuracy": float(right.mean()),
        "macro_f1": macro_f1(expected, predicted),
        "rows": len(right),
        "right": base64.b64encode(np.packbits(right).tobytes()).decode(),
    }


def right_of(record: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return the rows of test that are right, (rows,), of a cell's record."""
    packed = np.frombuffer(base64.b64decode(record["right"]), np.uint8)
    return np.unpackbits(packed, count=record["rows"]).astype(np.bool_)


def judged(
    model: TextClassifier, examples: Sequence[Example], kept: Path | None = None
) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Return what a cell says of a model on test, and its probabilities, which may be kept."""
    probabilities = model.probabilities([example.text for example in examples])
    if kept is not None:
        np.savez_compressed(kept, probabilities=probabilities, labels=np.array(model.labels))
    return told([model.labels[best] for best in probabilities.argmax(1)], examples), probabilities


def compared(
    record: Mapping[str, Any],
    probabilities: NDArray[np.float32],
    teacher: Mapping[str, Any],
    teachers: NDArray[np.float32],
) -> dict[str, Any]:
    """Return what a cell says of a model beside its teacher, of the same labels, on test."""
    right, before = right_of(record), right_of(teacher)
    return {
        "difference": float(right.mean() - before.mean()),
        "difference_ci95": list(bootstrap_ci95(right, before)),
        "macro_f1_difference": record["macro_f1"] - teacher["macro_f1"],
        "agreement": float((probabilities.argmax(1) == teachers.argmax(1)).mean()),
        "kl": mean_kl(teachers, probabilities),
    }
