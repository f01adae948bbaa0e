"""The record of a search: what stands in front.json, and its first sentence."""

from collections.abc import Sequence
from typing import Any

from embzip.evaluation.verdicts import NAMES, SHOWN, WORSE, Verdict, rounded_up
from embzip.report.figures import points
from embzip.report.record import environment
from embzip.trials.fronts import Trial, front_of
from embzip.trials.goals import RUNTIMES, Goal
from embzip.trials.judging import Judged
from embzip.trials.space import tokens

PRELIMINARY, RANKED, GATED = "preliminary", "not yet gated", "gated"


def record_of(
    *,
    state: str,
    goal: Goal,
    corpus: dict[str, Any],
    baseline: dict[str, Any],
    trials: Sequence[Trial],
    best: Trial,
    parts: dict[str, Any],
    stopped: int = 0,
    judged: Judged | None = None,
    confirmed: dict[str, Any] | None = None,
    test: dict[str, Any] | None = None,
    changed: dict[str, Any] | None = None,
    notes: Sequence[str] = (),
    seconds: float = 0.0,
) -> dict[str, Any]:
    """Return the record of a search so far.

    Parameters
    ----------
    state
        `PRELIMINARY`, `RANKED` or `GATED`.
    baseline
        `bytes` and both metrics of the model that the search compares with, its `parts`, and what
        it is called (`name`); and, where a
        teacher over words and one over pieces were tried, what each `reads` and reached.
    parts
        Where the bytes of the best file are.
    stopped
        How many trials ended after their first epochs.
    confirmed
        What cross-fitting says of the answer's recipe.
    """
    fitting = [trial for trial in trials if goal.allows(trial.nbytes, trial.latency)]
    front = {trial.number for trial in front_of(fitting, goal.metric)}
    return {
        "kind": "search",
        "state": state,
        "sentence": sentence(state, goal, baseline, best, judged),
        "goal": goal.to_json(),
        "corpus": corpus,
        "baseline": baseline,
        "best": {**best.to_json(), "parts": parts, "file": RUNTIMES[goal.runtime]},
        "verdict": None if judged is None else judged.verdict.to_json(),
        "gate": None if judged is None else judged.to_json(),
        "confirmed": confirmed,
        "test": test,
        "changed": changed,
        "trials": [
            {**trial.to_json(), "front": trial.number in front, "best": trial.number == best.number}
            for trial in sorted(trials, key=lambda each: each.number)
        ],
        "stopped": stopped,
        "notes": [*_teachers(baseline, goal.metric), *_means(trials), *notes],
        "seconds": round(seconds, 1),
        "environment": environment(),
    }


def _teachers(baseline: dict[str, Any], metric: str) -> list[str]:
    """Return what is to be said of the teachers that were tried."""
    tried = baseline.get("tried", [])
    if len(tried) < 2:
        return []
    name = NAMES[metric]
    told = " and ".join(
        f"over {tokens(each['reads'])} ({each['bytes']:,} bytes, {name} {each[metric]:.4f})"
        for each in tried
    )
    chosen = tokens(baseline["reads"])
    return [f"teachers were tried {told}: by the texts that choose, all others read {chosen}"]


def _means(trials: Sequence[Trial]) -> list[str]:
    """Return which trials stand with the mean of several seeds."""
    several = [trial for trial in trials if trial.seeds > 1]
    if not several:
        return []
    numbers = ", ".join(str(trial.number) for trial in several)
    return [
        f"trials {numbers} are near ties, and stand with the means of {several[0].seeds} seeds; "
        "the answer's file, which the gate and test judge, is that of the first"
    ]


def sentence(
    state: str, goal: Goal, baseline: dict[str, Any], best: Trial, judged: Judged | None
) -> str:
    """Return the answer in one sentence, with its verdict."""
    name = NAMES[goal.metric]
    told = f"{RUNTIMES[goal.runtime]} has {best.nbytes:,} bytes, "
    ratio = baseline["bytes"] / best.nbytes
    told += f"{ratio:,.0f} times fewer than" if ratio >= 1 else f"{1 / ratio:.1f} times as many as"
    told += f" {baseline['name']}" + "'s .embz" * (goal.runtime != "embz")
    if judged is None:
        gain = 100 * (best.values[goal.metric] - baseline[goal.metric])
        what = "a preliminary answer" if state == PRELIMINARY else state
        return f"{told}, and {gain:+.2f} points of {name} on the texts that choose: {what}."
    return f"{told}: {_said(judged.verdict)}."


def _said(verdict: Verdict) -> str:
    found = (
        f"{verdict.difference:+.2f} points of {verdict.name} on {verdict.rows:,} texts of the gate"
    )
    sure = f"with {100 * verdict.confidence:.3g} % confidence"
    if verdict.answer == WORSE:
        told = f"worse by more than {points(verdict.max_drop)}, {found}, {sure} at most "
        told += f"{verdict.upper:+.2f}"
        if verdict.smallest_drop is None:
            return told
        return f"{told}; these texts show a drop of at most {rounded_up(verdict.smallest_drop)}"
    low = f"{found}, {sure} at least {verdict.lower:+.2f}"
    if verdict.answer == SHOWN:
        return f"that it loses at most {points(verdict.max_drop)} is shown ({low})"
    return (
        f"that it loses at most {points(verdict.max_drop)} is not shown ({low}): {verdict.missing}"
    )
