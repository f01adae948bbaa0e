"""Whether a model may take another's place: three answers, from bounds of the paired difference.

Two models answer the same texts. How much better or worse the second is on such texts lies, with a
confidence, above a lower bound, and, with the same confidence, below an upper one. A drop that is
allowed is then *shown* not to be passed, or the model is *worse*, or these texts cannot tell, which
is *not shown*. That no difference was found is never taken for "no loss".

No model is run here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError, SpecError
from embzip.seeds import check_seed

SHOWN, WORSE, NOT_SHOWN = "shown", "worse", "not shown"
METRICS = ("accuracy", "macro-f1")
# With fewer texts whose answer changed, percentiles of macro-F1 miss the truth too often: measured
# by `scripts/bench_verdicts.py`.
LEAST_CHANGED = 20
_BLOCK = 1 << 22  # counts drawn at a time

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """What texts say of a model that is to take the place of another.

    Differences are in points: hundredths of the metric, after minus before.

    Attributes
    ----------
    answer
        "shown": at most `max_drop` is lost; "worse": more is; "not shown": these texts cannot tell.
    metric
        "accuracy" or "macro-f1".
    max_drop
        The points that may be lost.
    confidence
        Of each bound, 0 to 1.
    rows, changed
        Texts, and those to which the two models gave different labels.
    before, after
        The metric of both, 0 to 1.
    difference, lower, upper
        What was found, and its one-sided bounds.
    smallest_drop
        The smallest `max_drop` for which the answer would have been "shown"; None where too few
        answers changed for macro-F1 to be judged.
    more_rows
        About how many further texts it would take, if they went as these did; 0 if it is shown,
        None if no number would do.
    """

    answer: str
    metric: str
    max_drop: float
    confidence: float
    rows: int
    changed: int
    before: float
    after: float
    difference: float
    lower: float
    upper: float
    smallest_drop: float | None
    more_rows: int | None

    @property
    def sentence(self) -> str:
        """The verdict in words, one line."""
        found = (
            f"{self.name} {self.before:.4f} -> {self.after:.4f} on {self.rows:,} texts "
            f"({self.difference:+.2f} points, with {100 * self.confidence:g} % confidence at "
        )
        if self.answer == WORSE:
            return f"worse: {found}most {self.upper:+.2f}): more than {self.max_drop:g} are lost"
        found += f"least {self.lower:+.2f})"
        if self.answer == SHOWN:
            return f"shown: {found}: at most {self.max_drop:g} are lost"
        return f"not shown: {found}: {self.missing}"

    @property
    def missing(self) -> str:
        """What a drop that is not shown lacks, in words."""
        if self.smallest_drop is None:
            told = f"{self.changed:,} answers changed, too few to judge {self.name} by"
        else:
            told = f"a drop of at most {self.max_drop:g} cannot be told from more; these texts "
            told += f"show one of at most {self.smallest_drop:.2f}"
        if self.more_rows is None:
            return told
        return f"{told}, and about {self.more_rows:,} more like them would do"

    @property
    def name(self) -> str:
        """The metric as it is written in texts."""
        return {"accuracy": "accuracy", "macro-f1": "macro-F1"}[self.metric]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain numbers and texts, with the sentence."""
        return {**asdict(self), "sentence": self.sentence}


def verdict_on(
    expected: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
    *,
    max_drop: float,
    metric: str = "accuracy",
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Verdict:
    """Return the verdict on the labels that two models gave the same texts.

    For accuracy, the bounds are Newcombe's for paired proportions; for macro-F1, percentiles of a
    paired bootstrap. Where fewer than 20 answers changed, those percentiles are not to be trusted,
    and the answer is "not shown".

    Parameters
    ----------
    expected, before, after
        The label of each text; what the model in use and its successor answer.
    max_drop
        The points (hundredths) that may be lost.
    metric
        "accuracy" or "macro-f1".
    confidence
        Of each bound, 0 to 1.
    resamples, seed
        Of the bootstrap.

    Raises
    ------
    InputError
        For no texts, or lists of different lengths.
    SpecError
        For an unknown metric, a drop below 0 or above 100, or a confidence that is not from 0.5 to
        1.

    References
    ----------
    Robert Newcombe, Improved confidence intervals for the difference between binomial proportions
    based on paired data, Statistics in Medicine 17, 1998 (method 10). Bradley Efron, Bootstrap
    methods: another look at the jackknife, Annals of Statistics 7, 1979.

    Examples
    --------
    >>> right, wrong = ["a"] * 98, ["b"] * 2
    >>> found = verdict_on(["a"] * 100, ["a"] * 100, right + wrong, max_drop=5)
    >>> found.answer, found.difference, round(found.lower, 2)
    ('not shown', -2.0, -5.86)
    >>> verdict_on(["a"] * 100, ["a"] * 100, right + wrong, max_drop=6).answer
    'shown'
    """
    check_verdict_options(max_drop=max_drop, metric=metric, confidence=confidence)
    check_seed(seed)
    if not expected or not len(expected) == len(before) == len(after):
        raise InputError(
            "a verdict needs a label, and both models' answers, of at least one text; received "
            f"{len(expected):,}, {len(before):,} and {len(after):,}"
        )
    truth, old, new = (np.array(each, dtype=object) for each in (expected, before, after))
    judged = _accuracy_bounds if metric == "accuracy" else _macro_f1_bounds
    values, bounds = judged(truth, old, new, confidence, resamples, seed)
    changed = int((old != new).sum())
    gain, low, high = (100 * each for each in (values[1] - values[0], *bounds))
    answer = SHOWN if low >= -max_drop else WORSE if high < -max_drop else NOT_SHOWN
    more = 0 if answer == SHOWN else _more(len(truth), gain, low, max_drop)
    few = metric != "accuracy" and changed < LEAST_CHANGED
    if few:
        answer = NOT_SHOWN
        more = ceil(len(truth) * (LEAST_CHANGED / changed - 1)) if changed else None
    return Verdict(
        answer,
        metric,
        max_drop,
        confidence,
        len(truth),
        changed,
        *values,
        gain,
        low,
        high,
        smallest_drop=None if few else max(0.0, -low),
        more_rows=more,
    )


def check_verdict_options(*, max_drop: float, metric: str, confidence: float) -> None:
    """Raise SpecError for an option that is unknown or out of range."""
    if not 0 <= max_drop <= 100:
        raise SpecError(
            f"max_drop is how many points may be lost, from 0 to 100, received {max_drop:g}"
        )
    if metric not in METRICS:
        raise SpecError(f"metric is one of {', '.join(METRICS)}, received {metric!r}")
    if not 0.5 <= confidence < 1:
        raise SpecError(f"confidence must be at least 0.5 and below 1, received {confidence:g}")


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


def _wilson(share: Numbers, rows: int, z: float) -> tuple[Numbers, Numbers, Numbers]:
    """Return shares with Wilson's score interval."""
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * np.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2) / (1 + z * z / rows)
    return share, middle - half, middle + half


def _accuracy_bounds(
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


def _macro_f1_bounds(
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


def _more(rows: int, gain: float, low: float, max_drop: float) -> int | None:
    """Return about how many texts more would show the drop: an interval shrinks by their root."""
    if gain <= -max_drop:
        return None
    needed = rows * ((gain - low) / (gain + max_drop)) ** 2
    return max(1, ceil(needed) - rows) if isfinite(needed) else None
