"""What the outputs of someone's own model are: names for the columns, and what numbers mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError, MismatchError, NotFiniteError, UnsupportedModelError
from embzip.files.lines import lines_of
from embzip.soft_labels import TOLERANCE


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Read labels, one a line, without white space around them.

    Raises
    ------
    InputError
        For an empty line, a label that stands twice, and less than two labels.
    """
    lines = [line.strip() for _, line in lines_of(path, "strict")]
    while lines and not lines[-1]:
        lines.pop()
    check_labels(lines, str(path))
    return tuple(lines)


def check_labels(labels: Sequence[str], where: str) -> None:
    """Raise InputError unless there are two labels or more, each once, and none is empty."""
    first: dict[str, int] = {}
    for number, label in enumerate(labels, start=1):
        if not label:
            raise InputError(
                f"{where}, line {number}: a label is needed, found none: remove the line"
            )
        if label in first:
            raise InputError(
                f"{where}, line {number}: each label stands once, and {label!r} stands in line "
                f"{first[label]} too: list the labels in the order of the model's outputs"
            )
        first[label] = number
    if len(labels) < 2:
        raise InputError(f"{where}: at least two labels are needed, found {len(labels)}")


def kind_of(path: Path, numbers: NDArray[np.float32], labels: Sequence[str]) -> str:
    """Return what outputs are, by what they are for a few texts: probabilities, logits, sigmoid."""
    if numbers.ndim != 2:
        raise UnsupportedModelError(
            f"{path}: a classifier has a row of numbers for each text, found the shape "
            f"{numbers.shape}: compare it on arrays (`embzip compare --inputs X.npz`)"
        )
    if not np.isfinite(numbers).all():
        raise NotFiniteError(
            f"{path}: every answer must be a finite number, found {shown(numbers)}"
        )
    columns = numbers.shape[1]
    if columns == 1 and len(labels) == 2:
        if shares(numbers).all():
            return "sigmoid"
        raise UnsupportedModelError(
            f"{path}: one column for two labels must hold probabilities, from 0 to 1, found "
            f"{shown(numbers)}: end the model in a sigmoid"
        )
    if columns != len(labels):
        two = " (for one column, two)" if columns == 1 else ""
        raise MismatchError(
            f"{path}: labels must be as many as the model's output has columns, {columns}{two}, "
            f"found {len(labels)}: {', '.join(labels[:5])}{', ...' * (len(labels) > 5)}"
        )
    if sums_to_1(numbers).all():
        return "probabilities"
    if shares(numbers).all():
        raise UnsupportedModelError(
            f"{path}: the answers lie in 0..1, and rows do not sum to 1, {shown(numbers)}: they "
            "look like probabilities of several labels a text, and embzip measures models that "
            "give each text one label: end the model in a softmax, or in logits"
        )
    return "logits"


def shares(numbers: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return for each row whether all numbers lie in 0..1."""
    low, high = numbers.min(axis=1), numbers.max(axis=1)
    within: NDArray[np.bool_] = (low >= -TOLERANCE) & (high <= 1 + TOLERANCE)
    return within


def sums_to_1(numbers: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return for each row whether it is probabilities."""
    near: NDArray[np.bool_] = np.abs(numbers.sum(axis=1) - 1) <= TOLERANCE
    return near & shares(numbers)


def shown(numbers: NDArray[np.float32]) -> str:
    """Return the first numbers, for a message."""
    return ", ".join(f"{each:.3g}" for each in numbers.ravel()[:4]) + ", ..." * (numbers.size > 4)
