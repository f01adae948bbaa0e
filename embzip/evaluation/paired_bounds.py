"""One-sided bounds of the difference between two models on the same texts.

Newcombe's for accuracy, percentiles of a paired bootstrap for macro-F1; of one model, Wilson's.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import SpecError

Numbers = NDArray[np.float64]
_BLOCK = 1 << 22  # counts drawn at a time


def newcombe_bounds(
    wins: NDArray[Any], losses: NDArray[Any], both: NDArray[Any], rows: int, confidence: float
) -> tuple[Numbers, Numbers]:
    """Return one-sided bounds (lower, upper) of the difference of paired proportions, 0 to 1.

    Parameters
    ----------
    wins, losses, both
        Texts that only the second model, only the first, and both get right; arrays of any shape.
    rows
        All texts.
    """
    from scipy.special import ndtri

    z = float(ndtri(confidence))
    neither = rows - wins - losses - both
    after, before = both + wins, both + losses
    product = after * (rows - after) * before.astype(np.float64) * (rows - before)
    # The covariance is corrected for continuity where it is positive.
    shared = both * neither.astype(np.float64) - wins * losses
    shared = np.where(shared > 0, np.maximum(shared - rows / 2, 0), shared)
    phi = np.where(product > 0, shared / np.sqrt(np.where(product > 0, product, 1)), 0)
    (p, p_low, p_high), (q, q_low, q_high) = (
        _wilson(each / rows, rows, z) for each in (after, before)
    )

    def distance(one: Numbers, other: Numbers) -> Numbers:
        return np.sqrt(np.maximum(one**2 - 2 * phi * one * other + other**2, 0))

    gain = p - q
    return gain - distance(p - p_low, q_high - q), gain + distance(p_high - p, q - q_low)


def accuracy_interval(
    accuracy: float, rows: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return Wilson's two-sided interval of the accuracy of one model, 0 to 1.

    References
    ----------
    Edwin Wilson, Probable inference, the law of succession, and statistical inference, Journal of
    the American Statistical Association 22, 1927.

    Examples
    --------
    >>> [round(each, 3) for each in accuracy_interval(0.9, 400)]
    [0.867, 0.926]
    """
    from scipy.special import ndtri

    _, low, high = _wilson(np.array(accuracy), rows, float(ndtri((1 + confidence) / 2)))
    return float(low), float(high)


def _wilson(share: Numbers, rows: int, z: float) -> tuple[Numbers, Numbers, Numbers]:
    """Return shares with Wilson's score interval."""
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * np.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2) / (1 + z * z / rows)
    return share, middle - half, middle + half


def accuracy_bounds(
    truth: NDArray[Any],
    before: NDArray[Any],
    after: NDArray[Any],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return accuracy before and after, and Newcombe's bounds; nothing is drawn for them."""
    right, other = after == truth, before == truth
    wins, losses, both = (
        np.array(which.sum()) for which in (right & ~other, ~right & other, right & other)
    )
    low, high = newcombe_bounds(wins, losses, both, len(truth), confidence)
    return (float(other.mean()), float(right.mean())), (float(low), float(high))


def macro_f1_bounds(
    truth: NDArray[Any],
    before: NDArray[Any],
    after: NDArray[Any],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return macro-F1 before and after, and one-sided percentile bounds of the difference."""
    if resamples < 1:
        raise SpecError(f"resamples must be at least 1, received {resamples}")
    labels = sorted({*truth, *before, *after})
    place = {label: code for code, label in enumerate(labels)}
    coded = np.array([[place[label] for label in each] for each in (truth, before, after)]).T
    # Texts of the same label and the same answers are one kind: their numbers are all that counts.
    kinds, counts = np.unique(coded, axis=0, return_counts=True)
    values = macro_f1_of_counts(kinds, counts[None, :], len(labels))[0]
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK // len(counts))
    gains = []
    for first in range(0, resamples, step):
        size = min(step, resamples - first)
        drawn = rng.multinomial(len(truth), counts / len(truth), size=size)
        found = macro_f1_of_counts(kinds, drawn, len(labels))
        gains.append(found[:, 1] - found[:, 0])
    low, high = np.quantile(np.concatenate(gains), [1 - confidence, confidence])
    return (float(values[0]), float(values[1])), (float(low), float(high))


def macro_f1_of_counts(kinds: NDArray[Any], counts: NDArray[Any], labels: int) -> Numbers:
    """Return the macro-F1 of two models, (samples, 2), from how often each kind of text occurs.

    Parameters
    ----------
    kinds
        (kinds, 3) codes of the label, and of the answers of both.
    counts
        (samples, kinds).

    >>> kinds = np.array([[0, 0, 1], [1, 1, 1]])
    >>> macro_f1_of_counts(kinds, np.array([[1, 1]]), 2).round(4).tolist()
    [[1.0, 0.3333]]
    """
    one_hot = np.eye(labels)[kinds]  # (kinds, 3, labels)
    given = counts.astype(np.float64)
    found = []
    for model in (1, 2):
        true = given @ (one_hot[:, 0] * one_hot[:, model])
        seen = given @ (one_hot[:, 0] + one_hot[:, model])
        # A label that neither occurs nor is answered in a sample has no F1 there.
        scores = np.where(seen > 0, 2 * true / np.maximum(seen, 1), 0).sum(axis=1)
        found.append(scores / (seen > 0).sum(axis=1))
    return np.stack(found, axis=1)
