"""How a classifier was trained: stored, read back, checked, kept where it stays true."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embzip.classifier import (
    Classifier,
    Kit,
    TextDigest,
    TrainingRecord,
    TrainingRun,
    load_classifier,
    load_model,
)
from embzip.classifier.factorizing import factorize
from embzip.classifier.loading import describe
from embzip.classifier.mean import MeanConfig
from embzip.classifier.rebuilding import bounded, rebuild, rebuild_kit
from embzip.embz.format import save
from embzip.errors import FileFormatError, InputError, SpecError
from tests.models import classifiers, tiny_classifier, training_record

RECORD = training_record()
TRAIN, TUNE = RECORD.runs


def stored(path: Path) -> Any:
    return describe(path)[0]["training"]


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_keeps_it(pack: bool, mmap: bool, tmp_path: Path) -> None:
    path, again = tmp_path / "a.embz", tmp_path / "b.embz"
    replace(tiny_classifier("int8"), training=RECORD).save(path, pack=pack)
    model = load_model(path, mmap=mmap)
    assert isinstance(model, Classifier)
    assert model.training == RECORD
    model.save(again, pack=pack)
    assert again.read_bytes() == path.read_bytes()


def test_what_is_stored(tmp_path: Path) -> None:
    replace(tiny_classifier(), training=RECORD).save(tmp_path / "a.embz")
    assert stored(tmp_path / "a.embz") == [
        {
            "kind": "train",
            "training": [3, TextDigest.of(["people say", "the lion", "the tiger"]).digest],
            "dev": [1, TextDigest.of(["the zoo"]).digest],
            "held_out": True,
            "epochs": 9,
            "best_epoch": 3,
            "batch_size": 2,
            "learning_rate": 0.001,
            "optimizer": "adam-rows",
            "seed": 5,
            "patience": 2,
            "trainable": False,
            "random_init": True,
            "interrupted": True,
            "soft": True,
            "pruning": {
                "final": 0.75, "end": 12, "initial": 0.0, "begin": 0, "frequency": 3,
                "exponent": 3.0,
            },
        },
        {
            "kind": "tune",
            "training": [2, TextDigest.of(["lions", "people"]).digest],
            "dev": [2, TextDigest.of(["say", "zoo"]).digest],
            "held_out": False,
            "epochs": 2,
            "best_epoch": 2,
            "batch_size": 64,
            "learning_rate": 0.0003,
            "optimizer": "adam",
            "seed": 0,
            "params": True,
            "quantize": True,
        },
    ]  # fmt: skip


def test_a_classifier_made_in_code_stores_nothing_of_it(tmp_path: Path) -> None:
    plain = tiny_classifier()
    assert plain.training == TrainingRecord()
    assert b"training" not in plain.tensors({})["config"].tobytes()
    plain.save(tmp_path / "a.embz")
    assert stored(tmp_path / "a.embz") == []
    model = load_model(tmp_path / "a.embz")
    assert isinstance(model, Classifier)
    assert model.training == TrainingRecord()


def test_a_run_takes_few_bytes() -> None:
    def nbytes(record: TrainingRecord) -> int:
        return len(replace(tiny_classifier(), training=record).tensors({})["config"])

    usual = replace(
        TRAIN,
        training=TextDigest(23_474, "f" * 16),
        dev=TextDigest(2_609, "f" * 16),
        random_init=False,
        interrupted=False,
        pruning=None,
        trainable=True,
    )
    nothing = nbytes(TrainingRecord())
    assert nbytes(TrainingRecord((usual,))) - nothing <= 256
    assert nbytes(TrainingRecord((TRAIN,))) - nothing <= 500
    widest = nbytes(TrainingRecord((usual,)).widest("tune")) - nbytes(TrainingRecord((usual,)))
    assert nbytes(TrainingRecord((usual, TUNE))) - nbytes(TrainingRecord((usual,))) <= widest <= 320


def test_what_a_record_can_tell() -> None:
    train = ["the lion", "people say", "the tiger"]
    assert RECORD.trained_on(TextDigest.of(train))
    assert RECORD.trained_on(TextDigest.of(["lions", "people"]))
    assert not RECORD.trained_on(TextDigest.of(train[:2]))
    assert not RECORD.trained_on(TextDigest.of(["the zoo"]))
    assert RECORD.chosen_on(TextDigest.of(["the zoo"]))
    assert not RECORD.chosen_on(TextDigest.of(train))
    for seen in (train, ["the zoo"], [*train, "the zoo"], ["people", "lions", "zoo", "say"]):
        assert RECORD.has_seen(TextDigest.of(seen))
    for other in ([], [*train, "the zoo", "zoo"], [*train, "lions", "people"]):
        assert not RECORD.has_seen(TextDigest.of(other))
        assert not TrainingRecord().has_seen(TextDigest.of(other))


def test_what_changes_no_text_keeps_it() -> None:
    model = replace(tiny_classifier("center|svd:3|int8"), training=RECORD)
    wide = replace(
        tiny_classifier(dim=40, encoder=MeanConfig, labels=tuple("abcdefghijklmnopqrst")),
        training=RECORD,
    )
    kept = [
        rebuild(model, codec="center|svd:2|int8"),  # folded
        rebuild(model, codec="svd:2|int8", fold=False, kernels="int8"),
        rebuild(model, kernels="float16"),
        rebuild(model, tiny_classifier("int4").embedding),
        factorize(wide, rank=2),
    ]
    assert [each.training for each in kept] == [RECORD] * 5


def test_accuracy_is_that_of_what_the_file_holds(tmp_path: Path) -> None:
    measured = RECORD.measured(np.float64(0.98765))
    assert [run.dev_accuracy for run in measured.runs] == [None, 0.9877]
    model = replace(tiny_classifier("center|svd:3|int8"), training=measured)
    model.save(tmp_path / "a.embz")
    assert load_classifier(tmp_path / "a.embz").training == measured
    assert stored(tmp_path / "a.embz")[1]["dev_accuracy"] == 0.9877
    wide = replace(tiny_classifier(dim=40, encoder=MeanConfig, labels=tuple("abcdefghij")))
    for changed in (
        rebuild(model, codec="int4"),
        rebuild(model, kernels="int8"),
        rebuild_kit(Kit.of({"a": model}), codec="int4").classifiers["a"],
        factorize(replace(wide, training=measured), rank=2),
    ):
        assert changed.training == RECORD
    run = replace(TUNE, dev_accuracy=0.5)
    assert [each.dev_accuracy for each in measured.then(run).runs] == [None, None, 0.5]
    assert TrainingRecord().measured(0.5) == TrainingRecord()


def test_each_classifier_of_a_kit_has_its_own(tmp_path: Path) -> None:
    named = classifiers("svd:3|int8")
    named["topic"] = replace(named["topic"], training=RECORD)
    named["mood"] = replace(named["mood"], training=TrainingRecord((TUNE,)))
    rebuild_kit(Kit.of(named), codec="svd:2|int8").save(tmp_path / "kit.embz")
    kit = load_model(tmp_path / "kit.embz")
    assert isinstance(kit, Kit)
    assert [each.training.runs for each in kit.classifiers.values()] == [
        (TRAIN, TUNE),
        (TUNE,),
        (),
        (),
    ]


@pytest.mark.parametrize("size", range(3200, 3800, 100))
def test_a_bound_leaves_room_for_a_tuning(size: int, tmp_path: Path) -> None:
    model = replace(tiny_classifier(), training=TrainingRecord((TRAIN,)))
    for tuned in (False, True):
        bound = bounded(model, f"auto:{size}B", tuned=tuned)
        made = rebuild(model, codec=bound.codec)
        grown = replace(made, training=made.training.then(TUNE)) if tuned else made
        save(grown, tmp_path / "grown.embz", most=bound.most)  # refuses what is larger
        assert (tmp_path / "grown.embz").stat().st_size <= size


def test_a_size_that_a_tuned_file_cannot_have_is_refused_before() -> None:
    model = replace(tiny_classifier(), training=TrainingRecord((TRAIN,)))
    rebuild(model, codec=bounded(model, "auto:1600B").codec)
    with pytest.raises(SpecError, match=r"auto:1600B.*the least is"):
        rebuild(model, codec=bounded(model, "auto:1600B", tuned=True).codec)


class Crafted:
    def __init__(self, change: Callable[[Any], object]) -> None:
        model = replace(tiny_classifier(), training=RECORD)
        self.embedding = model.embedding
        self._tensors = model.tensors({})
        record = json.loads(self._tensors["config"].tobytes())
        change(record)
        self._tensors["config"] = np.frombuffer(json.dumps(record).encode(), np.uint8)

    def head_tensors(self) -> list[dict[str, Any]]:
        return [self._tensors]


def run_with(**changes: Any) -> Callable[[Any], object]:
    return lambda record: record["training"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record.update(training={}), "training must be a list, received {}"),
        (lambda record: record.update(training=None), "training must be a list"),
        (lambda record: record.update(training=[3]), r"training\[0\]: expected an object"),
        (lambda record: record["training"].append({}), r"training\[2\]: the key 'kind' is missing"),
        (run_with(host="a"), r"training\[0\]: unknown key 'host'"),
        (run_with(kind="learn"), "kind must be one of train, tune, distill, received 'learn'"),
        (run_with(training=3), "training must be a list"),
        (run_with(training=[3]), "training must be a count and a digest"),
        (run_with(training=["0" * 16, 3]), "training: count must be a whole number"),
        (run_with(training=[3, 4]), "training: digest must be text"),
        (run_with(training=[3, "x" * 16]), "must be 16 hexadecimal digits, received 'xxxx"),
        (run_with(training=[0, "0" * 16]), "a run has texts for training, received none"),
        (run_with(training=[2**60, "0" * 16]), "count must be a whole number in"),
        (run_with(dev=[1, "0" * 999]), "must be 16 hexadecimal digits"),
        (run_with(held_out="yes"), "held_out must be true or false"),
        (run_with(epochs=0), r"epochs must lie in 1\.\.65536, received 0"),
        (run_with(epochs=True), "epochs must be a whole number"),
        (run_with(best_epoch=10), r"best_epoch must lie in 1\.\.9 \(epochs\), received 10"),
        (run_with(best_epoch=0), "best_epoch must lie in"),
        (run_with(best_epoch=None), "best_epoch must be a whole number"),
        (run_with(batch_size=2**20), "batch_size must lie in"),
        (run_with(learning_rate=0), "learning_rate must be a positive number"),
        (run_with(learning_rate=float("nan")), "learning_rate must be a positive number"),
        (run_with(learning_rate=10**400), "learning_rate must be a number up to"),
        (run_with(optimizer="sgd"), "optimizer must be one of adam"),
        (run_with(optimizer="auto"), "optimizer must be one of adam"),
        (run_with(random_init=0.1), "random_init must be true or false"),
        (run_with(interrupted=3), "interrupted must be true or false"),
        (run_with(seed=2**32), "seed must be a whole number in"),
        (run_with(patience=-1), "patience must be a whole number"),
        (run_with(trainable=1), "trainable must be true or false"),
        (run_with(random_init=[]), "random_init must be true or false"),
        (run_with(params="x"), "params must be true or false"),
        (run_with(quantize=0), "quantize must be true or false"),
        (run_with(dev_accuracy=1.5), r"dev_accuracy must lie in 0\.\.1, received 1\.5"),
        (run_with(dev_accuracy="most"), "dev_accuracy must be a number"),
        (run_with(soft=1), "soft must be true or false"),
        (run_with(pruning=0.8), "pruning must be a table"),
        (run_with(pruning={"final": 0.8}), "pruning: the key 'end' is missing"),
        (
            lambda record: record["training"][0]["pruning"].update(final=float("nan")),
            "sparsity must satisfy",
        ),
        (lambda record: record["training"][0]["pruning"].update(x=1), "pruning: unknown key 'x'"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(
    change: Callable[[Any], object], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.embz"
    save(Crafted(change), path)
    for mmap in (False, True):
        with pytest.raises(FileFormatError, match=rf"^{path}: the classifier .*{says}") as raised:
            load_model(path, mmap=mmap)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("field", [field.name for field in fields(TrainingRun)])
def test_every_missing_key_is_an_option_that_is_off_or_refused(field: str, tmp_path: Path) -> None:
    path = tmp_path / "a.embz"
    save(Crafted(lambda record: record["training"][0].pop(field, None)), path)
    off = {"patience": None, "trainable": None, "pruning": None}
    off |= dict.fromkeys(("random_init", "interrupted"), False)
    off |= {"params": False, "quantize": False, "soft": False}
    off |= {"copies": None, "labels": 0.0, "folds": 0, "rounded_epochs": 0}
    off |= {"class_weights": "none", "dev_accuracy": None}
    if field in off:
        model = load_model(path)
        assert isinstance(model, Classifier)
        assert model.training.runs[0] == replace(TRAIN, **{field: off[field]})
    else:
        with pytest.raises(FileFormatError, match=f"the key '{field}' is missing"):
            load_model(path)


def test_what_no_run_can_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"unknown kind of training 'tuned'.*tune"):
        replace(TRAIN, kind="tuned")
    with pytest.raises(InputError, match="received none"):
        replace(TRAIN, dev=TextDigest.of([]))
    with pytest.raises(SpecError, match="seed"):
        replace(TRAIN, seed=-1)
    numbers: Any = {"epochs": np.int64(9), "learning_rate": np.float64(0.5)}
    assert json.loads(json.dumps(replace(TRAIN, **numbers).to_json()))["learning_rate"] == 0.5
