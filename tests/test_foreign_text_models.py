"""Someone's own model as a classifier: against Keras itself, and by every command that judges."""

import json
import pickle
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import embzip
from embzip.artefacts import open_classifier
from embzip.errors import (
    EmbzipError,
    IdRangeError,
    InputError,
    MismatchError,
    UnsupportedModelError,
)
from embzip.foreign import TextModel, load_text_model
from embzip.foreign.outputs import read_labels
from embzip.foreign.rebuilding import rebuild_file
from embzip.tokenizers import load_tokenizer
from tests.commands import error_of, outcome, run_main, stdout_of, write_inputs
from tests.own_models import LABELS, TEXTS, write_own_models

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore:In the future `np.object`:FutureWarning",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write_inputs(folder, ("sport", "politics"))
    write_own_models(folder)  # with a test set of its own labels
    rebuild_file(folder / "logits.keras", folder / "small.keras", codec="int4")
    return folder


@pytest.fixture
def here(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(models)
    return models


def expected(path: Path) -> np.ndarray:
    """Return what Keras answers to the texts."""
    answers = keras.models.load_model(path)(tf.constant(TEXTS)[:, None])
    return np.array(answers)


@pytest.mark.parametrize("name", ["logits.keras", "saved"])
def test_logits_become_probabilities_as_keras_makes_them(models: Path, name: str) -> None:
    model = load_text_model(models / name, models / "labels.txt")
    softmax = np.array(keras.ops.softmax(expected(models / "logits.keras")))
    np.testing.assert_allclose(model.probabilities(TEXTS), softmax, atol=1e-6)
    best = [LABELS[column] for column in softmax.argmax(axis=1)]
    assert [each.label for each in model.predict(TEXTS)] == best
    assert model.probabilities([]).shape == (0, 3)
    assert model.unknown_rate(TEXTS) is None


def test_probabilities_stay_and_one_column_is_the_second_label(models: Path) -> None:
    ids = load_text_model(
        models / "ids.keras", LABELS, tokenizer=models / "logits.keras"
    ).probabilities(TEXTS)
    softmax = np.array(keras.ops.softmax(expected(models / "logits.keras")))
    np.testing.assert_allclose(ids, softmax, atol=1e-6)
    one = load_text_model(models / "second.keras", ["no", "yes"]).probabilities(TEXTS)
    np.testing.assert_allclose(one[:, 1], expected(models / "second.keras")[:, 0], atol=1e-6)
    np.testing.assert_allclose(one.sum(axis=1), 1, atol=1e-6)


def test_a_model_of_ids_is_asked_by_ids_and_says_what_its_tokenizer_does_not_know(
    models: Path,
) -> None:
    tokenizer = load_tokenizer(models / "logits.keras")
    model = load_text_model(models / "ids.keras", LABELS, tokenizer=tokenizer)
    assert model.max_length == 7
    encoded = model.encode(TEXTS)
    assert np.array_equal(model.probabilities_of_ids(encoded), model.probabilities(TEXTS))
    assert model.unknown_rate(["goal xyz"]) == 0.5
    with pytest.raises(IdRangeError):
        model.probabilities_of_ids([[-1]])
    again = pickle.loads(pickle.dumps(model))  # made in this test
    assert np.array_equal(again.probabilities(TEXTS), model.probabilities(TEXTS))


def test_any_number_of_ids_needs_a_length(models: Path) -> None:
    path, vocabulary = models / "free.keras", models / "logits.keras"
    with pytest.raises(InputError, match=r"any number of ids: .*--max-length N"):
        load_text_model(path, LABELS, tokenizer=vocabulary)
    seven = load_text_model(path, LABELS, tokenizer=vocabulary, max_length=7)
    fixed = load_text_model(models / "ids.keras", LABELS, tokenizer=vocabulary)
    np.testing.assert_allclose(seven.probabilities(TEXTS), fixed.probabilities(TEXTS), atol=1e-6)
    with pytest.raises(InputError, match=r"must be 7, which the model reads, received 8"):
        load_text_model(models / "ids.keras", LABELS, tokenizer=vocabulary, max_length=8)


@pytest.mark.parametrize(
    ("name", "labels", "error", "said"),
    [
        ("shares.keras", LABELS, UnsupportedModelError, "probabilities of several labels a text"),
        ("score.keras", ("no", "yes"), UnsupportedModelError, "end the model in a sigmoid"),
        ("two.keras", LABELS, UnsupportedModelError, r"one output .* 2: one, other: .*--node"),
        ("logits.keras", LABELS[:2], MismatchError, "output has columns, 3, found 2: sport"),
        ("second.keras", LABELS, MismatchError, r"columns, 1 \(for one column, two\), found 3"),
        ("ids.keras", LABELS, InputError, "reads numbers, int32 .any, 7.*--tokenizer FILE"),
        ("logits.keras", ("a", "b", "a"), InputError, "'a' stands in line 1 too"),
        ("logits.keras", ("a", "", "b"), InputError, "line 2: a label is needed"),
        ("logits.keras", ("a",), InputError, "at least two labels"),
    ],
)
def test_what_is_no_classifier_of_these_labels_is_refused_in_words(
    models: Path, name: str, labels: tuple[str, ...], error: type[EmbzipError], said: str
) -> None:
    with pytest.raises(error, match=said):
        load_text_model(models / name, labels)


def test_a_file_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffscience \r\nArt & köln\n\n".encode())
    assert read_labels(path) == ("science", "Art & köln")
    path.write_text("a\n\nb\n")
    with pytest.raises(InputError, match=r"labels\.txt, line 2: a label is needed, found none"):
        read_labels(path)


def test_the_library_judges_it_like_ours(models: Path) -> None:
    before, after = (
        load_text_model(models / name, models / "labels.txt")
        for name in ("logits.keras", "small.keras")
    )
    found = embzip.evaluate(after, models / "test.tsv", against=before)
    assert found.agreement is not None
    assert found.kl is not None
    assert found.agreement > 0.8
    assert found.unknown_rate is None
    assert embzip.gate(before, before, models / "test.tsv", max_drop=99).answer == "shown"
    record = embzip.compare(
        models / "logits.keras", models / "small.keras",
        test=models / "test.tsv", labels=models / "labels.txt",
    )  # fmt: skip
    one, two = record["candidates"]
    assert two["accuracy"] == pytest.approx(found.accuracy)
    assert two["agreement"] == pytest.approx(found.agreement)
    assert one["bytes"]["total"] == (models / "logits.keras").stat().st_size
    assert sum(one["bytes"].values()) == 2 * one["bytes"]["total"]
    assert any("Load time" in note for note in record["notes"])
    both = open_classifier([models / "logits.keras", models / "saved"], labels=LABELS)
    np.testing.assert_allclose(both.probabilities(TEXTS), before.probabilities(TEXTS), atol=1e-6)
    assert isinstance(before, TextModel)


def test_the_commands_judge_it(here: Path) -> None:
    own = ("--labels", "labels.txt")
    found = json.loads(
        stdout_of("evaluate", "saved", "test.tsv", *own, "--against", "logits.keras", "--json")
    )
    assert (found["agreement"], found["difference"]) == (1, 0)
    ids = ("--tokenizer", "logits.keras")
    lines = [
        stdout_of("predict", *model, "texts.txt", *own)
        for model in (["logits.keras"], ["saved"], ["ids.keras", *ids])
    ]
    assert len(lines[0].splitlines()) == len(TEXTS)
    assert lines[0] == lines[1] == lines[2]
    assert run_main(["gate", "logits.keras", "ids.keras", "test.tsv", *own, *ids,
                     "--max-drop", 99]) == 0  # fmt: skip
    compared = stdout_of("compare", "logits.keras", "small.keras", "--test", "test.tsv", *own)
    assert "times smaller" in compared
    assert "agreement" in compared
    against = json.loads(
        stdout_of("compare", "logits.keras", "model.embz", "--test", "test.tsv", *own, "--json")
    )
    assert [each["accuracy"] is None for each in against["candidates"]] == [False, False]


def test_wrong_options_are_said(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    message = error_of(["evaluate", "logits.keras", "test.tsv"], capfd)
    assert "logits.keras: a model of Keras or TensorFlow does not say" in message
    assert "--labels FILE" in message
    message = error_of(["gate", "saved", "saved", "test.tsv", "--labels", "test.tsv",
                        "--max-drop", 1], capfd)  # fmt: skip
    assert "test.tsv: expected labels, one a line, found text of label<TAB>text lines" in message
    done = outcome("predict", "model.embz", "texts.txt", "--labels", "labels.txt")
    assert done.code == 2
    assert "a .embz and an exported .tflite have their own" in done.stderr
    message = error_of(["predict", "ids.keras", "texts.txt", "--labels", "labels.txt"], capfd)
    assert "give the tokenizer that makes its ids" in message
