"""The last word of a search: the gate's half of dev, and test; each read once, after all choices.

gate.json     each look at the gate: its list, and its verdicts
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embzip.corpus import Example
from embzip.errors import InputError
from embzip.evaluation.verdicts import Verdict, verdict_on
from embzip.files.records import parse_json
from embzip.pipeline.steps import write_json
from embzip.trials.fronts import gated
from embzip.trials.goals import Goal
from embzip.trials.making import answers_to

CONFIDENCE = 0.95
_LOOKS = "gate.json"
Answers = Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """What the gate said.

    Attributes
    ----------
    chosen
        The place of the answer in the list.
    answers, verdicts
        What may be said of each of the list, as far as it was read, and its bounds.
    looks
        How often the gate was read in this folder, this time included.
    """

    chosen: int
    answers: list[str]
    verdicts: list[Verdict]
    looks: int

    @property
    def said(self) -> str:
        """What may be said of the answer."""
        return self.answers[self.chosen]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the answer."""
        return self.verdicts[self.chosen]

    def to_json(self) -> dict[str, Any]:
        """Return what a report says of it."""
        return {
            "looks": self.looks,
            "said": self.said,
            "list": [
                {**verdict.to_json(), "said": said}
                for verdict, said in zip(self.verdicts, self.answers, strict=True)
            ],
            "chosen": self.chosen,
        }


def judge(
    directory: Path,
    goal: Goal,
    models: Sequence[str],
    answers_of: Callable[[int], Answers],
) -> Judged:
    """Read the gate for a frozen list of models, or return what it said of the same list before.

    Each further list is a further look, and its bounds have a higher confidence (Bonferroni).

    Parameters
    ----------
    models
        What tells the baseline, and then each of the list, from other models.
    answers_of
        Returns what number i of `models` answers to the gate's texts.
    """
    path = directory / _LOOKS
    looks = _looks(path)
    asked = {"models": list(models), "max_drop": goal.max_drop, "metric": goal.metric}
    place = next((at for at, look in enumerate(looks) if look["asked"] == asked), None)
    if place is None:
        place = len(looks)
        looks.append({"asked": asked})
        # What was looked at is kept before it is: a killed search has had its look.
        write_json(path, looks)
    confidence = 1 - (1 - CONFIDENCE) / (place + 1)
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
    chosen, said = gated(verdicts)
    return Judged(chosen, said, verdicts, place + 1)


def tested(
    goal: Goal, before: Path, after: Path, test: Sequence[Example], learned: Sequence[str]
) -> dict[str, Any]:
    """Return what test says of the answer and of the baseline, and how many texts are not new.

    Parameters
    ----------
    before, after
        The files of both.
    learned
        The texts that trained, chose or judged.
    """
    known = set(learned)
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
    return {**verdict.to_json(), "shared": shared, **_changed(test, old, new)}


def _changed(test: Sequence[Example], old: Answers, new: Answers) -> dict[str, Any]:
    """Return which labels changed most often, and the texts whose label changed."""
    rows = list(
        zip(
            test, old["answers"], new["answers"], old["probabilities"], new["probabilities"],
            strict=True,
        )
    )  # fmt: skip
    pairs: dict[tuple[str, str, str], int] = {}
    examples = []
    for example, was, now, sure, surer in rows:
        if was == now:
            continue
        kind = (example.label, was, now)
        pairs[kind] = pairs.get(kind, 0) + 1
        examples.append(
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
    examples.sort(key=lambda e: -min(e["before_probability"], e["after_probability"]))
    return {
        "pairs": [
            {"expected": expected, "before": was, "after": now, "texts": count}
            for (expected, was, now), count in most[:20]
        ],
        "examples": examples[:50],
    }


def _looks(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    found = parse_json(path.read_bytes(), str(path), error=InputError)
    if not isinstance(found, list) or not all(
        isinstance(look, dict) and "asked" in look for look in found
    ):
        raise InputError(f"{path}: expected the looks at the gate, found {json.dumps(found)[:40]}")
    return found
