"""A model card: what is known of a file, in Markdown in which nothing from it is markup."""

from dataclasses import replace
from pathlib import Path

import pytest

from embzip.classifier import Kit
from embzip.compression import compress
from embzip.embz.format import save
from embzip.errors import InputError
from embzip.report.card import card_of
from tests.commands import outcome, stdout_of
from tests.models import tiny_classifier, training_record

TEST = "animals\tlion tiger zoo\npeople\tpeople say able\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test.tsv").write_text(TEST)
    meta = {"licence": "MIT | BSD", "note": "<b>\nnew"}
    tiny_classifier("svd:2|int8").save(tmp_path / "model.embz", meta=meta)
    return tmp_path / "model.embz"


def test_a_card_says_what_is_known(path: Path) -> None:
    lines = card_of(path).splitlines()
    assert lines[0] == "# model"
    assert "| licence | MIT \\| BSD |" in lines
    assert any(line.startswith("| note | \\<b>") and "new" in line for line in lines)
    assert any(f"{path.stat().st_size / 1e6:.5f}"[:6] in line for line in lines)
    assert "Not known." in lines, "how a classifier of code was trained"
    assert "Not measured here." in lines


def test_a_card_has_the_accuracy_that_stands_in_the_file(tmp_path: Path) -> None:
    training = training_record().measured(0.98765)
    replace(tiny_classifier(), training=training).save(tmp_path / "model.embz")
    lines = card_of(tmp_path / "model.embz").splitlines()
    first, second = (line for line in lines if line.startswith("- T"))
    assert "accuracy" not in first
    assert second.endswith("; accuracy on dev .988.")
    assert "No test was given: see the accuracy on dev above." in lines


def test_a_card_has_figures_of_a_test(path: Path) -> None:
    shown = stdout_of("report", "model.embz", "--card", "--test", "test.tsv")
    assert shown == card_of(path, "test.tsv")
    assert "| test texts | 2 |" in shown
    assert "| label | precision | recall | F1 | texts |" in shown
    assert outcome("report", "model.embz", "--test", "test.tsv").code == 2


def test_what_has_no_card(path: Path, tmp_path: Path) -> None:
    save(compress([[1.0, 2.0]], "float32"), tmp_path / "table.embz")
    with pytest.raises(InputError, match="holds a table alone"):
        card_of(tmp_path / "table.embz")
    Kit.of({"a": tiny_classifier(), "b": tiny_classifier()}).save(tmp_path / "kit.embz")
    assert "## Classifier: a" in card_of(tmp_path / "kit.embz")
    with pytest.raises(InputError, match="this is a kit"):
        card_of(tmp_path / "kit.embz", "test.tsv")
