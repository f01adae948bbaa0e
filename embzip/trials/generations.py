"""Generations of trials: proposed, begun, halved by their first epochs, and trained to the end.

Halving is that of successive halving, once a generation: all students of a generation are trained
for a few epochs, and the better half goes on. Of the first generation, all do.

References
----------
Jamieson and Talwalkar 2016, Non-stochastic best arm identification and hyperparameter optimization.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from embzip.trials.fronts import Trial
from embzip.trials.goals import Goal
from embzip.trials.journal import Journal
from embzip.trials.proposing import Proposal, Scored, proposals, start_proposals
from embzip.trials.space import Space, Student
from embzip.trials.workers import Task, Workers


class Generations:
    """The trials of a search.

    Parameters
    ----------
    show
        Called with all finished trials after each.

    Attributes
    ----------
    trials
        Those that were finished.
    stopped
        Those that were not, after their first epochs.
    baseline
        The metric of the uncompressed model, 0 to 1.
    """

    def __init__(
        self,
        goal: Goal,
        space: Space,
        journal: Journal,
        seed: int,
        *,
        show: Callable[[Sequence[Trial]], object],
        log: Callable[[str], None],
    ) -> None:
        self._goal, self._space, self._journal, self._seed = goal, space, journal, seed
        self._show, self._log = show, log
        self.trials: list[Trial] = []
        self.stopped: list[Scored] = []
        self.baseline = 0.0

    def starts(self) -> list[Proposal]:
        """The first generation."""
        self._bound(())
        return start_proposals(self._space)

    def score(self, trial: Trial) -> float:
        """Return how far a trial is from what is wanted; less is better."""
        value = trial.values[self._goal.metric]
        return self._goal.score(trial.nbytes, value, self.baseline, trial.latency)

    def run(self, crew: Workers, *, end: float | None, trials: int | None) -> None:
        """Run trials until a time of the monotonic clock, or so many of them.

        Those that an earlier search finished are read from the journal.
        """
        records = self._journal.records()
        known = {(each["number"], Student.of(each["student"])): each for each in records}
        self._starts = self.starts()
        generation = 0
        finished = max((record["generation"] for record in records), default=-1)

        def finding(each: Proposal) -> dict[str, Any] | None:
            return known.get((each.number, each.student))

        def timely() -> bool:
            # At least one trial is run, however little time there is.
            return end is None or time.monotonic() < end or not self.trials

        def going() -> bool:
            return generation <= finished or timely()  # what was finished is gone through again

        while going():
            before = list(self.trials)
            self._bound(before)
            found = self._proposed(generation)
            if trials is not None:
                found = [each for each in found if each.number < trials]
            if not found:
                return
            if generation and len(found) > 1:
                ranked = self._ranked(crew, found, going)
                better = [each.proposal for each in ranked[: (len(ranked) + 1) // 2]]
                # Of a run by minutes, none that was finished is lost, whoever it is beside now.
                found = [
                    each
                    for each in found
                    if each in better or (trials is None and finding(each) is not None)
                ]
                self.stopped += (each for each in ranked if each.proposal not in found)
            for each in found:
                if (record := finding(each)) is not None:
                    self.trials.append(Trial.of(each, record))
            missing = [each for each in found if finding(each) is None]
            if missing:  # else nothing is new, and a verdict that was shown stays
                if self.trials:
                    self._show(self.trials)
                self._log(f"generation {generation}: {len(missing)} trials")
            groups = _by_float(missing)
            tasks = [students_task(self._goal, group, self._seed) for group in groups]
            for place, answer in crew.done(tasks, until=timely):
                by_number = {each.number: each for each in groups[place]}
                for record in answer["trials"]:
                    self._finished(by_number[record["number"]], record)
            if len(self.trials) < len(before) + len(found):
                return
            generation += 1

    def _ranked(
        self, crew: Workers, found: Sequence[Proposal], going: Callable[[], bool]
    ) -> list[Scored]:
        """Return a generation after its first epochs, the best first.

        Where time is over before all were begun, none is.
        """
        groups = _by_float(found)
        self._log(f"the first epochs of {len(found)} trials")
        tasks = [{"do": "sketch", **_made(group[0], self._seed)} for group in groups]
        values: dict[int, float] = {}
        for place, answer in crew.done(tasks, until=going):
            values |= {each.number: answer[self._goal.metric] for each in groups[place]}
        if len(values) < len(found):
            return []
        # What is lost by the codes, and so by how much all are below the baseline, is not known.
        best = max(values.values())
        scored = [
            Scored(
                each,
                self._goal.score(self._space.nbytes(each.student), values[each.number], best, None),
                finished=False,
            )
            for each in found
        ]
        return sorted(scored, key=lambda each: (each.score, each.proposal.number))

    def _finished(self, proposal: Proposal, record: dict[str, Any]) -> None:
        trial = Trial.of(proposal, record)
        self._journal.add(
            {**record, "generation": proposal.generation, "student": proposal.student.to_json()},
            proposal.point,
            self.score(trial),
        )
        self.trials.append(trial)
        metric = self._goal.metric
        self._log(
            f"trial {trial.number}: {trial.nbytes:,} bytes, {metric} {trial.values[metric]:.4f}, "
            f"{trial.seconds:.0f} s: {proposal.student.name}"
        )
        self._show(self.trials)

    def _proposed(self, generation: int) -> list[Proposal]:
        if generation == 0:
            return self._starts
        scored = [Scored(trial.proposal, self.score(trial)) for trial in self.trials]
        before = [*scored, *self.stopped]
        return list(
            proposals(self._space, generation, before, seed=self._seed, starts=self._starts)
        )

    def _bound(self, before: Sequence[Trial]) -> None:
        """Bound proposals for a .tflite by what those of earlier generations took."""
        seen = [trial.nbytes - trial.embz_bytes for trial in before]
        self._space.size = self._goal.embz_size(seen)


def students_task(goal: Goal, group: Sequence[Proposal], seed: int, *, quick: bool = False) -> Task:
    """Return the task of making students that share a float32 one."""
    trials = [{"number": each.number, **_made(each, seed), "quick": quick} for each in group]
    latency = goal.latency is not None
    return {"do": "trials", "trials": trials, "runtime": goal.runtime, "latency": latency}


def _made(proposal: Proposal, seed: int) -> dict[str, object]:
    return {"student": proposal.student.to_json(), "seed": seed}


def _by_float(found: Sequence[Proposal]) -> list[list[Proposal]]:
    """Return proposals by the float student that they share: one worker makes it once.

    Of the starts the order is meant. Later, what takes longest is begun first, so that workers end
    at about the same time.
    """
    groups: dict[Student, list[Proposal]] = {}
    for each in found:
        student = each.student
        shape = replace(student.shape, codec="float32", kernels="float32")
        groups.setdefault(replace(student, shape=shape), []).append(each)
    return sorted(groups.values(), key=_work, reverse=True)


def _work(group: Sequence[Proposal]) -> int:
    """Return about how much it takes to train a group's float student, 0 for one of the starts."""
    shape = group[0].student.shape
    return shape.dim * shape.filters if group[0].generation else 0
