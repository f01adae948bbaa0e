"""Temperature: the best one is found, kept only where it helps, and stored in the dense layer."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from embzip.classifier import Classifier, load_classifier
from embzip.classifier.answering import logits_of
from embzip.classifier.calibration import calibrated, divided
from embzip.classifier.factorizing import factorize
from embzip.classifier.storage import whole_levels
from embzip.corpus import Example
from embzip.errors import InputError, NotFiniteError
from tests.models import SHAPES, WORDS, tiny_classifier, training_record

LABELS = ("animals", "people", "places")


def texts(count: int, seed: int = 1) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 8))) for _ in range(count)]


def logits(classifier: Classifier, given: list[str]) -> np.ndarray:
    ids = classifier.encode(given)
    return logits_of(classifier.embedding, [classifier.head], ids)[0].astype(np.float64)


def dev_of(classifier: Classifier, true: float, count: int = 600) -> list[Example]:
    """Texts labelled at random, by the probabilities of the classifier at a temperature."""
    given = texts(count)
    chances = softmax(logits(classifier, given) / true, axis=1)
    rng = np.random.default_rng(2)
    drawn = [int(rng.choice(len(LABELS), p=row)) for row in chances]
    return [
        Example(text=text, label=LABELS[label]) for text, label in zip(given, drawn, strict=True)
    ]


def loss(classifier: Classifier, dev: list[Example]) -> float:
    probabilities = classifier.probabilities([example.text for example in dev]).astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)  # float32 is not exact enough for it
    return log_loss([e.label for e in dev], probabilities, labels=LABELS)


def test_logits_are_what_stands_before_softmax():
    classifier, given = tiny_classifier(labels=LABELS), texts(30)
    found = softmax(logits(classifier, given), axis=1)
    np.testing.assert_allclose(classifier.probabilities(given), found, atol=1e-6)


@pytest.mark.parametrize("true", [0.6, 3.0])
@pytest.mark.parametrize("encoder", SHAPES, ids=lambda encoder: encoder.kind)
def test_it_is_the_temperature_of_the_least_log_loss(true, encoder):
    classifier = tiny_classifier(labels=LABELS, encoder=encoder)
    dev = dev_of(classifier, true)
    made, temperature = calibrated(classifier, dev)
    given = [example.text for example in dev]
    expected = [LABELS.index(example.label) for example in dev]
    grid = np.exp(np.linspace(np.log(0.25), np.log(8), 4000))
    scaled = logits(classifier, given)
    losses = [
        -log_softmax(scaled / each, axis=1)[range(len(expected)), expected].mean() for each in grid
    ]
    assert temperature == pytest.approx(grid[np.argmin(losses)], rel=2e-3)
    assert loss(made, dev) == pytest.approx(min(losses), abs=1e-5)
    assert loss(made, dev) < loss(classifier, dev)
    np.testing.assert_allclose(logits(made, given), scaled / temperature, rtol=1e-4, atol=1e-5)
    assert made.predict(given)[0].label == classifier.predict(given)[0].label


def test_it_is_stored_and_the_record_is_kept(tmp_path):
    classifier = replace(tiny_classifier(labels=LABELS), training=training_record())
    classifier.save(tmp_path / "before.embz")
    before = load_classifier(tmp_path / "before.embz", mmap=True)
    made, temperature = calibrated(before, dev_of(before, 2.0))
    assert temperature > 1.5
    made.save(tmp_path / "after.embz")
    after = load_classifier(tmp_path / "after.embz")
    np.testing.assert_array_equal(after.probabilities(WORDS), made.probabilities(WORDS))
    assert after.training == classifier.training
    moved = {name for name in made.arrays if (made.arrays[name] != before.arrays[name]).any()}
    assert moved == {"dense.kernel", "dense.bias"}
    made.verify()


@pytest.mark.parametrize("kernels", ["int8", "int4", "int2"])
def test_of_rounded_kernels_only_the_scale_moves(kernels):
    classifier = replace(tiny_classifier(labels=LABELS), kernels=kernels)
    made, temperature = calibrated(classifier, dev_of(classifier, 3.0))
    assert temperature > 2
    before, scale = whole_levels(classifier.arrays["dense.kernel"], kernels)
    after, moved = whole_levels(made.arrays["dense.kernel"], kernels)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_allclose(moved, scale / temperature, rtol=1e-3)  # float16


@pytest.mark.parametrize("kernels", ["float16", "int8", "int4", "int2"])
def test_rounded_kernels_stay_rounded(kernels, tmp_path):
    classifier = replace(tiny_classifier(labels=LABELS), kernels=kernels)
    dev = dev_of(classifier, 3.0)
    made, _ = calibrated(classifier, dev)
    made.save(tmp_path / "a.embz")
    found = load_classifier(tmp_path / "a.embz")
    assert found.kernels == kernels
    np.testing.assert_array_equal(found.probabilities(WORDS), made.probabilities(WORDS))
    assert loss(made, dev) < loss(classifier, dev)


def test_a_factorized_dense_layer_is_divided_once():
    labels = tuple(f"label {number}" for number in range(12))
    classifier = factorize(tiny_classifier(labels=labels), rank=2)
    assert "dense" in classifier.ranks
    given = texts(20)
    np.testing.assert_allclose(
        logits(divided(classifier, 2.0), given), logits(classifier, given) / 2, rtol=1e-5, atol=1e-6
    )


def test_nothing_is_kept_that_does_not_lower_the_loss():
    classifier = tiny_classifier(labels=LABELS)
    made, _ = calibrated(classifier, dev_of(classifier, 3.0))
    again, temperature = calibrated(made, dev_of(classifier, 3.0))
    assert temperature == pytest.approx(1, abs=0.01)
    if again is made:
        assert temperature == 1.0
    flat = replace(classifier, arrays=divided(classifier, 1e9).arrays)  # all labels equally likely
    dev = [Example(text=word, label=label) for word in WORDS for label in LABELS]
    assert calibrated(flat, dev) == (flat, 1.0)


def test_dev_without_an_error_makes_a_classifier_surer_but_not_certain():
    classifier = tiny_classifier(labels=LABELS)
    dev = [Example(text=text, label=classifier.predict([text])[0].label) for text in texts(50)]
    made, temperature = calibrated(classifier, dev)
    assert temperature == pytest.approx(0.25, rel=0.01)
    assert loss(made, dev) < loss(classifier, dev)


def test_labels_that_it_cannot_give_are_left_out_and_alone_refused():
    classifier = tiny_classifier(labels=LABELS)
    dev = dev_of(classifier, 2.0)
    _, alone = calibrated(classifier, dev)
    _, among = calibrated(classifier, [*dev, Example(text="lion", label="weather")])
    assert alone == among
    for bad in ([], [Example(text="lion", label="weather")]):
        with pytest.raises(InputError, match=rf"'animals'.*none among {len(bad)}$"):
            calibrated(classifier, bad)


def test_answers_that_are_no_numbers_are_refused():
    classifier = tiny_classifier(labels=LABELS)
    arrays = {name: array * np.float32(1e20) for name, array in classifier.arrays.items()}
    with pytest.raises(NotFiniteError, match="overflow"):
        calibrated(replace(classifier, arrays=arrays), dev_of(classifier, 2.0))
