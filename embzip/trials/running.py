"""Runs a search that was checked: teachers, generations of trials, gate, test."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from embzip.corpus import Example, read_texts
from embzip.errors import InputError
from embzip.evaluation.verdicts import NAMES
from embzip.pipeline.making import examples_of_side
from embzip.pipeline.steps import Steps
from embzip.report.record import facts_of
from embzip.trials.confirming import cross_fitted
from embzip.trials.fronts import Trial, best_of, gate_list
from embzip.trials.generations import Generations, students_task
from embzip.trials.goals import Goal
from embzip.trials.journal import Journal
from embzip.trials.judging import changes, judge, tested
from embzip.trials.making import Making
from embzip.trials.repeating import near_ties, with_means
from embzip.trials.showing import Showing
from embzip.trials.sides import SIDES
from embzip.trials.space import Space, tokens
from embzip.trials.telling import GATED, PRELIMINARY, RANKED
from embzip.trials.workers import Task, Workers, one
from embzip.trials.working import scores


class Run:
    """One search, from its teachers to its last word."""

    def __init__(
        self,
        crew: Workers,
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
        self._crew, self._steps, self._goal, self._space = crew, steps, goal, space
        self._tested, self._seeds, self._confirm = tested, seeds, confirm
        self._log = log or (lambda line: None)
        self._showing = Showing(
            crew,
            steps,
            goal,
            examples=examples,
            watch=watch or (lambda record: None),
            log=self._log,
        )
        self._baselines: list[dict[str, Any]] = []  # teachers of the kind that was chosen
        self._tried: list[dict[str, Any]] = []
        self._found = Generations(
            goal,
            space,
            journal,
            crew.making.seed,
            show=lambda trials: self._show(RANKED, trials),
            log=self._log,
        )

    @property
    def _making(self) -> Making:
        return self._crew.making

    def through(self, *, minutes: float | None, trials: int | None) -> dict[str, Any]:
        """Search for so long, or so many trials, and return the record."""
        self._teach()
        for note in self._showing.notes:
            self._log(note)
        end = None if minutes is None else time.monotonic() + 60 * minutes
        self._found.run(self._crew, end=end, trials=trials)
        return self._end(self._repeated())

    def _teach(self) -> None:
        """Train teachers; the first answer comes of a quick one, if there is none yet."""
        if self._making.teacher is None:
            self._do("vectors", {"do": "step", "name": "vectors"})
            answered = (self._making.directory / "best.embz").exists()  # by other code, perhaps
            if not answered and not self._steps.made(self._making.trained()):
                self._preliminary()
            self._choose_tokens()
            more = range(1, self._making.teachers)
            if more:
                self._log(f"training {len(more)} more")
            self._baselines += self._uncompressed([{"number": each} for each in more])
            if folds := self._making.folds:
                self._do(f"training {folds} fold teachers", {"do": "step", "name": "folds"})
        else:
            self._baselines = self._uncompressed([{"number": 0}])
        best = max(self._baselines, key=lambda each: (each[self._goal.metric], -each["number"]))
        name = "the best uncompressed model" if self._making.teacher is None else "the teacher"
        self._baseline = {**best, "tried": self._tried, "name": name}
        self._log(
            f"{name} has {best['bytes']:,} bytes, and {NAMES[self._goal.metric]} "
            f"{best[self._goal.metric]:.4f} on the texts that choose"
        )
        self._found.baseline = best[self._goal.metric]

    def _choose_tokens(self) -> None:
        """Train a teacher over words and one over pieces; all others read what is better."""
        kinds = sorted({0, self._space.vocabularies[-1]})
        self._log("training " + " and ".join(f"a teacher over {tokens(each)}" for each in kinds))
        found = self._uncompressed([{"number": 0, "reads": each} for each in kinds])
        metric = self._goal.metric
        best = max(found, key=lambda each: each[metric])  # of equal ones, that over words
        self._tried = [{key: each[key] for key in ("reads", "bytes", metric)} for each in found]
        self._baselines = [best]
        self._crew.making = replace(self._making, reads=best["reads"])
        self._space.reads = best["reads"]

    def _uncompressed(self, which: Sequence[Task], *, quick: bool = False) -> list[dict[str, Any]]:
        """Return what is known of teachers, which are trained."""
        task = {"do": "step", "name": "baseline", "side": "dev", "quick": quick}
        answered = dict(self._crew.done([{**task, **each} for each in which]))
        found = []
        for place, each in enumerate(which):
            making = replace(self._making, reads=each.get("reads", self._making.reads))
            step = making.trained(each["number"], quick=quick)
            parts = facts_of(self._showing.model(step))["bytes"]
            sizes = {"bytes": parts["total"], "parts": parts}
            said = scores(_answers(answered[place]["folder"]))
            found.append({"number": each["number"], "reads": making.reads, **sizes, **said})
        return found

    def _preliminary(self) -> None:
        """Show what a quick teacher teaches."""
        self._log("a quick teacher, and what it teaches")
        # The first start of a search without a size is the largest, and the slowest.
        start = self._found.starts()[:2][-1 if self._goal.size is None else 0]
        point = replace(start, number=-1)
        (quick,) = self._uncompressed([{"number": 0}], quick=True)
        self._baseline = {**quick, "name": "the quick teacher"}
        task = students_task(self._goal, [point], self._making.seed, quick=True)
        (record,) = one(self._crew, task)["trials"]
        self._show(PRELIMINARY, [Trial.of(point, record)])

    def _repeated(self) -> list[Trial]:
        """Distil near ties with more seeds; the mean of a metric takes its place."""
        goal, found, seed = self._goal, self._found, self._making.seed
        best = best_of(found.trials, goal, found.baseline)
        if self._seeds == 1 or best is None:
            return found.trials
        fitting = [t for t in found.trials if goal.allows(t.nbytes, t.latency)]
        near = near_ties(fitting, best, found.score)
        seeds = range(seed + 1, seed + self._seeds)
        self._log(f"{len(near)} near ties, with {len(seeds)} more seeds")
        tasks = [students_task(goal, [t.proposal], more) for t in near for more in seeds]
        records = [answer["trials"][0] for _, answer in self._crew.done(tasks)]
        return with_means(found.trials, records)

    def _end(self, trials: Sequence[Trial]) -> dict[str, Any]:
        """Read the gate, then test, and write the answer."""
        goal, making, showing = self._goal, self._making, self._showing
        ranked = best_of(trials, goal, self._baseline[goal.metric])
        if ranked is None:
            self._show(RANKED, trials)  # the nearest, where one is small enough
            raise InputError(_unreached(goal, trials))
        frozen = gate_list(trials, goal, ranked)
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
            frozen.index(ranked),
        )
        best = frozen[judged.chosen]
        corpus = self._steps.folder(making.corpus)
        said = confirmed = None
        if self._confirm:
            confirmed = cross_fitted(self._crew, goal, best, number, self._log)
        if self._tested:
            said, changed = tested(
                making.directory,
                goal,
                showing.model(uncompressed),
                showing.model(showing.student(best)),
                self._tested,
                [
                    *(each.text for side in SIDES for each in examples_of_side(corpus, side)),
                    *read_texts(corpus / "texts.txt"),
                ],
            )
            if shared := said["shared"]:
                self._log(
                    f"test shares {shared:,} of its {said['rows']:,} texts with those that were "
                    "learned from, or with dev"
                )
        else:
            old, new = (
                _answers(one(self._crew, tasks[place])["folder"])
                for place in (0, judged.chosen + 1)
            )
            changed = changes("the gate", examples_of_side(corpus, "gate"), old, new)
        served = [{**of_baseline, "name": "serving"}, showing.task(best, "serving")]
        before, after = (_read(one(self._crew, task)["folder"], "serving.json") for task in served)
        return self._show(
            GATED, trials, best=best, judged=judged, confirmed=confirmed, test=said,
            changed=changed, serving=(before, after),
        )  # fmt: skip

    def _show(self, state: str, trials: Sequence[Trial], **known: Any) -> dict[str, Any]:
        stopped = len(self._found.stopped)
        return self._showing.show(state, trials, self._baseline, stopped=stopped, **known)

    def _do(self, what: str, task: Task) -> None:
        self._log(what)
        one(self._crew, task)


def _unreached(goal: Goal, trials: Sequence[Trial]) -> str:
    """Return what no trial reached, in words, and how near one came."""
    fitting = [each for each in trials if goal.size is None or each.nbytes <= goal.size]
    if not fitting:
        return (
            f"no trial made a file of at most {goal.size:,} bytes, the smallest has "
            f"{min(each.nbytes for each in trials):,}: search on with more --trials or --minutes, "
            "or name a larger --size"
        )
    least = min(each.latency for each in fitting if each.latency is not None)
    return (
        f"no trial answers a text in {goal.latency:g} ms, the fastest takes {least:.3g}: search on "
        "with more --trials or --minutes, or allow a larger --latency"
    )


def _answers(folder: str) -> dict[str, Any]:
    return _read(folder, "answers.json")


def _read(folder: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / name).read_bytes())
    return found
