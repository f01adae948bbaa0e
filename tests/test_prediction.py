"""Answers that are no numbers are errors, whatever computes them."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embzip.classifier import Classifier, Kit, load_model
from embzip.corpus import Example
from embzip.errors import EmbzipError, NotFiniteError, SpecError
from embzip.evaluation.accuracy import evaluate
from embzip.prediction import Prediction, TextClassifier, ranked
from embzip.tokenizers import Normalization, Tokenizer, WordTokenizer
from tests.models import classifiers, tiny_classifier


def overflowing(model: Classifier) -> Classifier:
    """Every weight is allowed by itself; the products are not finite."""
    arrays = {name: np.sign(array) * np.float32(5e18) for name, array in model.arrays.items()}
    rows = {"values": model.embedding.codes["values"] * np.float32(1e20)}
    return replace(model, arrays=arrays, embedding=replace(model.embedding, codes=rows))


class Odd(TextClassifier):
    """Answers what it is told to, for the second of two texts."""

    labels = ("one", "two")
    max_length = 4

    def __init__(self, answer: float) -> None:
        self.answer = answer

    @property
    def tokenizer(self) -> Tokenizer:
        return WordTokenizer(["a"], Normalization())

    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        return np.array([[0.5, 0.5], [0.5, self.answer]], np.float32)[: len(ids)]


@pytest.mark.parametrize("answer", [np.nan, np.inf, -np.inf])
def test_any_classifier_names_the_text(answer: float) -> None:
    model = Odd(answer)
    assert model.predict(["a"])[0].label == "one"
    for ask in (model.predict, model.probabilities, model.probabilities_of_ids):
        with pytest.raises(NotFiniteError, match=r"^text 1: every probability must be a finite"):
            ask(["a", "a"])
    with pytest.raises(NotFiniteError):
        evaluate(model, [Example(text="a", label="one"), Example(text="a", label="two")])
    with pytest.raises(NotFiniteError):
        evaluate(
            Odd(0.5),
            [Example(text="a", label="one"), Example(text="a", label="two")],
            against=model,
        )
    assert issubclass(NotFiniteError, EmbzipError)


@pytest.mark.parametrize("name", ["topic", "mood", "style", "length"])
def test_weights_that_overflow_give_no_label_and_no_warning(name: str, tmp_path: Path) -> None:
    model = overflowing(classifiers()[name])
    path = tmp_path / "model.embz"
    model.save(path)
    for one in (model, load_model(path), load_model(path, mmap=True)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(NotFiniteError, match=r"text 0: .*: the model's numbers are so"):
                one.predict(["able lion zoo", ""])


def test_a_kit_names_the_classifier() -> None:
    bad = overflowing(tiny_classifier())
    good = replace(bad, arrays={name: array * 0 for name, array in bad.arrays.items()})
    kit = Kit.of({"good": good, "bad": bad})
    with pytest.raises(NotFiniteError, match=r"^classifier 'bad': text 0: "):
        kit.predict(["able"])


class Said(Odd):
    """Says of each text what stands in a row of its own."""

    labels = ("a", "b", "c")
    rows = np.array([[0.25, 0.5, 0.25], [0.9, 0.0, 0.1]], np.float32)

    def __init__(self) -> None:
        super().__init__(0.0)

    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        return self.rows[: len(ids)]


def test_the_most_probable_labels_in_order() -> None:
    found = Said().predict_top(["x", "y"], 3)
    assert [[each.label for each in row] for row in found] == [["b", "a", "c"], ["a", "c", "b"]]
    assert [each.probability for each in found[0]] == [0.5, 0.25, 0.25]


def test_a_label_below_the_threshold_is_unknown() -> None:
    model = Said()
    assert [each.label for each in model.predict(["x", "y"], threshold=0.5)] == ["b", "a"]
    found = model.predict(["x", "y"], threshold=0.6, unknown="?")
    assert found == [Prediction("?", 0.5), Prediction("a", float(np.float32(0.9)))]
    assert [each.label for each in ranked("abc", model.rows, top=3, threshold=0.1)[1]] == ["a", "c"]


@pytest.mark.parametrize("top", [0, -1, 4])
def test_top_lies_within_the_labels(top: int) -> None:
    with pytest.raises(SpecError, match=rf"in 1..3, the number of labels, received {top}"):
        Said().predict_top(["x"], top)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(SpecError, match=r"in 0..1, received"):
        Said().predict(["x"], threshold=threshold)
