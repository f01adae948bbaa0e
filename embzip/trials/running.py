"""Runs a search that was checked: teachers, generations of trials, gate, test."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from embzip.corpus import Example
from embzip.pipeline.steps import Step, Steps
from embzip.report.record import facts_of
from embzip.trials.fronts import Trial, best_of, gate_list
from embzip.trials.goals import Goal
from embzip.trials.journal import Journal
from embzip.trials.judging import Judged, judge, tested
from embzip.trials.making import Making, examples_of_side
from embzip.trials.proposing import (
    Proposal,
    Scored,
    proposals,
    start_proposals,
)
from embzip.trials.publishing import publish
from embzip.trials.space import Space, Student
from embzip.trials.telling import GATED, PRELIMINARY, RANKED, record_of
from embzip.trials.workers import Task, Workers
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
        examples: bool,
        watch: Callable[[dict[str, Any]], None] | None,
        log: Callable[[str], None] | None,
    ) -> None:
        self._making, self._steps, self._goal = making, steps, goal
        self._space, self._journal = space, journal
        self._tested, self._seeds, self._examples = tested, seeds, examples
        self._watch = watch or (lambda record: None)
        self._log = log or (lambda line: None)
        self._trials: list[Trial] = []
        self._shown: tuple[str, int] | None = None  # what the files hold
        self._began = time.monotonic()

    def through(
        self, crew: Workers, *, minutes: float | None, trials: int | None
    ) -> dict[str, Any]:
        """Search for so long, or so many trials, and return the record."""
        self._crew = crew
        self._teach()
        end = None if minutes is None else time.monotonic() + 60 * minutes
        self._generations(end, trials)
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
        answers = _answers(self._crew.one(task)["folder"])
        path = self._model(self._making.trained(number, quick=quick))
        parts = facts_of(path)["bytes"]
        return {"number": number, "bytes": parts["total"], "parts": parts, **scores(answers)}

    def _preliminary(self) -> None:
        """Show what a quick teacher teaches."""
        self._log("a quick teacher, and what it teaches")
        point = self._starts[0]
        self._baseline = self._uncompressed(0, quick=True)
        task = self._task([replace(point, number=-1)], quick=True)
        (record,) = self._crew.one(task)["trials"]
        self._publish(PRELIMINARY, [Trial.of(replace(point, number=-1), record)], quick=True)

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
                self._publish(RANKED, self._trials)
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
        self._publish(RANKED, self._trials)

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

    def _end(self) -> dict[str, Any]:
        """Read the gate, then test, and write the answer."""
        goal, making = self._goal, self._making
        frozen = gate_list(self._trials, goal, self._baseline[goal.metric])
        if not frozen:
            return self._publish(RANKED, self._trials)
        number = self._baseline["number"]
        steps = [self._student(trial) for trial in frozen]
        tasks: list[Task] = [
            {"do": "step", "name": "baseline", "number": number, "side": "gate", "quick": False},
            *({**self._named(t, "answers"), "side": "gate"} for t in frozen),
        ]

        def answers_of(place: int) -> dict[str, Any]:
            return _answers(self._crew.one(tasks[place])["folder"])

        keys = [step.key for step in (making.trained(number), *steps)]
        judged = judge(making.directory, goal, keys, answers_of)
        best = frozen[judged.chosen]
        said = None
        if self._tested:
            corpus = self._steps.folder(making.corpus)
            said = tested(
                goal,
                self._model(making.trained(number)),
                self._model(self._student(best)),
                self._tested,
                [example.text for example in examples_of_side(corpus, "train")],
            )
        return self._publish(GATED, self._trials, best=best, judged=judged, test=said)

    def _publish(
        self,
        state: str,
        trials: Sequence[Trial],
        *,
        best: Trial | None = None,
        judged: Judged | None = None,
        test: dict[str, Any] | None = None,
        quick: bool = False,
    ) -> dict[str, Any]:
        """Write the best so far, and return the record."""
        goal = self._goal
        notes = []
        best = best or best_of(trials, goal, self._baseline[goal.metric])
        if best is None:
            best = min(trials, key=lambda each: (self._score(each), each.number))
            notes.append("no trial fits what was asked for; this is the nearest one")
        step = self._student(best, quick=quick)
        model = self._model(step)
        exported = Path(self._crew.one(self._named(best, "export", quick=quick))["folder"])
        record = record_of(
            state=state,
            goal=goal,
            corpus=self._corpus,
            baseline=self._baseline,
            trials=trials,
            best=best,
            parts=facts_of(model)["bytes"],
            judged=judged,
            test=test,
            notes=notes,
            seconds=time.monotonic() - self._began,
        )
        publish(
            self._making.directory, record, model, exported / "model.tflite",
            examples=self._examples,
        )  # fmt: skip
        if self._shown != (state, best.number):
            self._shown = (state, best.number)
            self._log(record["sentence"])
        self._watch(record)
        return record

    @cached_property
    def _corpus(self) -> dict[str, Any]:
        found = self._steps.record(self._making.corpus, "corpus.json")
        texts = self._making.texts
        return {
            "file": texts.train.name,
            **{key: found[key] for key in ("train", "choosing", "gate", "unlabelled")},
            "labels": len(found["labels"]),
        }

    def _task(self, group: Sequence[Proposal], *, quick: bool = False) -> Task:
        trials = [
            {
                "number": each.number,
                "student": each.student.to_json(),
                "seed": self._making.seed,
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

    def _named(self, trial: Trial, name: str, *, quick: bool = False) -> dict[str, Any]:
        """Return the task of a step over a trial's student."""
        student = trial.proposal.student.to_json()
        seed = self._making.seed
        return {"do": "step", "name": name, "student": student, "seed": seed, "quick": quick}

    def _student(self, trial: Trial, *, quick: bool = False) -> Step:
        return self._making.student(trial.proposal.student, seed=self._making.seed, quick=quick)

    def _model(self, step: Step) -> Path:
        return self._steps.place(step) / "model.embz"

    def _do(self, what: str, task: Task) -> None:
        self._log(what)
        self._crew.one(task)


def _answers(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "answers.json").read_bytes())
    return found


def _by_float(found: Sequence[Proposal]) -> dict[Student, list[Proposal]]:
    """Return proposals by the float student that they share: one worker makes it once."""
    groups: dict[Student, list[Proposal]] = {}
    for each in found:
        student = each.student
        shape = replace(student.shape, codec="float32", kernels="float32")
        groups.setdefault(replace(student, shape=shape), []).append(each)
    return groups
