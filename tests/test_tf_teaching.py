"""Models of other kinds as teachers: scikit-learn's, a .tflite of ours, plain functions, files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

import embzip
from embzip import tf
from embzip.corpus import Example
from embzip.errors import InputError, InputTypeError
from embzip.soft_labels import SoftLabels, read_soft_labels
from embzip.tf.batches import training_and_dev
from embzip.vectors.base import Vectors
from tests.models import WORDS, tiny_classifier

OPTIONS: Any = {"filters": 64, "windows": (1,), "epochs": 6, "learning_rate": 0.02}


@pytest.fixture
def news(news_folder: Path) -> tuple[list[Example], list[Example], Vectors]:
    train, test = (embzip.read_examples(news_folder / name) for name in ("train.tsv", "test.tsv"))
    embzip.build_words(
        news_folder / "train.tsv", news_folder / "words.tsv", labelled=True, min_count=2
    )
    words = embzip.load_tokenizer(news_folder / "words.tsv")
    vectors = embzip.train_vectors(news_folder / "train.tsv", words, dim=24, labelled=True)
    return train, test, vectors


def pipeline_of(examples: list[Example]) -> Pipeline:
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0))
    return pipeline.fit([e.text for e in examples], [e.label for e in examples])


def test_a_scikit_learn_pipeline_teaches(news, tmp_path: Path) -> None:
    train, test, vectors = news
    kept, _ = training_and_dev(train, None)
    pipeline = pipeline_of(kept)
    teacher = tf.teacher_of(
        pipeline.predict_proba, train, vectors, labels=pipeline.classes_, **OPTIONS
    )
    assert teacher.labels == ("business", "sports")
    assert teacher.training.runs[0].soft
    texts = [example.text for example in test]
    theirs, ours = pipeline.predict_proba(texts), teacher.probabilities(texts)
    assert (theirs.argmax(axis=1) == ours.argmax(axis=1)).mean() > 0.85
    assert embzip.evaluate(teacher, test).accuracy > 0.85
    # It says what it was told of training texts, and not their labels.
    learned = [example.text for example in kept]
    apart = np.abs(teacher.probabilities(learned) - pipeline.predict_proba(learned)).mean()
    labels = np.array([[e.label == label for label in teacher.labels] for e in kept])
    assert apart < np.abs(teacher.probabilities(learned) - labels).mean()

    # The same by a file of its probabilities, in any order of labels.
    lines = [
        {"text": text, "probabilities": dict(zip(pipeline.classes_[::-1], row[::-1], strict=True))}
        for text, row in zip(learned, pipeline.predict_proba(learned), strict=True)
    ]
    path = tmp_path / "teacher.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    again = tf.teacher_of(read_soft_labels(path, train), train, vectors, **OPTIONS)
    np.testing.assert_allclose(again.probabilities(texts), ours, atol=1e-3)


def test_a_tflite_of_ours_answers_as_any_model(tmp_path: Path) -> None:
    classifier = tiny_classifier("int8", labels=("people", "animals"))
    embzip.export(classifier, tmp_path / "a.tflite")
    runs = embzip.load_model(tmp_path / "a.tflite")
    texts = [f"{one} {other}" for one in WORDS for other in WORDS]
    expected = classifier.probabilities(texts)
    for found in (
        tf.ask(runs, texts),
        tf.ask(runs.probabilities, texts, labels=runs.labels),
        tf.ask(classifier, texts),
    ):
        assert found.labels == ("people", "animals")
        assert found.texts == tuple(texts)
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    examples = [
        Example(text=text, label=found.labels[int(row.argmax())])
        for text, row in zip(texts, expected, strict=True)
    ]
    vectors = Vectors(
        classifier.embedding.vocabulary,
        classifier.embedding.decode(),
        None,
        classifier.embedding.tokenizer,
    )
    taught = tf.teacher_of(runs, examples, vectors, **OPTIONS)
    assert taught.labels == ("animals", "people")
    assert embzip.evaluate(taught, examples).accuracy > 0.9


def test_each_text_is_asked_once_in_blocks_and_progress_is_told() -> None:
    asked: list[list[str]] = []

    def model(texts: list[str]) -> list[list[float]]:
        asked.append(texts)
        return [[0.25, 0.75]] * len(texts)

    texts = [f"text {number}" for number in range(12_000)]
    told: list[tuple[int, int]] = []
    found = tf.ask(
        model, texts + texts[:50], labels=["a", "b"], progress=lambda *counts: told.append(counts)
    )
    assert [len(block) for block in asked] == [10_000, 2_000]
    assert [text for block in asked for text in block] == texts
    assert told == [(10_000, 12_000), (12_000, 12_000)]
    assert len(found) == 12_000


def test_dev_is_not_asked() -> None:
    examples = [Example(text="lion " * n, label="a") for n in range(1, 41)]
    examples += [Example(text="tiger " * n, label="b") for n in range(1, 41)]
    seen: set[str] = set()

    def model(texts: list[str]) -> list[list[float]]:
        seen.update(texts)
        return [[0.9, 0.1] if "lion" in text else [0.1, 0.9] for text in texts]

    embedding = tiny_classifier().embedding
    vectors = Vectors(embedding.vocabulary, embedding.decode(), None, embedding.tokenizer)
    teacher = tf.teacher_of(model, examples, vectors, labels=["a", "b"], **OPTIONS)
    kept, held_out = training_and_dev(examples, None)
    assert seen == {example.text for example in kept}
    run = teacher.training.runs[0]
    assert (run.dev.count, run.held_out) == (len(held_out), True)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (lambda texts: [0.5] * len(texts), r"must have the shape \(2, 2\), found \(2,\)"),
        (lambda texts: [[0.5, 0.5]], r"must have the shape \(2, 2\), found \(1, 2\)"),
        (lambda texts: [[0.2, 0.3, 0.5]] * len(texts), r"\(2, 2\), found \(2, 3\)"),
        (lambda texts: [[1, 0], [2.0, -1.0]], "text 1, 'b': .* at least 0, found -1 for 'y'"),
        (lambda texts: [[0.5, 0.5], [3.0, 2.0]], "text 1, 'b': .* the sum 1, found 5"),
        (lambda texts: [[0.5, 0.5], [np.nan, 1]], "text 1, 'b': .* found nan for 'x'"),
        (lambda texts: ["x", "y"], "must be numbers"),
        (lambda texts: None, r"found \(\)"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(model: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        tf.ask(model, ["a", "b"], labels=["x", "y"])
    assert "\n" not in str(raised.value)


def test_wrong_sources_are_refused() -> None:
    examples = [Example(text="lion", label="a"), Example(text="tiger", label="b")]
    vectors = Vectors(tiny_classifier().embedding.vocabulary, np.eye(11))
    soft = SoftLabels(("a", "b"), ("lion", "tiger"), np.eye(2))
    with pytest.raises(InputError, match="a function's answers need `labels`"):
        tf.ask(lambda texts: np.eye(2), ["lion", "tiger"])
    with pytest.raises(InputError, match="a classifier has its own labels"):
        tf.ask(tiny_classifier(), ["lion"], labels=["a", "b"])
    with pytest.raises(InputTypeError, match="received str"):
        tf.ask("model.embz", ["lion"], labels=["a", "b"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least one text"):
        tf.ask(tiny_classifier(), [])
    with pytest.raises(InputError, match="soft labels have their own labels"):
        tf.teacher_of(soft, examples, vectors, labels=["a", "b"])
    with pytest.raises(InputError, match="lack 'b'"):
        tf.teacher_of(lambda texts: [[1, 0]] * len(texts), examples, vectors, labels=["a", "c"])
