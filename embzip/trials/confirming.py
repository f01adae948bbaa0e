"""Repeats what a search found on parts of its training texts, so that more of them can judge it.

Cross-fitting: teachers and student are trained anew without a fold of the texts, and answer it. All
folds together are one paired comparison. It speaks of the recipe, and not of the file: each fold
has models of its own. No text judges that has chosen the recipe.

References
----------
Chernozhukov et al. 2018, Double/debiased machine learning for treatment and structural parameters
(cross-fitting).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embzip.evaluation.verdicts import verdict_on
from embzip.trials.fronts import Trial
from embzip.trials.goals import Goal
from embzip.trials.judging import CONFIDENCE, look
from embzip.trials.sides import FOLDS
from embzip.trials.workers import Task, Workers

_LOOKS = "looks-at-folds.json"


def cross_fitted(
    crew: Workers, goal: Goal, trial: Trial, number: int, log: Callable[[str], None]
) -> dict[str, Any]:
    """Return the verdict on a trial's recipe against that of the uncompressed model.

    The record also has how many recipes the folds have judged in this folder.

    Parameters
    ----------
    number
        Of the teacher that is the baseline.
    """
    recipe = {"number": number, "student": trial.proposal.student.to_json()}
    looks = look(crew.making.directory / _LOOKS, {**recipe, "metric": goal.metric})
    recipe["seed"] = crew.making.seed
    tasks: list[Task] = [{"do": "fold", "fold": fold, **recipe} for fold in range(FOLDS)]
    log(f"repeating the recipe on {FOLDS} folds of the training texts")
    found = sorted(crew.done(tasks), key=lambda each: each[0])
    expected, before, after = list[str](), list[str](), list[str]()
    for _, folders in found:
        old, new = (
            json.loads((Path(folders[side]) / "answers.json").read_bytes())
            for side in ("before", "after")
        )
        expected += old["expected"]
        before += old["answers"]
        after += new["answers"]
    verdict = verdict_on(
        expected,
        before,
        after,
        max_drop=goal.max_drop,
        metric=goal.metric,
        confidence=CONFIDENCE,
    )
    return {**verdict.to_json(), "folds": FOLDS, "looks": looks}
