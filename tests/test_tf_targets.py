"""Training on probabilities: what is learned, which rows belong to which texts, what is refused."""

from typing import Any

import numpy as np
import pytest

from embzip import tf
from embzip.corpus import Example
from embzip.errors import InputError, MismatchError
from embzip.labelled.splits import split_examples
from embzip.soft_labels import SoftLabels
from embzip.tf.batches import training_and_dev
from embzip.tf.targets import answered_labels, targets_of
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors

pytestmark = pytest.mark.filterwarnings("ignore:dev shares")

LABELS = ("a", "b", "c")
WORDS = sorted(f"w{index:02}" for index in range(40))
OPTIONS: Any = {
    **{"filters": 16, "windows": (1,), "learning_rate": 0.02, "dropout": 0.0},
    **{"epochs": 30, "patience": 30, "batch_size": 32},
}


def vectors() -> Vectors:
    tokenizer = WordTokenizer(WORDS, Normalization())
    matrix = np.random.default_rng(0).normal(0, 0.5, (len(WORDS) + 2, 12)).astype(np.float32)
    matrix[0] = 0
    return Vectors(tokenizer.vocabulary, matrix, None, tokenizer)


def meant(text: str) -> np.ndarray:
    """What the first word says of a text, a distribution."""
    row = np.zeros(3)
    row[int(text[1:3]) % 3] = 0.6
    return row + 0.4 / 3


def examples(count: int, seed: int = 0) -> list[Example]:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, 2, replace=False)) for _ in range(count)]
    return [Example(text=text, label=LABELS[int(meant(text).argmax())]) for text in texts]


def one_word(label: str) -> list[Example]:
    return [Example(text=word, label=label) for word in WORDS]


def test_it_learns_probabilities_and_says_so() -> None:
    # The labels say that everything is `a` or, rarely, `b` and `c`; the targets know better.
    train = [*one_word("a"), Example(text=WORDS[0], label="b"), Example(text=WORDS[1], label="c")]
    dev = [Example(text=word, label=LABELS[int(meant(word).argmax())]) for word in WORDS]
    targets = np.array([meant(example.text) for example in train])
    losses: list[float] = []
    result = tf.train(
        train, vectors(), dev=dev, targets=targets,
        progress=lambda *told: losses.append(told[2].loss), **OPTIONS,
    )  # fmt: skip
    assert [each.label for each in result.classifier.predict(WORDS)] == [e.label for e in dev]
    assert result.dev_accuracy[-1] == 1
    entropy = -float(np.sum(meant("w00") * np.log(meant("w00"))))
    assert entropy < losses[-1] < entropy + 0.01
    run = result.classifier.training.runs[0]
    assert run.soft
    assert run.to_json()["soft"] is True
    hard = tf.train(train, vectors(), dev=dev, **{**OPTIONS, "epochs": 1}).classifier
    assert "soft" not in hard.training.runs[0].to_json()


def test_soft_labels_and_the_same_matrix_train_the_same() -> None:
    train = examples(80)
    texts = tuple(dict.fromkeys(example.text for example in train))
    backward = np.array([meant(text)[::-1] for text in texts])
    soft = SoftLabels(LABELS[::-1], texts, backward)
    options = {**OPTIONS, "epochs": 2}
    one = tf.train(train, vectors(), targets=soft, **options)
    matrix = np.array([meant(example.text) for example in train])
    other = tf.train(train, vectors(), targets=matrix, **options)
    assert one.classifier.labels == other.classifier.labels == LABELS
    for name, array in one.classifier.arrays.items():
        np.testing.assert_array_equal(array, other.classifier.arrays[name])
    assert one.dev_accuracy == other.dev_accuracy


def test_certain_targets_train_as_labels_do() -> None:
    train = examples(80)
    certain = np.array([[label == e.label for label in LABELS] for e in train], np.float32)
    options = {**OPTIONS, "epochs": 2}
    soft = tf.train(train, vectors(), targets=certain, **options).classifier
    hard = tf.train(train, vectors(), **options).classifier
    for name, array in soft.arrays.items():
        np.testing.assert_allclose(array, hard.arrays[name], atol=1e-5)


def test_rows_belong_to_their_texts_when_a_tenth_is_held_out() -> None:
    train = examples(300)
    train += [
        Example(text=example.text, label="b") for example in train[:20]
    ]  # copies with another label
    _, held_out = split_examples(train)
    train += [Example(text=held_out[0].text, label="rare")]  # goes back to training
    rows = np.random.default_rng(1).dirichlet(np.ones(4), len(train)).astype(np.float32)
    labels = (*LABELS, "rare")
    kept, dev = training_and_dev(train, None)
    assert dev != kept
    assert kept[-1].label == "rare"
    found = targets_of(rows, train, kept, labels)
    assert found is not None
    used: set[int] = set()
    for example, row in zip(kept, found, strict=True):
        place = int(np.flatnonzero(np.isclose(rows, row).all(axis=1))[0])
        assert train[place] == example
        used.add(place)
    assert len(used) == len(kept)
    every = targets_of(rows, train, train, labels)
    assert every is not None
    np.testing.assert_allclose(every, rows, rtol=1e-6)
    assert targets_of(None, train, kept, labels) is None


def test_soft_labels_need_say_nothing_of_dev() -> None:
    train = examples(200)
    kept, _ = training_and_dev(train, None)
    texts = tuple(dict.fromkeys(example.text for example in kept))
    soft = SoftLabels(LABELS, texts, np.array([meant(text) for text in texts]))
    options = {**OPTIONS, "epochs": 1}
    tf.train(train, vectors(), targets=soft, **options)
    few = SoftLabels(LABELS, texts[1:], soft.probabilities[1:])
    with pytest.raises(MismatchError, match=rf"have none, such as '{texts[0]}'"):
        tf.train(train, vectors(), targets=few, **options)


def test_labels_that_examples_lack_are_answered_too() -> None:
    train = examples(60)
    options = {**OPTIONS, "epochs": 2}
    made = tf.train(train, vectors(), labels=["c", "none", "b", "a"], **options).classifier
    assert made.labels == ("c", "none", "b", "a")
    assert made.probabilities(WORDS)[:, 1].max() < 0.3  # without an example
    assert answered_labels(train, None, None) == LABELS
    texts = tuple(dict.fromkeys(example.text for example in train))
    soft = SoftLabels(("z", *LABELS), texts, np.full((len(texts), 4), 0.25))
    assert answered_labels(train, None, soft) == (*LABELS, "z")
    assert answered_labels(train, ["b", "z", "a", "c"], soft) == ("b", "z", "a", "c")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": ["a", "b"]}, "labels must have every label .* lack 'c'"),
        ({"labels": ["a", "b", "c", "a"]}, "labels must be different, and 'a' stands twice"),
        ({"targets": np.zeros((3, 3))}, r"must have the shape \(60, 3\), found \(3, 3\)"),
        ({"targets": np.full((60, 3), 0.5)}, "text 0, .* the sum 1, found 1.5"),
        ({"targets": np.full((60, 2), 0.5)}, r"must have the shape \(60, 3\)"),
        (
            {"targets": SoftLabels(("a", "b"), ("w",), np.array([[0.5, 0.5]]))},
            "the soft labels must have every label .* lack 'c'",
        ),
        (
            {
                "targets": SoftLabels((*LABELS, "d"), ("w",), np.full((1, 4), 0.25)),
                "labels": [*LABELS, "e"],
            },
            "only one of both has 'd'",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused(options: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        tf.train(examples(60), vectors(), **{**OPTIONS, **options})
    assert "\n" not in str(raised.value)
