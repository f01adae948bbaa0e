"""`embzip train --seeds N`: several classifiers in a folder, each as it would be alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embzip.classifier import Ensemble, load_model
from embzip.classifier.training_record import TrainingRecord
from embzip.cli.bars import Bar
from embzip.cli.results import Output
from embzip.cli.trained import Trained, show_trained, train_several
from embzip.corpus import Example
from embzip.embz.format import load
from embzip.tf import train
from tests.commands import outcome, stdout_of, write_inputs

# Keras' variables do not know NumPy 2's `copy` argument yet; no code of ours is involved.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TRAIN = ("train", "train.tsv", "--vectors", "table.embz", "--epochs", 2, "--filters", 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    rows = [f"sports\tthe goal {n}\nbusiness\tthe market {n}\n" for n in range(15)]
    Path("train.tsv").write_text("".join(rows), "utf-8")
    return tmp_path


@pytest.mark.filterwarnings("ignore:the training texts")
def test_seeds_write_a_folder_of_what_each_seed_gives(folder: Path) -> None:
    lines = stdout_of(*TRAIN, "--seed", 4, "--seeds", 3, "-o", "models").splitlines()
    names = [f"model-{seed}.embz" for seed in (4, 5, 6)]
    assert sorted(path.name for path in Path("models").iterdir()) == names
    stdout_of(*TRAIN, "--seed", 5, "-o", "alone.embz")
    assert Path("alone.embz").read_bytes() == Path("models/model-5.embz").read_bytes()
    assert Path("alone.embz").read_bytes() != Path("models/model-6.embz").read_bytes()
    assert lines[-1] == "models"
    assert lines[-2].startswith("3 of 3 classifiers, dev accuracy ")
    assert [line.partition(":")[0] for line in lines[1:-2]] == sorted([*names, *names])
    ensemble = load_model("models")
    assert isinstance(ensemble, Ensemble)
    alone = [load_model(f"models/{name}").probabilities(["the goal"]) for name in names]
    np.testing.assert_allclose(
        ensemble.probabilities(["the goal"]), np.mean(alone, axis=0), rtol=1e-6
    )
    assert "classifiers   3" in stdout_of("evaluate", "models", "test.tsv")


@pytest.mark.filterwarnings("ignore:the training texts")
def test_the_default_folder_and_the_record_of_each(folder: Path) -> None:
    record = json.loads(stdout_of(*TRAIN, "--seeds", 2, "--json"))
    assert record["path"] == "train.models"
    one = json.loads(stdout_of(*TRAIN, "--json"))
    assert [(each["name"], each["seed"]) for each in record["classifiers"]] == [
        ("model-0.embz", 0), ("model-1.embz", 1),
    ]  # fmt: skip
    for each in record["classifiers"]:
        assert each.keys() - {"name"} == one.keys() - {"path"}
        assert each["file_bytes"] == Path("train.models", each["name"]).stat().st_size
    assert record["classifiers"][0]["dev_accuracy"] == one["dev_accuracy"]
    again = outcome(*TRAIN, "--seeds", 1)
    assert again.code == 1
    assert "train.models already exists: choose another name with -o, or" in again.stderr
    stdout_of(*TRAIN, "--seed", 2, "--seeds", 1, "--force")  # more of them
    assert len(list(Path("train.models").iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("-o m.embz", 1, "m.embz: the suffix of an output decides its format, and here it must be"),
        ("-o -", 2, "-o - is for one file: a folder of classifiers is several"),
        ("-o train", 1, "train: expected the name of a folder to write, found a file"),
        ("-o none/models", 1, "the folder none does not exist"),
        ("-o .", 1, "is a folder that holds the input train.tsv"),
    ],
)
def test_what_is_no_folder_is_refused(words: str, code: int, says: str, folder: Path) -> None:
    Path("train").write_text("a file")
    done = outcome(*TRAIN, "--seeds", 2, *words.split())
    assert (done.code, done.stdout) == (code, "")
    assert says in done.stderr
    assert Path("train").read_text() == "a file"


@pytest.mark.filterwarnings("ignore:the training texts")
def test_the_accuracy_is_that_of_the_epoch_that_was_kept(folder: Path) -> None:
    examples = [
        Example(text=f"the {w} {n}", label=w) for n in range(15) for w in ("goal", "market")
    ]
    result = train(examples, load("table.embz"), epochs=1, filters=2)
    record = TrainingRecord((replace(result.run, epochs=3, best_epoch=3),))
    pruned = replace(  # until the second epoch had ended
        result,
        classifier=replace(result.classifier, training=record),
        dev_accuracy=[0.75, 0.25, 0.5],
    )
    told = Trained(pruned, "model.embz", 9).epochs_told()
    assert told.endswith("kept epoch 3: dev accuracy 0.5000")


@pytest.mark.filterwarnings("ignore:the training texts")
def test_ctrl_c_keeps_what_was_written(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    examples = [
        Example(text=f"the {w} {n}", label=w) for n in range(15) for w in ("goal", "market")
    ]
    moved: list[tuple[int, int]] = []

    def one(seed: int, path: Path, bar: Bar | None) -> Trained:
        if seed == 9:
            raise KeyboardInterrupt
        assert bar is not None
        bar(3, 6, 0.5)
        result = train(examples, load("table.embz"), epochs=1, filters=2, seed=seed)
        result.classifier.save(path)
        return Trained(result, path.name, path.stat().st_size)

    with pytest.raises(KeyboardInterrupt):
        train_several(one, range(9, 12), folder, None)
    made = train_several(
        one, range(7, 12), folder, lambda done, total, _: moved.append((done, total))
    )
    assert [each.result.run.seed for each in made] == [7, 8]
    assert moved == [(3, 30), (9, 30)]
    with pytest.raises(KeyboardInterrupt):
        show_trained(Output(folder, folder, "", False), made, range(7, 12))
    assert "2 of 5 classifiers, dev accuracy" in capfd.readouterr().out
    assert Path("model-8.embz").is_file()
