"""What a model's probabilities are worth: log loss and calibration. Numbers only.

Probabilities are made better in `embzip.classifier.calibration`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Probabilities below this are noise of float32; it keeps logarithms finite.
TINY = float(np.finfo(np.float32).tiny)

BINS = 15
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Coverage:
    """What happens where only rows with a probability of at least `threshold` are answered.

    `answered` is their share of all rows, `accuracy` the share of them that are right, None without
    such rows.
    """

    threshold: float
    answered: float
    accuracy: float | None


def log_loss(probabilities: NDArray[np.floating[Any]], expected: NDArray[np.integer[Any]]) -> float:
    """Return the mean of minus the logarithm of each row's expected probability, in nats.

    0 is certainty of what is right; a model that knows nothing of k classes has log(k). A
    probability rounded to 0 counts as the smallest normal float32, which makes 87 nats.

    Parameters
    ----------
    probabilities
        (rows, classes).
    expected
        (rows,) the column of each row's label.

    Examples
    --------
    >>> round(log_loss(np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([0, 1])), 4)
    0.3993
    """
    given = probabilities[np.arange(len(expected)), expected].astype(np.float64)
    return abs(float(np.log(np.maximum(given, TINY)).mean()))


def calibration_error(
    probabilities: NDArray[np.floating[Any]], correct: NDArray[np.bool_], *, bins: int = BINS
) -> float:
    """Return the expected calibration error: the mean distance of confidence from accuracy.

    The confidence of a row is its largest probability. Rows are put into `bins` ranges of
    confidence of equal width, an upper end belonging to its range. The distance of a range is that
    of its mean confidence from the share of its rows that are right, and counts by its rows.

    Parameters
    ----------
    probabilities
        (rows, classes).
    correct
        (rows,) whether the most probable label is the expected one; so a row whose label the model
        cannot give is wrong.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks. 2017, arXiv:1706.04599.

    Examples
    --------
    >>> calibration_error(np.array([[0.25, 0.75], [0.75, 0.25]]), np.array([True, False]))
    0.25
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    apart = np.bincount(places, confidence - correct, minlength=bins)
    return float(np.abs(apart).sum() / len(confidence))


def coverage_curve(
    probabilities: NDArray[np.floating[Any]],
    correct: NDArray[np.bool_],
    thresholds: Sequence[float] = THRESHOLDS,
) -> tuple[Coverage, ...]:
    """Return how many rows each threshold answers, and how well.

    Parameters
    ----------
    probabilities, correct
        As in `calibration_error`.

    References
    ----------
    El-Yaniv, Wiener: On the foundations of noise-free selective classification. JMLR 11, 2010.

    Examples
    --------
    >>> answers = np.array([[0.25, 0.75], [0.6, 0.4]])
    >>> coverage_curve(answers, np.array([True, False]), [0.7])
    (Coverage(threshold=0.7, answered=0.5, accuracy=1.0),)
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    answered = [confidence >= threshold for threshold in thresholds]
    return tuple(
        Coverage(
            float(threshold),
            float(rows.mean()),
            float(correct[rows].mean()) if rows.any() else None,
        )
        for threshold, rows in zip(thresholds, answered, strict=True)
    )
