"""Golden files, written by scripts/make_golden.py, only read here: what was saved still loads."""

import json
from pathlib import Path

import numpy as np
import pytest

import embzip
from embzip.classifier import Classifier
from embzip.classifier.text_digests import TextDigest
from embzip.codecs.registry import BUILTIN
from embzip.packing.arrays import PackedArray
from scripts.make_golden import (
    ANYWHERE,
    CLASSIFIER,
    FOLDER,
    PACKED,
    PACKS,
    SPECS,
    TEXTS,
    answers_of,
    golden_classifier,
    path_of,
)

FILES = sorted(FOLDER.glob("*.embz"))


def test_every_stage_has_a_golden_file() -> None:
    assert {path_of(spec) for spec in SPECS} == set(FILES)
    named = {part.split(":")[0] for spec in SPECS for part in spec.split("|")}
    chooses = {"auto"}  # a chain stands in the file
    assert {stage.name for stage in BUILTIN} == named | chooses


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("mmap", [False, True])
def test_golden_files_decode_to_what_they_did(path: Path, mmap: bool) -> None:
    table = embzip.load(path, mmap=mmap)
    # A matrix product of another library may differ in the last bits.
    expected = np.load(path.with_suffix(".npy"))
    np.testing.assert_allclose(table.decode(), expected, rtol=1e-5, atol=1e-6)
    assert table.vocabulary is not None
    assert table.vocabulary.token(11) == "wörd09"
    table.verify()


@pytest.mark.parametrize("spec", PACKED)
@pytest.mark.parametrize("mmap", [False, True])
def test_packed_golden_files_decode_to_what_they_did(spec: str, mmap: bool) -> None:
    path = path_of(spec, PACKS)
    table = embzip.load(path, mmap=mmap)
    assert isinstance(table.codes["values"], PackedArray) == mmap
    expected = np.load(path.with_suffix(".npy"))
    np.testing.assert_allclose(table.decode(), expected, rtol=1e-5, atol=1e-6)
    table.verify()


@pytest.mark.parametrize("mmap", [False, True])
def test_the_golden_classifier_answers_as_it_did(mmap: bool) -> None:
    model = embzip.load_model(CLASSIFIER, mmap=mmap)
    expected = np.load(CLASSIFIER.with_suffix(".npy"))
    np.testing.assert_allclose(model.probabilities(TEXTS), expected, rtol=1e-5)
    assert model.labels == ("animals", "people")
    assert isinstance(model, Classifier)
    assert [run.kind for run in model.training.runs] == ["train", "tune"]
    assert model.training.trained_on(TextDigest.of(reversed(TEXTS)))
    assert model.training.runs == golden_classifier().training.runs


def test_the_answers_for_readers_in_other_languages_are_ours() -> None:
    expected = json.loads(ANYWHERE.with_suffix(".json").read_text("utf-8"))
    found = answers_of(embzip.load_classifier(ANYWHERE))
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine["text"], mine["ids"]) == (theirs["text"], theirs["ids"])
        np.testing.assert_allclose(mine["probabilities"], theirs["probabilities"], atol=1e-5)
