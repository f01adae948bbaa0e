"""How well each class is told from the others, and which are taken for each other. Numbers only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClassFigures:
    """One label on a test set; fractions, not percent.

    `precision` is the share of the rows given this label that have it, None where none was given
    it; `recall` the share of the rows that have it that were given it, None where none has it;
    `f1` is 2 TP / (2 TP + FP + FN), which is 0 in both cases; `support` how many rows have it.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float
    support: int


@dataclass(frozen=True)
class Confusion:
    """So many rows whose label is `expected` were given the label `predicted`, another one."""

    expected: str
    predicted: str
    rows: int


def class_figures(expected: Sequence[str], predicted: Sequence[str]) -> tuple[ClassFigures, ...]:
    """Return the figures of each label that is expected or predicted, in order.

    Examples
    --------
    >>> for each in class_figures(["a", "a", "b"], ["a", "b", "b"]):
    ...     print(each.label, each.precision, each.recall, round(each.f1, 4), each.support)
    a 1.0 0.5 0.6667 2
    b 0.5 1.0 0.6667 1
    """
    labels = sorted({*expected, *predicted})
    codes = {label: code for code, label in enumerate(labels)}
    truth = np.array([codes[label] for label in expected])
    guess = np.array([codes[label] for label in predicted])
    right = np.bincount(truth[truth == guess], minlength=len(labels)).tolist()
    given = np.bincount(guess, minlength=len(labels)).tolist()
    there = np.bincount(truth, minlength=len(labels)).tolist()
    return tuple(
        ClassFigures(
            label,
            precision=right[code] / given[code] if given[code] else None,
            recall=right[code] / there[code] if there[code] else None,
            # 2 TP + FP + FN is how often a label is expected plus how often it is predicted.
            f1=2 * right[code] / (there[code] + given[code]),
            support=there[code],
        )
        for label, code in codes.items()
    )


def confusions(
    expected: Sequence[str], predicted: Sequence[str], *, most: int = 10
) -> tuple[Confusion, ...]:
    """Return the pairs of labels that were confused in the most rows, at most `most` of them.

    Examples
    --------
    >>> confusions(["a", "a", "b"], ["a", "b", "b"])
    (Confusion(expected='a', predicted='b', rows=1),)
    """
    pairs = Counter(pair for pair in zip(expected, predicted, strict=True) if pair[0] != pair[1])
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confusion(*pair, rows) for pair, rows in ordered[:most])
