"""The record of a search: what stands in front.json, and its first sentence."""

from collections.abc import Sequence
from typing import Any

from embzip.evaluation.verdicts import SHOWN, WORSE, Verdict, rounded_up
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
        `bytes` and both metrics of the best uncompressed model, and its `parts`; and, where a
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
    verdict = None if judged is None else judged.verdict
    return {
        "kind": "search",
        "state": state,
        "sentence": sentence(state, goal, baseline, best, judged),
        "goal": goal.to_json(),
        "corpus": corpus,
        "baseline": baseline,
        "best": {**best.to_json(), "parts": parts, "file": RUNTIMES[goal.runtime]},
        "verdict": None if verdict is None else {**verdict.to_json(), "said": judged.said},  # type: ignore[union-attr]
        "gate": None if judged is None else judged.to_json(),
        "confirmed": confirmed,
        "test": test,
        "changed": changed,
        "trials": [
            {**trial.to_json(), "front": trial.number in front, "best": trial.number == best.number}
            for trial in sorted(trials, key=lambda each: each.number)
        ],
        "stopped": stopped,
        "notes": [*_teachers(baseline, goal.metric), *notes],
        "seconds": round(seconds, 1),
        "environment": environment(),
    }


def _teachers(baseline: dict[str, Any], metric: str) -> list[str]:
    """Return what is to be said of the teachers that were tried."""
    tried = baseline.get("tried", [])
    if len(tried) < 2:
        return []
    told = " and ".join(
        f"over {tokens(each['reads'])} ({each['bytes']:,} bytes, {metric} {each[metric]:.4f})"
        for each in tried
    )
    chosen = tokens(baseline["reads"])
    return [f"teachers were tried {told}: by the texts that choose, all others read {chosen}"]


def sentence(
    state: str, goal: Goal, baseline: dict[str, Any], best: Trial, judged: Judged | None
) -> str:
    """Return the answer in one sentence, with its verdict."""
    name = {"accuracy": "accuracy", "macro-f1": "macro-F1"}[goal.metric]
    told = f"{RUNTIMES[goal.runtime]} has {best.nbytes:,} bytes, "
    kind = "model" if goal.runtime == "embz" else ".embz"
    told += f"{baseline['bytes'] / best.nbytes:,.0f} times fewer than the best uncompressed {kind}"
    if judged is None or state != GATED:
        gain = 100 * (best.values[goal.metric] - baseline[goal.metric])
        what = "a preliminary answer of a quick teacher" if state == PRELIMINARY else state
        return f"{told}, and {gain:+.2f} points of {name} on the texts that choose: {what}."
    return f"{told}: {_said(judged.said, judged.verdict, name)}."


def _said(answer: str, verdict: Verdict, name: str) -> str:
    found = f"{verdict.difference:+.2f} points of {name} on {verdict.rows:,} texts of the gate"
    sure = f"with {100 * verdict.confidence:.3g} % confidence"
    if answer == WORSE:
        told = f"worse by more than {points(verdict.max_drop)}, {found}, {sure} at most "
        told += f"{verdict.upper:+.2f}"
        if verdict.smallest_drop is None:
            return told
        return f"{told}; these texts show a drop of at most {rounded_up(verdict.smallest_drop)}"
    low = f"{found}, {sure} at least {verdict.lower:+.2f}"
    if answer == SHOWN:
        return f"that it loses at most {points(verdict.max_drop)} is shown ({low})"
    if verdict.lower >= -verdict.max_drop:
        return (
            f"that it loses at most {points(verdict.max_drop)} is not shown, since that was not "
            f"of a larger file before it in the gate's order ({low})"
        )
    return (
        f"that it loses at most {points(verdict.max_drop)} is not shown ({low}): {verdict.missing}"
    )
