"""Runs a search that was checked: teachers, generations of trials, gate, test."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from embzip.corpus import Example
from embzip.pipeline.steps import Steps
from embzip.report.record import facts_of
from embzip.trials.confirming import cross_fitted
from embzip.trials.fronts import Trial, best_of, gate_list
from embzip.trials.goals import Goal
from embzip.trials.journal import Journal
from embzip.trials.judging import judge, tested
from embzip.trials.making import Making, examples_of_side
from embzip.trials.proposing import (
    Proposal,
    Scored,
    proposals,
    start_proposals,
)
from embzip.trials.repeating import near_ties, with_means
from embzip.trials.showing import Showing
from embzip.trials.space import Space, Student
from embzip.trials.telling import GATED, PRELIMINARY, RANKED
from embzip.trials.workers import Task, Workers, one
from embzip.trials.working import scores

_UNSEEN_RATIO = 0.5  # .embz bytes in those of a .tflite, before one was exported


class Run:
    """One search, from its teachers to its last word."""

    def __init__(
        self,
        making: Making,
        steps: Steps,
        goal: Goal,
        space: Space,
        journal: Journal,
        *,
        tested: Sequence[Example],
        seeds: int,
        confirm: bool,
        examples: bool,
        watch: Callable[[dict[str, Any]], None] | None,
        log: Callable[[str], None] | None,
    ) -> None:
        self._making, self._steps, self._goal = making, steps, goal
        self._space, self._journal = space, journal
        self._tested, self._seeds, self._confirm = tested, seeds, confirm
        self._log = log or (lambda line: None)
        self._showing = Showing(
            making,
            steps,
            goal,
            examples=examples,
            watch=watch or (lambda record: None),
            log=self._log,
        )
        self._trials: list[Trial] = []

    def through(
        self, crew: Workers, *, minutes: float | None, trials: int | None
    ) -> dict[str, Any]:
        """Search for so long, or so many trials, and return the record."""
        self._crew = crew
        self._teach()
        end = None if minutes is None else time.monotonic() + 60 * minutes
        self._generations(end, trials)
        self._repeat()
        return self._end()

    def _teach(self) -> None:
        """Train teachers; the first answer comes of a quick one, if there is none yet."""
        making, steps = self._making, self._steps
        if making.teacher is None:
            self._do("vectors", {"do": "step", "name": "vectors"})
            if not steps.made(making.trained()):
                self._preliminary()
            tasks: list[Task] = [
                {"do": "step", "name": "teacher", "number": number, "quick": False}
                for number in range(making.teachers)
            ]
            self._log(f"training {len(tasks)} teacher{'s' * (len(tasks) > 1)}")
            for _ in self._crew.done(tasks):
                pass
            if making.folds:
                self._do(f"training {making.folds} fold teachers", {"do": "step", "name": "folds"})
        best = max(self._baselines, key=lambda each: (each[self._goal.metric], -each["number"]))
        self._baseline = best
        self._log(
            f"the best uncompressed model has {best['bytes']:,} bytes, and {self._goal.metric} "
            f"{best[self._goal.metric]:.4f} on the texts that choose"
        )

    @cached_property
    def _baselines(self) -> list[dict[str, Any]]:
        """What is known of each teacher."""
        return [self._uncompressed(number) for number in range(self._making.teachers)]

    def _uncompressed(self, number: int, *, quick: bool = False) -> dict[str, Any]:
        task = {"do": "step", "name": "baseline", "number": number, "side": "dev", "quick": quick}
        answers = _answers(one(self._crew, task)["folder"])
        path = self._showing.model(self._making.trained(number, quick=quick))
        parts = facts_of(path)["bytes"]
        return {"number": number, "bytes": parts["total"], "parts": parts, **scores(answers)}

    def _preliminary(self) -> None:
        """Show what a quick teacher teaches."""
        self._log("a quick teacher, and what it teaches")
        point = self._starts[0]
        self._baseline = self._uncompressed(0, quick=True)
        task = self._task([replace(point, number=-1)], quick=True)
        (record,) = one(self._crew, task)["trials"]
        self._show(PRELIMINARY, [Trial.of(replace(point, number=-1), record)])

    @cached_property
    def _starts(self) -> list[Proposal]:
        self._bound(())
        return start_proposals(self._space)

    def _generations(self, end: float | None, trials: int | None) -> None:
        known = self._journal.records()
        generation = 0

        def going() -> bool:
            # At least one trial is run, however little time there is.
            return end is None or time.monotonic() < end or not self._trials

        while going():
            before = list(self._trials)
            self._bound(before)
            found = self._proposed(generation, before)
            if trials is not None:
                found = [each for each in found if each.number < trials]
            if not found:
                return
            for each in found:
                if each.number in known:
                    self._trials.append(Trial.of(each, known[each.number]))
            missing = [each for each in found if each.number not in known]
            if self._trials:
                self._show(RANKED, self._trials)
            if missing:
                self._log(f"generation {generation}: {len(missing)} trials")
            groups = list(_by_float(missing).values())
            for place, answer in self._crew.done([self._task(g) for g in groups], until=going):
                by_number = {each.number: each for each in groups[place]}
                for record in answer["trials"]:
                    self._finished(by_number[record["number"]], record)
            if len(self._trials) < len(before) + len(found):
                return
            generation += 1

    def _finished(self, proposal: Proposal, record: dict[str, Any]) -> None:
        trial = Trial.of(proposal, record)
        self._journal.add(
            {**record, "generation": proposal.generation, "student": proposal.student.to_json()},
            proposal.point,
            self._score(trial),
        )
        self._trials.append(trial)
        metric = self._goal.metric
        self._log(
            f"trial {trial.number}: {trial.nbytes:,} bytes, {metric} {trial.values[metric]:.4f}, "
            f"{trial.seconds:.0f} s: {proposal.student.name}"
        )
        self._show(RANKED, self._trials)

    def _proposed(self, generation: int, before: Sequence[Trial]) -> list[Proposal]:
        if generation == 0:
            return self._starts
        scored = [Scored(trial.proposal, self._score(trial)) for trial in before]
        return list(
            proposals(self._space, generation, scored, seed=self._making.seed, starts=self._starts)
        )

    def _bound(self, before: Sequence[Trial]) -> None:
        """Bound proposals for a .tflite by what those of earlier generations took."""
        goal = self._goal
        if goal.size is None or goal.runtime == "embz":
            return
        ratios = [trial.embz_bytes / trial.nbytes for trial in before]
        self._space.size = int(goal.size * min(ratios, default=_UNSEEN_RATIO))

    def _score(self, trial: Trial) -> float:
        metric = self._goal.metric
        return self._goal.score(
            trial.nbytes, trial.values[metric], self._baseline[metric], trial.latency
        )

    def _repeat(self) -> None:
        """Distil near ties with more seeds; the mean of a metric takes its place."""
        best = best_of(self._trials, self._goal, self._baseline[self._goal.metric])
        if self._seeds == 1 or best is None:
            return
        fitting = [t for t in self._trials if self._goal.allows(t.nbytes, t.latency)]
        near = near_ties(fitting, best, self._score)
        seeds = range(self._making.seed + 1, self._making.seed + self._seeds)
        self._log(f"{len(near)} near ties, with {len(seeds)} more seeds")
        tasks = [self._task([trial.proposal], seed=seed) for trial in near for seed in seeds]
        records = [answer["trials"][0] for _, answer in self._crew.done(tasks)]
        self._trials = with_means(self._trials, records)
        self._show(RANKED, self._trials)

    def _end(self) -> dict[str, Any]:
        """Read the gate, then test, and write the answer."""
        goal, making, showing = self._goal, self._making, self._showing
        frozen = gate_list(self._trials, goal, self._baseline[goal.metric])
        if not frozen:
            return self._show(RANKED, self._trials)
        number = self._baseline["number"]
        of_baseline = {"do": "step", "number": number, "quick": False}
        tasks: list[Task] = [
            {**of_baseline, "name": "baseline", "side": "gate"},
            *({**showing.task(trial, "answers"), "side": "gate"} for trial in frozen),
        ]
        uncompressed = making.trained(number)
        keys = [step.key for step in (uncompressed, *map(showing.student, frozen))]
        judged = judge(
            making.directory,
            goal,
            keys,
            lambda place: _answers(one(self._crew, tasks[place])["folder"]),
        )
        best = frozen[judged.chosen]
        said = confirmed = None
        if self._confirm:
            confirmed = cross_fitted(self._crew, goal, best, number, making.seed, self._log)
        if self._tested:
            corpus = self._steps.folder(making.corpus)
            said = tested(
                goal,
                showing.model(uncompressed),
                showing.model(showing.student(best)),
                self._tested,
                [example.text for example in examples_of_side(corpus, "train")],
            )
            if shared := said["shared_with_training"]:
                self._log(f"test shares {shared:,} of its {said['rows']:,} texts with training")
        served = [{**of_baseline, "name": "serving"}, showing.task(best, "serving")]
        before, after = (_read(one(self._crew, task)["folder"], "serving.json") for task in served)
        return self._show(
            GATED, self._trials, best=best, judged=judged, confirmed=confirmed, test=said,
            serving=(before, after),
        )  # fmt: skip

    def _show(self, state: str, trials: Sequence[Trial], **known: Any) -> dict[str, Any]:
        return self._showing.show(self._crew, state, trials, self._baseline, **known)

    def _task(
        self, group: Sequence[Proposal], *, quick: bool = False, seed: int | None = None
    ) -> Task:
        trials = [
            {
                "number": each.number,
                "student": each.student.to_json(),
                "seed": self._making.seed if seed is None else seed,
                "quick": quick,
            }
            for each in group
        ]
        goal = self._goal
        return {
            "do": "trials",
            "trials": trials,
            "runtime": goal.runtime,
            "latency": goal.latency is not None,
        }

    def _do(self, what: str, task: Task) -> None:
        self._log(what)
        one(self._crew, task)


def _answers(folder: str) -> dict[str, Any]:
    return _read(folder, "answers.json")


def _read(folder: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / name).read_bytes())
    return found


def _by_float(found: Sequence[Proposal]) -> dict[Student, list[Proposal]]:
    """Return proposals by the float student that they share: one worker makes it once."""
    groups: dict[Student, list[Proposal]] = {}
    for each in found:
        student = each.student
        shape = replace(student.shape, codec="float32", kernels="float32")
        groups.setdefault(replace(student, shape=shape), []).append(each)
    return groups
