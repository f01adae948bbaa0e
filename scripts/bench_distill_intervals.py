"""Intervals of differences over seeds and rows, and p values corrected for their number."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip import read_examples
from scripts.bench_distill_cells import FIGURES, right_of
from scripts.bench_texts import examples_file

RESAMPLES = 2000
BySeed = Mapping[int, Mapping[str, Any]]


def interval(
    texts: Path, data: str, before: BySeed, after: BySeed, seeds: Sequence[int]
) -> tuple[float, float]:
    """Return the 95 % interval of the mean difference over resampled seeds and rows."""
    rng = np.random.default_rng(0)
    rows = len(right_of(before[seeds[0]]))
    drawn = rng.multinomial(rows, np.full(rows, 1 / rows), RESAMPLES).astype(np.float32)
    judge = _judge(texts, data)
    gains = np.stack(
        [judge(drawn, right_of(after[s])) - judge(drawn, right_of(before[s])) for s in seeds], 1
    )
    chosen = rng.integers(len(seeds), size=(RESAMPLES, len(seeds)))
    low, high = np.quantile(np.take_along_axis(gains, chosen, 1).mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


Judge = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]


def _judge(texts: Path, data: str) -> Judge:
    """Return what tells a set's figure for resamples, (resamples, rows) how often each row is."""
    if data not in FIGURES:
        return lambda drawn, right: drawn @ right.astype(np.float32) / drawn.shape[1]
    labels = [example.label for example in read_examples(examples_file(texts / data, "test"))]
    names, expected = np.unique(labels, return_inverse=True)
    if len(names) != 2:
        raise ValueError(f"{data}: macro-F1 follows from what is right for two labels alone")
    return lambda drawn, right: two_class_f1(drawn, right, expected)


def two_class_f1(
    drawn: NDArray[np.float32], right: NDArray[np.bool_], expected: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the macro-F1 of each resample, of two labels, 0 and 1.

    >>> rows = np.ones((1, 4), np.float32)
    >>> two_class_f1(rows, np.array([True, True, False, True]), np.array([0, 0, 0, 1])).round(4)
    array([0.7333], dtype=float32)
    """
    hits = [drawn @ (right & (expected == label)).astype(np.float32) for label in (0, 1)]
    wrong = drawn @ (~right).astype(np.float32)  # missed by one label, and given to the other
    f1 = [2 * hit / np.maximum(2 * hit + wrong, 1) for hit in hits]
    return np.asarray((f1[0] + f1[1]) / 2, np.float32)


def holm(values: Sequence[float]) -> list[float]:
    """Return p values corrected for how many there are (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(values)
    scaled = np.asarray(values)[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return [float(value) for value in adjusted]
