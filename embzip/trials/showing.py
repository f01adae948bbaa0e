"""Shows the best of a search so far: its files, its record, and what is said of it."""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from embzip.files.names import base_name
from embzip.pipeline.steps import Step, Steps
from embzip.report.record import facts_of
from embzip.sources import in_short
from embzip.trials.fronts import Trial, best_of
from embzip.trials.given_teachers import doubts
from embzip.trials.goals import Goal
from embzip.trials.judging import Judged
from embzip.trials.making import Making
from embzip.trials.publishing import publish
from embzip.trials.telling import PRELIMINARY, record_of
from embzip.trials.workers import Workers, one

_COUNTS = ("train", "choosing", "gate", "unlabelled", "left_out", "shared")


class Showing:
    """What a search has to show.

    Parameters
    ----------
    crew
        Who exports what is shown; the steps follow from its `making`.
    examples
        Whether the record, and so the page, has texts whose label changed.
    watch
        Called with each record.
    log
        Called with the answer, where it is another one than before.
    """

    def __init__(
        self,
        crew: Workers,
        steps: Steps,
        goal: Goal,
        *,
        examples: bool,
        watch: Callable[[dict[str, Any]], None],
        log: Callable[[str], None],
    ) -> None:
        self._crew, self._steps, self._goal = crew, steps, goal
        self._examples, self._watch, self._log = examples, watch, log
        self._shown: tuple[str, int] | None = None
        self._began = time.monotonic()

    @property
    def _making(self) -> Making:
        return self._crew.making

    def model(self, step: Step) -> Path:
        """Return the file of a teacher or a student that was made."""
        return self._steps.place(step) / "model.embz"

    def student(self, trial: Trial, *, quick: bool = False) -> Step:
        """Return the step that makes a trial's file."""
        return self._making.student(trial.proposal.student, seed=self._making.seed, quick=quick)

    def task(self, trial: Trial, name: str, *, quick: bool = False) -> dict[str, Any]:
        """Return the task of a step over a trial's student."""
        student = trial.proposal.student.to_json()
        seed = self._making.seed
        return {"do": "step", "name": name, "student": student, "seed": seed, "quick": quick}

    def show(
        self,
        state: str,
        trials: Sequence[Trial],
        baseline: dict[str, Any],
        *,
        stopped: int = 0,
        best: Trial | None = None,
        judged: Judged | None = None,
        confirmed: dict[str, Any] | None = None,
        test: dict[str, Any] | None = None,
        changed: dict[str, Any] | None = None,
        serving: tuple[Any, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the best so far, and return its record; of files that are all too large, neither.

        Parameters
        ----------
        stopped
            How many trials ended after their first epochs.
        best
            By default the best by what is known before the gate is read.
        changed
            What `embzip.trials.judging.changes` says of the answer.
        serving
            What serving the uncompressed model and the best takes, if that was measured.
        """
        goal, quick, notes = self._goal, state == PRELIMINARY, list(self.notes)
        if changed is not None and not self._examples:
            changed = {**changed, "examples": []}
        best = best or best_of(trials, goal, baseline[goal.metric])
        if best is None:
            small = [each for each in trials if goal.size is None or each.nbytes <= goal.size]
            if not small:
                least = min(each.nbytes for each in trials)
                if self._shown != (state, least):
                    self._shown = state, least
                    self._log(
                        f"a file of at most {goal.size:,} bytes is wanted, and the smallest of a "
                        f"trial has {least:,}"
                    )
                return {}
            best = min(
                small,
                key=lambda each: (
                    goal.score(
                        each.nbytes, each.values[goal.metric], baseline[goal.metric], each.latency
                    ),
                    each.number,
                ),
            )
            notes.append("no trial fits what was asked for; this is the nearest one")
        step = self.student(best, quick=quick)
        export = self._making.exported(step)
        if not self._steps.made(export):
            one(self._crew, self.task(best, "export", quick=quick))
        record = record_of(
            state=state,
            goal=goal,
            corpus=self._corpus,
            baseline=baseline,
            trials=trials,
            stopped=stopped,
            best=best,
            parts=facts_of(self.model(step))["bytes"],
            judged=judged,
            confirmed=confirmed,
            test=test,
            changed=changed,
            notes=notes,
            seconds=time.monotonic() - self._began,
        )
        if serving is not None:
            record["baseline"] = {**baseline, "serving": serving[0]}
            record["best"]["serving"] = serving[1]
        publish(
            self._making.directory,
            record,
            self.model(step),
            self._steps.place(export) / "model.tflite",
        )
        if self._shown != (state, best.number):
            self._shown = (state, best.number)
            self._log(record["sentence"])
        self._watch(record)
        return record

    @cached_property
    def notes(self) -> list[str]:
        """What a teacher may have seen, and labels that one of the halves lacks."""
        making, steps = self._making, self._steps
        missing = steps.record(making.corpus, "corpus.json")["missing"]
        seen = []
        if making.teacher is not None:
            seen = doubts(self.model(making.trained()), steps.folder(making.corpus))
        found = self._corpus
        if shared := found["shared"]:
            seen.append(
                f"{shared:,} of the {found['choosing'] + found['gate']:,} texts of dev are texts "
                "of train too: what is said of them is too good"
            )
        if left_out := found["left_out"]:
            seen.append(f"{left_out:,} of the further texts are texts of dev, and were left out")
        return seen + [
            f"the {half} has no text of {len(labels):,} of the labels: "
            + ", ".join(map(repr, labels[:5]))
            for half, labels in missing.items()
            if labels
        ]

    @cached_property
    def _corpus(self) -> dict[str, Any]:
        found = self._steps.record(self._making.corpus, "corpus.json")
        return {
            "file": in_short(list(map(base_name, self._making.texts.train.paths))),
            **{key: found[key] for key in _COUNTS},
            "labels": len(found["labels"]),
        }
