"""Trials that no other one beats in size and metric at once, and which of them is the answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from embzip.evaluation.verdicts import NOT_SHOWN, SHOWN, Verdict
from embzip.trials.goals import Goal
from embzip.trials.proposing import Proposal


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes
    ----------
    nbytes
        Of the file that counts.
    embz_bytes
        Of the .embz.
    values
        Each metric on the half of dev that chooses, 0 to 1.
    latency
        Milliseconds of one text, where that was asked for.
    seconds
        It took.
    seeds
        Of how many students `values` are the mean.
    """

    proposal: Proposal
    nbytes: int
    embz_bytes: int
    values: Mapping[str, float]
    latency: float | None
    seconds: float
    seeds: int = 1

    @property
    def number(self) -> int:
        """Its number, from 0."""
        return self.proposal.number

    @classmethod
    def of(cls, proposal: Proposal, record: Mapping[str, Any]) -> "Trial":
        """Return the trial that a worker's record describes."""
        values = {name: record[name] for name in ("accuracy", "macro-f1")}
        return cls(
            proposal,
            record["bytes"],
            record["embz_bytes"],
            values,
            record["latency"],
            record["seconds"],
        )

    def to_json(self) -> dict[str, Any]:
        """Return what a report says of it."""
        student = self.proposal.student
        return {
            "number": self.number,
            "generation": self.proposal.generation,
            "name": student.name,
            "student": student.to_json(),
            "bytes": self.nbytes,
            "embz_bytes": self.embz_bytes,
            **self.values,
            "latency": self.latency,
            "seconds": self.seconds,
            "seeds": self.seeds,
        }


def front_of(trials: Iterable[Trial], metric: str) -> list[Trial]:
    """Return the trials that none beats, the smallest first; of equal ones the first."""
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda t: (t.nbytes, -t.values[metric], t.number)):
        if not front or trial.values[metric] > front[-1].values[metric]:
            front.append(trial)
    return front


def best_of(trials: Sequence[Trial], goal: Goal, baseline: float) -> Trial | None:
    """Return the answer by what is known before the gate is read; None without a trial that fits.

    Of a named size, the best; else the smallest that loses at most what it may, or, where none
    does, the best. Ties go to the smaller file, then to the earlier trial.
    """
    fitting = [trial for trial in trials if goal.allows(trial.nbytes, trial.latency)]
    if not fitting:
        return None
    metric = goal.metric
    # Metrics are ratios of whole numbers: a drop that is met exactly must not fail by rounding.
    least = baseline - goal.max_drop / 100 - 1e-9
    good = [trial for trial in fitting if trial.values[metric] >= least]
    if goal.size is None and good:
        return min(good, key=lambda t: (t.nbytes, -t.values[metric], t.number))
    return min(fitting, key=lambda t: (-t.values[metric], t.nbytes, t.number))


def gate_list(trials: Sequence[Trial], goal: Goal, best: Trial) -> list[Trial]:
    """Return whom the gate looks at, in its fixed order: the front, from the largest on.

    Of a named size, it is the best alone.
    """
    if goal.size is not None:
        return [best]
    fitting = [trial for trial in trials if goal.allows(trial.nbytes, trial.latency)]
    return front_of(fitting, goal.metric)[::-1]


def gated(verdicts: Sequence[Verdict], ranked: int) -> tuple[int, list[Verdict]]:
    """Return which of the gate's list is the answer, and the verdicts that hold in its order.

    In the list's order, from the largest file on, each is *shown* until the first that is not: so
    the list needs no correction for its length. The answer is the smallest that is shown; else the
    smallest that is not shown and loses no more than it may, neither on the texts that choose nor
    on the gate's; else the largest.

    Parameters
    ----------
    ranked
        The place of the best before the gate was read: the texts that choose say of all after it
        that they lose too much.

    Examples
    --------
    >>> from embzip.evaluation.verdicts import verdict_on
    >>> right = ["sport", "politics"] * 500
    >>> same = verdict_on(right, right, right, max_drop=0.5)
    >>> chosen, held = gated([same, same], 0)
    >>> chosen, [verdict.answer for verdict in held]
    (1, ['shown', 'shown'])
    """
    held: list[Verdict] = []
    for verdict in verdicts:
        late = verdict.answer == SHOWN and any(each.answer != SHOWN for each in held)
        held.append(replace(verdict, answer=NOT_SHOWN, more_rows=None) if late else verdict)
    shown = [at for at, verdict in enumerate(held) if verdict.answer == SHOWN]
    if shown:
        return shown[-1], held
    near = [
        at
        for at, verdict in enumerate(verdicts[: ranked + 1])
        if verdict.difference >= -verdict.max_drop
    ]
    return (near[-1] if near else 0), held
