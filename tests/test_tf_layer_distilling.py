"""A small LSTM over a coarse table, tuned to answer as it did over its own."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import embzip.tf
from embzip.errors import InputError
from embzip.foreign import rebuild_model
from embzip.tf.output_lessons import CountedEmbedding, OutputLessons

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
ROWS, TIME = 60, 4
IDS = np.random.default_rng(0).integers(0, ROWS, (600, TIME))


def lstm(end: str = "softmax") -> Any:
    keras.utils.set_random_seed(3)
    words = layers.Embedding(ROWS, 8, mask_zero=True, name="words")
    parts = [words, layers.LSTM(8), layers.Dropout(0.5), layers.Dense(4, activation=end)]
    model = keras.Sequential([keras.Input((TIME,), dtype="int32"), *parts])
    words.set_weights([np.random.default_rng(1).normal(size=(ROWS, 8))])
    model.layers[-1].set_weights([np.random.default_rng(2).normal(size=(8, 4)) * 4, np.zeros(4)])
    return model


def distance(model: Any, other: Any) -> float:
    """Kullback-Leibler divergence in nats of data that was not learned, in plain NumPy."""
    ids = np.random.default_rng(9).integers(0, ROWS, (500, TIME))
    right, given = (np.array(each(ids), np.float64) for each in (model, other))
    return float((right * np.log(right / given)).sum(axis=-1).mean())


def test_a_tuned_model_answers_as_the_original_more_than_the_rebuilt_one() -> None:
    model = lstm()
    before = [weight.copy() for weight in model.get_weights()]
    seen: list[tuple[int, int]] = []
    made = embzip.tf.distill_layer(
        model, "words", "svd:3|int4", IDS, epochs=5, batch_size=60, learning_rate=1e-2,
        progress=lambda done, all: seen.append((done, all)),
    )  # fmt: skip
    table = embzip.compress(model.get_layer("words").get_weights()[0], "svd:3|int4")
    plain = rebuild_model(model, "words", table)
    assert made.tuned
    assert distance(model, made.model) < 0.6 * distance(model, plain)
    assert made.embedding.nbytes == table.nbytes
    assert not np.array_equal(made.embedding.decode(), table.decode())
    assert len(made.losses) == 5 + 2
    assert min(made.losses[-2:]) < made.loss_before
    np.testing.assert_allclose(
        made.model.get_layer("words")(np.arange(ROWS)), made.embedding.decode(), atol=1e-6
    )
    assert seen[-1][0] == seen[-1][1] == len(seen)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_result_is_saved_as_codes(tmp_path: Any) -> None:
    made = embzip.tf.distill_layer(lstm(), None, "svd:6|int8", IDS[:64], epochs=1)
    made.model.save(tmp_path / "small.keras")
    found = keras.models.load_model(tmp_path / "small.keras")
    np.testing.assert_array_equal(found(IDS), made.model(IDS))
    assert found.get_layer("words").weights[0].dtype == "int8"


def test_where_tuning_does_not_help_the_rebuilt_model_is_kept() -> None:
    model = lstm()
    made = embzip.tf.distill_layer(model, "words", "float32", IDS[:64], epochs=1)
    assert made.loss_before == pytest.approx(0, abs=1e-6)
    assert not made.tuned
    np.testing.assert_array_equal(made.model(IDS), model(IDS))


def test_rows_are_counted_as_they_are_read() -> None:
    model = lstm()
    lessons = OutputLessons(model, IDS, batch_size=32, seed=0)
    held = IDS[np.random.default_rng(0).permutation(600)[:60]]
    layer = CountedEmbedding(np.zeros((ROWS, 8), np.float32), pad_id=None)
    reader = keras.Sequential([keras.Input((TIME,), dtype="int32"), layer])
    expected = np.bincount(IDS.ravel(), minlength=ROWS) - np.bincount(held.ravel(), minlength=ROWS)
    np.testing.assert_array_equal(lessons.counts(reader, layer), expected)


@pytest.mark.parametrize("end", ["sigmoid", "linear"])
def test_the_distance_of_other_outputs(end: str) -> None:
    model, other = lstm(end), lstm(end)
    other.layers[-1].set_weights([w * 0.9 for w in model.layers[-1].get_weights()])
    lessons = OutputLessons(model, IDS, batch_size=60, seed=0)
    held = IDS[np.random.default_rng(0).permutation(600)[:60]]
    right, given = (np.array(each(held), np.float64) for each in (model, other))
    if end == "sigmoid":
        each = right * np.log(right / given) + (1 - right) * np.log((1 - right) / (1 - given))
        expected = each.mean()
    else:
        expected = np.square(right - given).mean() / np.square(right).mean()
    assert lessons.judge(other) == pytest.approx(expected, rel=1e-3)
    assert lessons.judge(model) == pytest.approx(0, abs=1e-9)


def test_several_inputs_by_name_and_what_does_not_fit() -> None:
    first, second = (keras.Input((TIME,), dtype="int32", name=name) for name in ("b", "a"))
    words = layers.Embedding(ROWS, 4, name="words")
    hidden = layers.Concatenate()([layers.Flatten()(words(first)), layers.Flatten()(words(second))])
    model = keras.Model({"b": first, "a": second}, layers.Dense(2)(hidden))
    made = embzip.tf.distill_layer(
        model, "words", "int4", {"a": IDS[:64], "b": IDS[64:128]}, epochs=1
    )
    assert len(made.losses) == 3
    cases: list[tuple[Any, str]] = [
        ({"a": IDS[:64]}, "lacks 'b'"),
        (IDS, "an array for each of the model's 2 inputs"),
        ({"a": IDS[:64], "b": IDS}, "the same rows"),
        ({"a": IDS[:64], "b": IDS[:64, :3]}, r"received an array of \(64, 3\)"),
        ({"a": IDS[:9], "b": IDS[:9]}, "20 or more"),
    ]
    for data, match in cases:
        with pytest.raises(InputError, match=match):
            embzip.tf.distill_layer(model, "words", "int4", data)
