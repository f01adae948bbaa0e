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

from embzip.errors import InputError, SpecError
from embzip.evaluation.paired_bounds import accuracy_bounds, macro_f1_bounds
from embzip.seeds import check_seed

SHOWN, WORSE, NOT_SHOWN = "shown", "worse", "not shown"
NAMES = {"accuracy": "accuracy", "macro-f1": "macro-F1"}  # of metrics, as texts write them
METRICS = tuple(NAMES)
# With fewer texts whose answer changed, percentiles of macro-F1 miss the truth too often: measured
# by `scripts/bench_verdicts.py`.
LEAST_CHANGED = 20


@dataclass(frozen=True)
class Verdict:
    """What texts say of a model that is to take the place of another.

    Differences are in points: hundredths of the metric, after minus before.

    Attributes
    ----------
    answer
        "shown": at most `max_drop` is lost; "worse": more is; "not shown": these texts cannot
        tell; also where another was judged before, and for it that was not shown.
    metric
        "accuracy" or "macro-f1".
    max_drop
        The points that may be lost.
    confidence
        Of each bound, at least 0.5, below 1.
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
            f"({self.difference:+.2f} points, with {100 * self.confidence:.12g} % confidence at "
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
        if self.smallest_drop is not None and self.smallest_drop <= self.max_drop:
            return "it was not shown of a larger file before it in the order of judging"
        if self.smallest_drop is None:
            told = f"{self.changed:,} answers changed, too few to judge {self.name} by"
        else:
            told = f"a drop of at most {self.max_drop:g} cannot be told from more; these texts "
            told += f"show one of at most {rounded_up(self.smallest_drop)}"
        if self.more_rows is None:
            return told
        return f"{told}, and about {self.more_rows:,} more like them would do"

    @property
    def name(self) -> str:
        """The metric as it is written in texts."""
        return NAMES[self.metric]

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
        Of each bound, at least 0.5, below 1.
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
    >>> found.answer, round(found.difference, 2), round(found.lower, 2)
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
    judged = accuracy_bounds if metric == "accuracy" else macro_f1_bounds
    values, bounds = judged(truth, old, new, confidence, resamples, seed)
    changed = int((old != new).sum())
    gain, low, high = (100 * each for each in (values[1] - values[0], *bounds))
    if metric == "accuracy":  # by whole numbers: what is lost exactly must not fail by rounding
        gain = 100 * int((new == truth).sum() - (old == truth).sum()) / len(truth)
    answer = SHOWN if low >= -max_drop else WORSE if high < -max_drop else NOT_SHOWN
    more = 0 if answer == SHOWN else _more(len(truth), gain, low, max_drop)
    few = metric != "accuracy" and changed < LEAST_CHANGED
    if few:
        answer = NOT_SHOWN
        least = ceil(len(truth) * (LEAST_CHANGED / changed - 1)) if changed else None
        # Where the drop is passed, or nothing changed, no number would do.
        more = None if least is None or more is None else max(more, least)
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


def rounded_up(drop: float) -> str:
    """Return points with two digits, none of them less than they are.

    >>> rounded_up(9.341), rounded_up(0.5)
    ('9.35', '0.50')
    """
    return f"{ceil(100 * drop) / 100:.2f}"


def _more(rows: int, gain: float, low: float, max_drop: float) -> int | None:
    """Return about how many texts more would show the drop: an interval shrinks by their root."""
    if gain <= -max_drop:
        return None
    needed = rows * ((gain - low) / (gain + max_drop)) ** 2
    return max(1, ceil(needed) - rows) if isfinite(needed) else None
