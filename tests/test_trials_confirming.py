"""A whole search without a teacher: its first answer, its seeds, its recipe on folds of texts."""

from functools import partial
from pathlib import Path

import pytest

import embzip
from embzip.classifier.text_digests import TextDigest
from embzip.errors import InputError
from embzip.trials.sides import FOLDS
from tests.conftest import news


def test_without_a_teacher_a_preliminary_answer_comes_first(tmp_path: Path) -> None:
    for name, documents in (("train.tsv", slice(0, 8)), ("dev.tsv", slice(8, 14))):
        lines = news("business", documents) + news("sports", documents)
        (tmp_path / name).write_text(lines, "utf-8")
    told: list[str] = []
    states: list[str] = []
    search = partial(
        embzip.search,
        tmp_path / "train.tsv",
        tmp_path / "out",
        dev=tmp_path / "dev.tsv",
        size="20KB",
        trials=1,
        seeds=2,
        confirm="folds",
        metric="macro-f1",
        log=told.append,
        watch=lambda found: states.append(found["state"]),
    )
    record = search()
    assert states[0] == "preliminary"
    assert states[-1] == record["state"] == "gated"
    assert set(states) == {"preliminary", "not yet gated", "gated"}
    assert any("than the quick teacher, " in line for line in told)
    assert "1 near ties, with 1 more seeds" in told
    assert (tmp_path / "out" / "best.embz").stat().st_size <= 20_000
    assert record["test"] is None
    assert record["changed"]["of"] == "the gate"
    pairs = sum(each["texts"] for each in record["changed"]["pairs"])
    assert pairs == record["verdict"]["changed"]
    assert record["goal"]["asked"] == "the .embz of at most 20,000 bytes with the best macro-F1"
    first, second = (
        [p.name for p in (tmp_path / "out" / "steps").glob(f"{name}-*")]
        for name in ("train", "student")
    )
    assert (len(first), len(second)) == (2 + FOLDS, 3 + FOLDS), (
        "quick and full; preliminary and two seeds; one of each without a fold"
    )
    confirmed = record["confirmed"]
    assert confirmed["looks"] == 1
    assert [each["seeds"] for each in record["trials"]] == [2]
    assert any("stand with the means of 2 seeds" in note for note in record["notes"])
    assert (confirmed["rows"], confirmed["folds"]) == (record["corpus"]["train"], FOLDS)
    assert 0 < confirmed["after"] <= 1
    # What answers a fold has not seen it.
    steps = tmp_path / "out" / "steps"
    held_out = {
        TextDigest.of(each.text for each in embzip.read_examples(folder / "train.tsv"))
        for folder in steps.glob("fold-*")
    }
    seen = {
        embzip.load_model(folder / "model.embz").training.runs[-1].training
        for name in ("train", "student")
        for folder in steps.glob(f"{name}-*")
    }
    assert len(held_out) == FOLDS
    assert held_out < seen
    # Nothing is new in a second run, so that the verdict stays where it is.
    states.clear()
    again = search()
    assert set(states) == {"gated"}
    assert again["verdict"] == record["verdict"]


def test_folds_without_a_text_are_refused_at_once(tmp_path: Path) -> None:
    for name, rows in (("train", 3), ("dev", 60)):
        lines = [f"{label}\t{name} {label} {row}\n" for row in range(rows) for label in "ab"]
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
    with pytest.raises(InputError, match="found 6 texts, which leave one empty"):
        embzip.search(
            tmp_path / "train.tsv", tmp_path / "out", dev=tmp_path / "dev.tsv", confirm="folds"
        )
    with pytest.raises(InputError, match=r"each of 9 fold teachers lacks some of .* which are 6"):
        embzip.search(tmp_path / "train.tsv", tmp_path / "out", dev=tmp_path / "dev.tsv", folds=9)
    assert not list((tmp_path / "out" / "steps").glob("train-*"))


def test_a_given_teacher_cannot_be_confirmed(tmp_path: Path) -> None:
    options = {"teacher": tmp_path / "teacher.embz", "confirm": "folds"}
    with pytest.raises(InputError, match="a given teacher has seen them all"):
        embzip.search(tmp_path / "train.tsv", tmp_path / "no", **options)
    assert not (tmp_path / "no").exists()
