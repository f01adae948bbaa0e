"""Near ties: which trials are distilled with further seeds, and what their means make of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from embzip.trials.fronts import Trial

_NEAR = 3


def near_ties(trials: Iterable[Trial], best: Trial, score: Callable[[Trial], float]) -> list[Trial]:
    """Return the best and the trials whose score is nearest to its own, three in all."""
    return sorted(
        trials, key=lambda each: (each is not best, abs(score(each) - score(best)), each.number)
    )[:_NEAR]


def with_means(trials: Iterable[Trial], repeats: Sequence[Mapping[str, Any]]) -> list[Trial]:
    """Return trials, those that were repeated with the means of their metrics."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for record in repeats:
        found.setdefault(record["number"], []).append(record)
    return [
        replace(
            trial,
            values={
                name: fmean([value, *(record[name] for record in found.get(trial.number, ()))])
                for name, value in trial.values.items()
            },
            seeds=1 + len(found.get(trial.number, ())),
        )
        for trial in trials
    ]
