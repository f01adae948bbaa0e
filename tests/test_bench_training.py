"""Parts of the scripts that measure training: folds, settings, README's commands, steps."""

from pathlib import Path
from typing import Any

import numpy as np

from embzip import Example, Vectors
from embzip.vocabulary import Vocabulary
from scripts.bench_chain import commands_of
from scripts.bench_defaults import SETTINGS, changed, fold_examples
from scripts.bench_epoch import step_seconds

README = Path(__file__).parent.parent / "README.md"


def test_folds_hold_every_example_once_and_copies_together() -> None:
    examples = [
        Example(text=f"text {number % 300}", label="ab"[number % 2]) for number in range(500)
    ]
    folds = fold_examples(examples)
    assert sorted((e.text, e.label) for fold in folds for e in fold) == sorted(
        (e.text, e.label) for e in examples
    )
    texts = [{example.text for example in fold} for fold in folds]
    assert sum(map(len, texts)) == 300
    assert all(10 <= len(fold) <= 50 for fold in texts)


def test_a_setting_differs_from_its_base_in_what_was_changed() -> None:
    base = SETTINGS["sg-15"]
    made = changed("sg-15", vectors={"window": 3}, classifier={"filters": 7})
    assert made.base == "sg-15"
    assert made.words == base.words
    assert made.vectors == {**base.vectors, "window": 3}
    assert made.classifier == {**base.classifier, "filters": 7}
    assert all(setting.base in SETTINGS for setting in SETTINGS.values())


def test_the_chain_is_what_the_readme_says() -> None:
    names = [command.split()[1] for command in commands_of(README.read_text("utf-8"))]
    assert names == ["build-words", "train-vectors", "train", "distill", "evaluate"]


def test_steps_are_timed_until_there_are_enough() -> None:
    words = [f"w{number}" for number in range(90)]
    table = Vectors(Vocabulary(words), np.eye(90, 4))
    examples = [Example(text=word, label="ab"[number % 2]) for number, word in enumerate(words)]
    options: dict[str, Any] = {"filters": 2, "windows": (1,), "optimizer": "adam-rows"}
    for steps in (2, 60):  # an epoch has some 40
        assert step_seconds(examples, table, steps, 2, **options) > 0
