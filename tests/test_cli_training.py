"""`embzip train` on a terminal: a bar with the loss, and Ctrl-C that keeps the best epoch."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embzip.classifier import load_classifier
from tests.commands import write_inputs
from tests.processes import PRESSED, run_tensorflow

TRAIN = (
    sys.executable, "-m", "embzip", "train", "train.tsv", "--vectors", "table.embz",
    "--epochs", "60000", "--patience", "60000", "--filters", "2", "-o", "model.embz", "--json",
)  # fmt: skip

ONE_EPOCH = ("train", "train.tsv", "--vectors", "table.embz", "--epochs", "1", "--filters", "2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    rows = [f"sports\tthe goal {n}\nbusiness\tthe market {n}\n" for n in range(30)]
    (tmp_path / "train.tsv").write_text("".join(rows), "utf-8")
    return tmp_path


def test_the_bar_tells_the_loss_and_ctrl_c_keeps_the_best_epoch(folder: Path) -> None:
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        TRAIN, cwd=folder, stdout=subprocess.PIPE, stderr=theirs, text=True,
        env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    drawn = ""
    # Each epoch is one batch: the loss is shown once that of the first has ended, and falls.
    while len(set(re.findall(r"loss \d\.\d{4}", drawn))) < 3:
        drawn += os.read(ours, 65536).decode()
    assert "loading TensorFlow" in drawn[: drawn.index("loss")]
    assert "loading" not in drawn[drawn.index("loss") :]
    child.send_signal(signal.SIGINT)
    printed, _ = child.communicate(timeout=120)
    os.close(ours)
    assert child.returncode == 130
    record = json.loads(printed)
    assert record["interrupted"] is True
    assert 1 <= record["best_epoch"] <= len(record["dev_accuracy"]) < 60_000
    assert load_classifier(folder / "model.embz").labels == ("business", "sports")


@pytest.mark.parametrize("where", ["Task.classifier", "Classifier.save", "_sync_folder"])
@pytest.mark.parametrize("seeds", [(), ("--seeds", "2")])
def test_ctrl_c_after_the_training_lets_the_model_be_written(
    where: str, seeds: tuple[str, ...], folder: Path
) -> None:
    command = [*ONE_EPOCH, "-o", "made" if seeds else "made.embz", *seeds]
    assert run_tensorflow(PRESSED, folder, command=command, where=where, times=1) == (130, None)
    (made,) = (folder / "made").iterdir() if seeds else folder.glob("made*")
    assert made.name == "model-0.embz" if seeds else "made.embz"
    assert not load_classifier(made).training.runs[0].interrupted  # it ended by itself


def test_ctrl_c_twice_while_the_model_is_written_leaves_nothing(folder: Path) -> None:
    before = sorted(folder.iterdir())
    command = [*ONE_EPOCH, "-o", "made.embz"]
    ended = run_tensorflow(PRESSED, folder, command=command, where="Classifier.save", times=2)
    assert ended == (130, None)
    assert sorted(folder.iterdir()) == before
