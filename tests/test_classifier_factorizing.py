"""Factorized kernels: what they compute, what they save, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from embzip import tf
from embzip.classifier import (
    AttentionConfig,
    Classifier,
    Encoder,
    FnetConfig,
    MeanConfig,
    load_model,
)
from embzip.classifier.factorizing import factorize
from embzip.classifier.rebuilding import reading_metric, rebuild
from embzip.classifier.registry import BUILTIN
from embzip.errors import FileFormatError, InputError
from tests.commands import stdout_of
from tests.models import tiny_classifier
from tests.test_tf_training import examples, vectors

TEXTS = ["able lion zoo", "people say", "", "unheard tiger", "café " * 20]
LABELS = ("a", "b", "c", "d", "e", "f")


def product(model: Classifier) -> dict:
    """The arrays of the whole model that a factorized one stands for."""
    arrays = dict(model.arrays)
    for layer in model.ranks:
        arrays[f"{layer}.kernel"] = arrays.pop(f"{layer}.reduce.kernel") @ arrays[f"{layer}.kernel"]
    return arrays


@pytest.mark.parametrize("encoder", BUILTIN, ids=lambda encoder: encoder.kind)
def test_it_computes_the_truncated_kernels(encoder: type[Encoder], tmp_path: Path) -> None:
    model = tiny_classifier(encoder=encoder, labels=LABELS)
    small = factorize(model, rank=2)
    assert small.ranks["dense"] == 2
    assert sum(a.nbytes for a in small.arrays.values()) < sum(
        a.nbytes for a in model.arrays.values()
    )
    for layer in small.ranks:
        left, values, right = np.linalg.svd(model.arrays[f"{layer}.kernel"], full_matrices=False)
        best = (left[:, :2] * values[:2]) @ right[:2]
        np.testing.assert_allclose(product(small)[f"{layer}.kernel"], best, atol=1e-5)
    whole = Classifier(model.embedding, LABELS, model.config, product(small))
    expected = whole.probabilities(TEXTS)
    np.testing.assert_allclose(small.probabilities(TEXTS), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(reading_metric(small), reading_metric(whole), rtol=1e-4, atol=1e-5)
    folded = rebuild(small, codec="center|svd:6|float32")
    np.testing.assert_allclose(folded.probabilities(TEXTS), expected, atol=1e-5)
    ids = np.zeros((len(TEXTS), 8), np.int32)
    for row, found in enumerate(folded.encode(TEXTS)):
        ids[row, : len(found)] = found
    np.testing.assert_allclose(np.asarray(tf.from_classifier(folded)(ids)), expected, atol=1e-5)
    folded.save(tmp_path / "small.embz")
    loaded = load_model(tmp_path / "small.embz")
    assert loaded.ranks == small.ranks
    np.testing.assert_array_equal(loaded.probabilities(TEXTS), folded.probabilities(TEXTS))


def test_energy_chooses_the_ranks() -> None:
    model = tiny_classifier(encoder=AttentionConfig, labels=LABELS)
    kernel = np.outer(np.arange(12), np.arange(12)).astype(np.float32)
    arrays = {**model.arrays, "block.0.query.kernel": kernel}
    small = factorize(Classifier(model.embedding, LABELS, model.config, arrays), energy=0.8)
    assert small.ranks["block.0.query"] == 1
    for layer, rank in small.ranks.items():
        energies = np.square(np.linalg.svd(arrays[f"{layer}.kernel"], compute_uv=False))
        shares = [energies[:kept].sum() / energies.sum() for kept in (rank - 1, rank)]
        assert shares[0] < 0.8 <= shares[1]


def test_it_is_fine_tuned_on_the_command_line(tmp_path: Path) -> None:
    train = examples(150)
    shape = {"width": 16, "hidden": 16}
    model = tf.train(train, vectors(), encoder="fnet", epochs=3, learning_rate=0.01, **shape)
    model.classifier.save(tmp_path / "model.embz")
    (tmp_path / "train.tsv").write_text("".join(f"{e.label}\t{e.text}\n" for e in train))
    printed = stdout_of(
        "factorize", tmp_path / "model.embz", "--rank", 3, "--train", tmp_path / "train.tsv",
        "-o", tmp_path / "small.embz", "--json",
    )  # fmt: skip
    record = json.loads(printed)
    assert record["bytes_after"] < record["bytes_before"]
    assert record["bytes_after"] == (tmp_path / "small.embz").stat().st_size
    assert record["dev_accuracy"] >= record["dev_accuracy_before"]
    assert load_model(tmp_path / "small.embz").ranks == record["ranks"]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({}, "exactly one"),
        ({"rank": 2, "energy": 0.5}, "exactly one"),
        ({"rank": 0}, "at least 1"),
        ({"energy": 1.5}, "must lie in"),
        ({"energy": float("nan")}, "must lie in"),
        ({"rank": 50}, "no dense kernel becomes smaller"),
    ],
)
def test_what_cannot_be(options: dict, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        factorize(tiny_classifier(encoder=FnetConfig), **options)


@pytest.mark.parametrize("ranks", [{"dense": 0}, {"dense": 2.0}, {"other": 1}, {"dense": 99}, 3])
def test_crafted_ranks(ranks: object, tmp_path: Path) -> None:
    from embzip.embz.format import save

    model = tiny_classifier(encoder=MeanConfig)

    class Crafted:
        embedding = model.embedding

        def head_tensors(self) -> list[dict]:
            return [model.tensors({"ranks": ranks})]

    save(Crafted(), tmp_path / "crafted.embz")
    with pytest.raises(FileFormatError, match="the classifier in this file is damaged"):
        load_model(tmp_path / "crafted.embz")
