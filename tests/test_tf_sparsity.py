"""Gradual pruning: the schedule by hand, masks that hold against optimizers, sizes of zips."""

import io
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from embzip.corpus import Example
from embzip.errors import InputError
from embzip.tf import (
    GradualPruning,
    PolynomialSchedule,
    sparsity,
    strip,
    train,
    zipped_nbytes,
)
from embzip.vectors import Vectors
from embzip.vocabulary import Vocabulary


def model(optimizer: str = "adam") -> keras.Model:
    ids = keras.Input((6,), dtype="int32")
    rows = keras.layers.Embedding(50, 8, name="table")(ids)
    found = keras.layers.Conv1D(16, 3, name="conv")(rows)
    inner = keras.Sequential([keras.Input((16,)), keras.layers.Dense(10, name="hidden")])
    pooled = inner(keras.layers.GlobalMaxPooling1D()(found))
    made = keras.Model(ids, keras.layers.Dense(2, name="out")(pooled))
    made.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return made


def fit(made: keras.Model, pruning: GradualPruning, epochs: int = 3) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50, (80, 6)).astype(np.int32)
    labels = (ids.sum(axis=1) % 2).astype(np.int32)
    made.fit(ids, labels, batch_size=8, epochs=epochs, verbose=0, callbacks=[pruning])


def test_the_schedule_is_zhu_and_guptas_cubic() -> None:
    schedule = PolynomialSchedule(initial=0.2, final=0.9, begin=10, end=30, frequency=7)
    for step, expected in [(0, 0.2), (10, 0.2), (20, 0.9 - 0.7 * 0.125), (30, 0.9), (31, 0.9)]:
        assert schedule.sparsity(step) == pytest.approx(expected)
    assert [step for step in range(60) if schedule.prunes_at(step)] == [10, 17, 24, 30]


@pytest.mark.parametrize(
    "wrong",
    [
        {"final": 1.0},
        {"final": 0.5, "initial": 0.6},
        {"final": 0.5, "initial": -0.1},
        {"final": 0.5, "end": 0},
        {"final": 0.5, "begin": 9, "end": 9},
        {"final": 0.5, "frequency": 0},
        {"final": 0.5, "exponent": 0},
    ],
)
def test_schedules_that_are_none_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match="received"):
        PolynomialSchedule(**{"end": 9, **wrong})


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_masks_reach_the_final_sparsity_and_hold_after_it(optimizer: str) -> None:
    made = model(optimizer)
    pruning = GradualPruning(PolynomialSchedule(final=0.75, end=12, frequency=3))
    fit(made, pruning)
    assert pruning.finished
    found = {(entry.layer, entry.weight): entry for entry in sparsity(made)}
    assert {layer for layer, _ in found} == {"table", "conv", "hidden", "out"}
    for entry in found.values():
        assert entry.sparsity == pytest.approx(0.75, abs=0.5 / entry.numbers), entry
    assert np.count_nonzero(made.get_layer("conv").bias) == 16  # biases stay


def test_the_smallest_weights_go_and_the_others_stay() -> None:
    kernel = np.array([[1.0, -4.0], [-2.0, 3.0]], np.float32)
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    made.set_weights([kernel])
    made.compile(keras.optimizers.SGD(0.0), "mse")
    schedule = PolynomialSchedule(final=0.5, end=1, frequency=1)
    made.fit(np.ones((4, 2)), np.ones((4, 2)), batch_size=1, verbose=0,
             callbacks=[GradualPruning(schedule)])  # fmt: skip
    np.testing.assert_array_equal(made.get_weights()[0], [[0, -4], [0, 3]])


def test_only_the_chosen_layers_are_pruned_and_a_model_without_any_is_refused() -> None:
    made = model()
    schedule = PolynomialSchedule(final=0.5, end=4, frequency=1)
    fit(made, GradualPruning(schedule, prunes=lambda layer: layer.name == "conv"), epochs=1)
    assert {entry.layer for entry in sparsity(made) if entry.zeros} == {"conv"}
    with pytest.raises(InputError, match="no dense, convolution or embedding layer"):
        fit(made, GradualPruning(schedule, prunes=lambda layer: False), epochs=1)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' saving
def test_strip_and_zips(tmp_path: Path) -> None:
    """Stripped files hold no moments, and zeros are what makes the zip smaller."""
    made = model()
    before = zipped_nbytes(made)
    fit(made, GradualPruning(PolynomialSchedule(final=0.9, end=20, frequency=5)))
    bare = strip(made)
    ids = np.arange(12, dtype=np.int32).reshape(2, 6)
    np.testing.assert_array_equal(bare(ids).numpy(), made(ids).numpy())
    numbers = sum(weight.value.numpy().nbytes for weight in made.weights)
    assert before > 0.85 * numbers
    assert zipped_nbytes(bare) < 0.45 * before
    sizes = []
    for each in (made, bare):
        each.save(tmp_path / "model.keras")
        with zipfile.ZipFile(io.BytesIO((tmp_path / "model.keras").read_bytes())) as archive:
            sizes.append(archive.getinfo("model.weights.h5").file_size)
    assert sizes[1] < sizes[0] - 1.9 * numbers
    with pytest.raises(InputError, match="subclassed"):
        strip(_Subclassed())


class _Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


EXAMPLES = [Example("goal match", "sport"), Example("vote law", "politics")] * 16


def table() -> Vectors:
    rng = np.random.default_rng(0)
    return Vectors(Vocabulary(["goal", "match", "vote", "law"]), rng.normal(size=(4, 8)))


def test_training_keeps_an_epoch_of_the_final_sparsity() -> None:
    """The first epochs are as accurate and not yet sparse: none of them may be the best."""
    pruning = GradualPruning(PolynomialSchedule(final=0.5, end=11, frequency=2))
    options = {"epochs": 6, "batch_size": 8, "windows": (1,), "filters": 6, "learning_rate": 0.02}
    result = train(EXAMPLES, table(), dev=EXAMPLES, pruning=pruning, **options)
    assert len(result.dev_accuracy) > 11 // 4
    arrays = result.classifier.arrays
    for name in ("conv.0.kernel", "dense.kernel"):
        assert np.mean(arrays[name] == 0) == 0.5, name
    assert np.mean(result.classifier.embedding.decode() == 0) >= 0.5
    assert result.dev_accuracy[-1] == 1
    with pytest.raises(InputError, match="pruning ends at step 11, training after 8 steps"):
        train(EXAMPLES, table(), dev=EXAMPLES, pruning=pruning, **{**options, "epochs": 2})
