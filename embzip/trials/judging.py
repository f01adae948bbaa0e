"""The last word of a search: the gate's half of dev, and test; each read once, after all choices.

gate.json            each look at the gate: for which list
looks-at-test.json   each look at test: for which models, and which texts
looks-at-folds.json  each look at folds of the training texts: for which recipe
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embzip.classifier.text_digests import TextDigest
from embzip.corpus import Example
from embzip.errors import InputError
from embzip.evaluation.verdicts import Verdict, verdict_on
from embzip.files.reading import digest_of_file
from embzip.files.records import parse_json
from embzip.pipeline.steps import write_json
from embzip.trials.fronts import gated
from embzip.trials.goals import Goal
from embzip.trials.making import answers_to

CONFIDENCE = 0.95
_GATE, _TEST = "gate.json", "looks-at-test.json"
Answers = Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """What the gate said.

    Attributes
    ----------
    chosen
        The place of the answer in the list.
    verdicts
        On each of the list, as they hold in its order.
    looks
        How often the gate was read in this folder, this time included.
    """

    chosen: int
    verdicts: list[Verdict]
    looks: int

    @property
    def verdict(self) -> Verdict:
        """The verdict on the answer."""
        return self.verdicts[self.chosen]

    def to_json(self) -> dict[str, Any]:
        """Return what a report says of it."""
        return {
            "looks": self.looks,
            "list": [verdict.to_json() for verdict in self.verdicts],
            "chosen": self.chosen,
        }


def judge(
    directory: Path,
    goal: Goal,
    models: Sequence[str],
    answers_of: Callable[[int], Answers],
    ranked: int,
) -> Judged:
    """Read the gate for a frozen list of models, or return what it said of the same list before.

    Each further list is a further look: of look k, bounds miss with a probability of 5 % / k
    (Bonferroni). That says nothing of the best of several looks, of which each may have missed.

    Parameters
    ----------
    models
        What tells the baseline, and then each of the list, from other models.
    answers_of
        Returns what number i of `models` answers to the gate's texts.
    ranked
        The place in the list of the best before the gate was read.
    """
    asked = {"models": list(models), "max_drop": goal.max_drop, "metric": goal.metric}
    looks = look(directory / _GATE, asked)
    confidence = 1 - (1 - CONFIDENCE) / looks
    before = answers_of(0)
    verdicts = []
    for number in range(1, len(models)):
        after = answers_of(number)
        verdicts.append(
            verdict_on(
                before["expected"],
                before["answers"],
                after["answers"],
                max_drop=goal.max_drop,
                metric=goal.metric,
                confidence=confidence,
            )
        )
    return Judged(*gated(verdicts, ranked), looks)


def tested(
    directory: Path,
    goal: Goal,
    before: Path,
    after: Path,
    test: Sequence[Example],
    learned: Sequence[str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what test says of the answer and of the baseline, and what `changes` says of both.

    The record also has how many texts are not new, and how often these were read in this folder.

    Parameters
    ----------
    before, after
        The files of both.
    learned
        The texts that taught, chose or judged.
    """
    known = set(learned)
    texts = TextDigest.of(f"{example.label}\t{example.text}" for example in test)
    models = [digest_of_file(path) for path in (before, after)]
    looks = look(directory / _TEST, {"models": models, "texts": texts.digest})
    old, new = answers_to(before, test), answers_to(after, test)
    verdict = verdict_on(
        old["expected"],
        old["answers"],
        new["answers"],
        max_drop=goal.max_drop,
        metric=goal.metric,
        confidence=CONFIDENCE,
    )
    shared = sum(example.text in known for example in test)
    record = {**verdict.to_json(), "shared": shared, "looks": looks}
    return record, changes("test", test, old, new)


def changes(where: str, examples: Sequence[Example], old: Answers, new: Answers) -> dict[str, Any]:
    """Return which labels changed most often, and the texts whose label changed.

    Parameters
    ----------
    where
        What the texts are called.
    """
    rows = list(
        zip(
            examples, old["answers"], new["answers"], old["probabilities"], new["probabilities"],
            strict=True,
        )
    )  # fmt: skip
    pairs: dict[tuple[str, str, str], int] = {}
    found = []
    for example, was, now, sure, surer in rows:
        if was == now:
            continue
        kind = (example.label, was, now)
        pairs[kind] = pairs.get(kind, 0) + 1
        found.append(
            {
                "text": example.text[:300],
                "expected": example.label,
                "before": was,
                "after": now,
                "before_probability": sure,
                "after_probability": surer,
            }
        )
    most = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    # Those of which both were surest: the others are near a border.
    found.sort(key=lambda e: -min(e["before_probability"], e["after_probability"]))
    return {
        "of": where,
        "pairs": [
            {"expected": expected, "before": was, "after": now, "texts": count}
            for (expected, was, now), count in most[:20]
        ],
        "examples": found[:50],
    }


def look(path: Path, asked: dict[str, Any]) -> int:
    """Return which look into a folder's texts this is, from 1; what was asked before is no new one.

    It is written before anything is looked at: a killed search has had its look.
    """
    looks: list[dict[str, Any]] = []
    if path.is_file():
        looks = parse_json(path.read_bytes(), str(path), error=InputError)
        if not isinstance(looks, list) or not all(
            isinstance(look, dict) and isinstance(look.get("asked"), dict) for look in looks
        ):
            raise InputError(
                f"{path}: expected a list of looks, found {json.dumps(looks)[:40]}: search in "
                "another folder with -o"
            )
    if {"asked": asked} not in looks:
        looks.append({"asked": asked})
        write_json(path, looks)
    # Other texts were not looked at.
    of_these = [each for each in looks if each["asked"].get("texts") == asked.get("texts")]
    return of_these.index({"asked": asked}) + 1
