"""The gate: exit codes, its line, and which models it takes."""

import csv
import json
from pathlib import Path

import pytest

import embzip
from embzip.classifier import MeanConfig
from embzip.corpus import Example
from embzip.errors import FileFormatError, InputError, InputTypeError, SpecError
from tests.commands import outcome
from tests.models import tiny_classifier

LINES = ["the lion", "people say", "about the zoo", "able people", "tiger", "café", "say lion ably"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, one that answers like it, one of other weights, and what the first answers."""
    model = tiny_classifier(encoder=MeanConfig, seed=2)
    model.save(tmp_path / "before.embz")
    embzip.rebuild(model, codec="int8").save(tmp_path / "near.embz")
    tiny_classifier(encoder=MeanConfig, seed=1).save(tmp_path / "other.embz")
    texts = [f"{a} {b} {c}" for a in LINES for b in LINES for c in LINES]
    lines = [f"{p.label}\t{t}\n" for p, t in zip(model.predict(texts), texts, strict=True)]
    (tmp_path / "test.tsv").write_text("".join(lines), "utf-8")
    (tmp_path / "few.tsv").write_text("".join(lines[:40]), "utf-8")
    return tmp_path


def test_the_three_answers_have_exit_codes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    shown = outcome("gate", "before.embz", "near.embz", "test.tsv", "--max-drop", 2)
    assert shown.code == 0, shown.stderr
    assert shown.stdout.startswith("shown: accuracy 1.0000 -> ")
    assert shown.stdout.count("\n") == 1
    worse = outcome("gate", "before.embz", "other.embz", "test.tsv", "--max-drop", 0.5)
    assert (worse.code, worse.stderr) == (3, "")
    assert worse.stdout.startswith("worse: accuracy 1.0000 -> 0.")
    few = outcome("gate", "before.embz", "before.embz", "few.tsv", "--max-drop", 0.5)
    assert few.code == 4
    assert few.stdout.startswith("not shown: accuracy 1.0000 -> 1.0000 on 40 texts (+0.00 points")
    assert "more like them would do" in few.stdout


def test_json_is_the_librarys_record(folder: Path) -> None:
    paths = [folder / name for name in ("before.embz", "other.embz", "test.tsv")]
    told = outcome("gate", *paths, "--max-drop", 1, "--metric", "MACRO-F1", "--json")
    assert told.code == 3
    found = embzip.gate(*paths, max_drop=1, metric="macro-f1")
    assert json.loads(told.stdout) == json.loads(json.dumps(found.to_json()))
    assert (found.answer, found.metric, found.rows) == ("worse", "macro-f1", 343)
    measured = [embzip.evaluate(path, paths[2]).macro_f1 for path in paths[:2]]
    assert [found.before, found.after] == pytest.approx(measured)


def test_any_model_that_predicts_is_taken(folder: Path) -> None:
    import embzip.tf

    model = embzip.load_classifier(folder / "before.embz")
    embzip.export(model, folder / "after.tflite")
    test = embzip.read_examples(folder / "test.tsv")
    for after in (folder / "after.tflite", embzip.Ensemble([model]), [folder / "before.embz"] * 2):
        found = embzip.gate(folder / "before.embz", after, test, max_drop=1)
        assert (found.answer, found.difference) == ("shown", 0)


def test_columns_of_csv_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    rows = [line.split("\t") for line in Path("test.tsv").read_text("utf-8").splitlines()]
    with Path("test.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["topic", "body"], *rows])
    columns = ("--label-column", "topic", "--text-column", "body")
    plain, named = (
        outcome("gate", "before.embz", "near.embz", test, "--max-drop", 5, *options)
        for test, options in (("test.tsv", ()), ("test.csv", columns))
    )
    assert plain.code == 0
    assert named == plain


def test_labels_that_no_model_knows_are_said() -> None:
    model = tiny_classifier()
    test = [Example(text=text, label="weather") for text in LINES]
    with pytest.raises(InputError, match="such as 'animals', found none of them in 7 rows"):
        embzip.gate(model, model, test, max_drop=1)
    test[0] = Example(text=LINES[0], label=model.predict(LINES[:1])[0].label)
    with pytest.warns(UserWarning, match="6 of 7 test rows have labels that neither model gives"):
        found = embzip.gate(model, model, test, max_drop=1)
    assert found.before == found.after == pytest.approx(1 / 7)


def test_wrong_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    model, test = tiny_classifier(), [Example(text="the lion", label="animals")]
    with pytest.raises(SpecError, match="from 0 to 100, received -1"):
        embzip.gate(model, model, test, max_drop=-1)
    with pytest.raises(InputError, match="at least one example"):
        embzip.gate(model, model, [], max_drop=1)
    kit = embzip.Kit(model.embedding, {"a": model})
    with pytest.raises(InputTypeError, match="a kit"):
        embzip.gate(model, kit, test, max_drop=1)  # type: ignore[arg-type]
    embzip.save(model.embedding, "table.embz")
    with pytest.raises(FileFormatError, match="found only an embedding"):
        embzip.gate(model, "table.embz", test, max_drop=1)
    swapped = outcome("gate", "before.embz", "test.tsv", "near.embz", "--max-drop", 1)
    assert swapped.code == 1
    assert "exchange them" in swapped.stderr
    negative = outcome("gate", "before.embz", "near.embz", "test.tsv", "--max-drop", "-1")
    assert negative.code == 1
    assert "max_drop is how many points may be lost" in negative.stderr
    missing = outcome("gate", "before.embz", "near.embz", "test.tsv")
    assert missing.code == 2
