"""The classifier against a plain loop, and the rule of padding."""

import pickle

import numpy as np
import pytest

from embzip.classifier import Classifier, CnnConfig
from embzip.errors import InputError, InputTypeError, MismatchError
from tests.models import tiny_classifier


def by_hand(model: Classifier, ids: list[int]) -> np.ndarray:
    """Kim's CNN on a text padded to max_length, one window and filter at a time."""
    padded = ids + [0] * (model.config.max_length - len(ids))
    rows = np.array([model.embedding[i] if i else np.zeros(model.embedding.dim) for i in padded])
    features = []
    for index, window in enumerate(model.config.windows):
        kernel, bias = model.arrays[f"conv.{index}.kernel"], model.arrays[f"conv.{index}.bias"]
        for filter_ in range(model.config.filters):
            places = [
                (rows[at : at + window] * kernel[:, :, filter_]).sum() + bias[filter_]
                for at in range(len(rows) - window + 1)
            ]
            features.append(max(0.0, *places))
    logits = np.array(features) @ model.arrays["dense.kernel"] + model.arrays["dense.bias"]
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


@pytest.mark.parametrize("text", ["able lion zoo", "", "  ", "people say", "unheard of", "a " * 50])
def test_it_computes_kims_network(text: str) -> None:
    """Case 28 too: empty texts get the prediction the biases give."""
    model = tiny_classifier()
    expected = by_hand(model, model.encode([text])[0])
    np.testing.assert_allclose(model.probabilities([text])[0], expected, atol=1e-5)


def test_padding_beyond_the_widest_window_changes_nothing() -> None:
    """A text alone, and beside a longer one, has the same numbers."""
    model = tiny_classifier(max_length=30)
    texts = ["lion", "able ably about café lion people say tiger zoo " * 3, "tiger zoo", ""]
    together = model.probabilities(texts)
    alone = np.concatenate([model.probabilities([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    expected = [by_hand(model, ids) for ids in model.encode(texts)]
    np.testing.assert_allclose(together, expected, atol=1e-5)


def test_order_is_kept_over_many_batches() -> None:
    model = tiny_classifier(max_length=40)
    texts = [("zoo " * (i % 37)) + "lion" for i in range(700)]
    expected = np.concatenate([model.probabilities([text]) for text in texts[:60]])
    np.testing.assert_allclose(model.probabilities(texts)[:60], expected, atol=1e-6)


def test_predict_gives_label_and_probability() -> None:
    model = tiny_classifier()
    prediction = model.predict(["lion"])[0]
    best = model.probabilities(["lion"])[0]
    assert prediction.label == model.labels[best.argmax()]
    assert prediction.probability == pytest.approx(best.max())
    assert model.predict([]) == []


@pytest.mark.parametrize("texts", ["lion", b"lion", None, [b"lion"], [None], 3])
def test_case_29_other_types_are_named(texts) -> None:
    with pytest.raises(InputTypeError, match=r"str"):
        tiny_classifier().predict(texts)


def test_case_29_generators_are_texts_too() -> None:
    model = tiny_classifier()
    assert model.predict(text for text in ["lion"]) == model.predict(["lion"])


def test_pickled_classifiers_predict_the_same() -> None:
    model = tiny_classifier("svd:3|int8")
    copy = pickle.loads(pickle.dumps(model))
    assert copy.predict(["lion zoo"]) == model.predict(["lion zoo"])


@pytest.mark.parametrize(
    "changes",
    [
        {"max_length": 2},
        {"windows": ()},
        {"windows": (0, 1)},
        {"filters": 0},
        {"dropout": 1.0},
        {"dropout": float("nan")},
    ],
)
def test_shapes_that_cannot_be_are_refused(changes: dict) -> None:
    with pytest.raises(InputError):
        CnnConfig(**{"columns": 4, "max_length": 10, **changes})


def test_case_75_table_and_classifier_of_different_sizes() -> None:
    model = tiny_classifier()
    with pytest.raises(MismatchError, match="columns"):
        Classifier(tiny_classifier(dim=5).embedding, model.labels, model.config, model.arrays)
    with pytest.raises(MismatchError, match="a classifier of this shape needs"):
        Classifier(model.embedding, ("one", "two", "three"), model.config, model.arrays)
