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
    PruningShares,
    sparsity,
    strip,
    train,
    zipped_nbytes,
)
from embzip.tf.pruning import unpruned
from embzip.vectors.base import Vectors
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


@pytest.mark.parametrize(("exponent", "share"), [(1.0, 0.3), (2.0, 0.45), (3.0, 0.525)])
def test_the_exponent_bends_the_rise(exponent: float, share: float) -> None:
    schedule = PolynomialSchedule(final=0.6, end=8, exponent=exponent)
    assert schedule.sparsity(4) == pytest.approx(share)


class Watch(keras.callbacks.Callback):
    """The share of zeros of one kernel after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[float] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        kernel = self.model.get_layer("conv").kernel.value.numpy()
        self.shares.append(float(np.mean(kernel == 0)))


@pytest.mark.parametrize(
    "fields",
    [
        {"final": 0.75, "end": 12, "frequency": 3},
        {"final": 0.75, "end": 12, "frequency": 3, "begin": 5},
        {"final": 0.75, "end": 12, "frequency": 5, "initial": 0.5},
        {"final": 0.5, "end": 20, "frequency": 1, "exponent": 1.0},
    ],
)
def test_every_field_is_seen_in_the_weights(fields: dict) -> None:
    """After each step as many zeros as at the last pruning, none before the first."""
    schedule, watch, made = PolynomialSchedule(**fields), Watch(), model()
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50, (240, 6)).astype(np.int32)
    labels = (ids.sum(axis=1) % 2).astype(np.int32)
    pruning = GradualPruning(schedule)
    made.fit(ids, labels, batch_size=8, verbose=0, callbacks=[pruning, watch])
    assert len(watch.shares) == 30
    expected, numbers = 0.0, 3 * 8 * 16
    for step, share in enumerate(watch.shares):
        within = schedule.begin <= step <= schedule.end
        if within and (step == schedule.end or (step - schedule.begin) % schedule.frequency == 0):
            done = (step - schedule.begin) / (schedule.end - schedule.begin)
            risen = 1 - (1 - done) ** schedule.exponent
            expected = schedule.initial + (schedule.final - schedule.initial) * risen
        assert share == pytest.approx(expected, abs=0.51 / numbers), step


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


def test_shares_of_a_run_become_its_steps() -> None:
    shares = PruningShares(0.8, begin=0.25, end=0.75, frequency=7)
    assert shares.over(200) == PolynomialSchedule(0.8, end=150, begin=50, frequency=7)
    assert PruningShares(0.8, begin=0.5, end=1).over(10).end == 9  # the last step there is
    short = PruningShares(0.8).over(2)
    assert (short.begin, short.end) == (0, 1)
    for wrong in ({"begin": 0.6}, {"end": 1.1}, {"begin": -0.1}, {"frequency": 0}, {"final": 1}):
        with pytest.raises(InputError, match="received"):
            PruningShares(**{"final": 0.5, **wrong})
    with pytest.raises(InputError, match="at least 2 training steps, received 1"):
        shares.over(1)


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
    with pytest.raises(InputError, match="needs a trainable dense, convolution, rec"):
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
    assert made.optimizer is not None  # the model itself may train on
    with pytest.raises(InputError, match="subclassed"):
        strip(_Subclassed())


def test_strip_keeps_the_ways_in_and_out() -> None:
    """Of named inputs and outputs too, and the copy shares its weights."""
    first, second = (keras.Input((3,), name=name) for name in ("first", "second"))
    joined = keras.layers.Concatenate()([first, second])
    heads = {name: keras.layers.Dense(2, name=name)(joined) for name in ("topic", "mood")}
    made = keras.Model({"first": first, "second": second}, heads)
    made.compile("adam", {"topic": "mse", "mood": "mse"})
    bare = strip(made)
    assert not bare.compiled
    fed = {"first": np.ones((2, 3), np.float32), "second": np.zeros((2, 3), np.float32)}
    expected, found = made(fed), bare(fed)
    assert set(found) == set(expected) == {"topic", "mood"}
    for name, answer in expected.items():
        np.testing.assert_array_equal(found[name], answer)
    assert [id(weight) for weight in bare.weights] == [id(weight) for weight in made.weights]


class _Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


EXAMPLES = [
    Example(text="goal match", label="sport"),
    Example(text="vote law", label="politics"),
] * 16


def table() -> Vectors:
    rng = np.random.default_rng(0)
    return Vectors(Vocabulary(["goal", "match", "vote", "law"]), rng.normal(size=(4, 8)))


@pytest.mark.filterwarnings("ignore:dev shares")
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
    with pytest.raises(InputError, match="pruning ends at step 11, and it has only 8 steps"):
        train(EXAMPLES, table(), dev=EXAMPLES, pruning=pruning, **{**options, "epochs": 2})


def test_both_kernels_of_recurrent_layers_are_pruned_in_each_direction() -> None:
    recurrent = keras.layers.Bidirectional(keras.layers.GRU(2), name="both")
    model = keras.Sequential([keras.Input((3, 4)), recurrent, keras.layers.Dense(2, name="end")])
    found = [(each.layer, each.weight, each.numbers) for each in sparsity(model)]
    both = [("both", "kernel", 24), ("both", "recurrent_kernel", 12)]
    assert found == [*both, *both, ("end", "kernel", 8)]


class Own(keras.layers.Layer):
    """A layer of one's own, with a kernel of a name that pruning does not know."""

    def build(self, shape):
        self.weight = self.add_weight(shape=(shape[-1], 4), name="weight")

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.weight)


def test_layers_around_layers_are_pruned_and_those_that_are_left_are_named() -> None:
    given = keras.Input((3, 8))
    seen = keras.layers.MultiHeadAttention(2, 4, name="seen")(given, given)
    each = keras.layers.TimeDistributed(keras.layers.Dense(8), name="each")(seen)
    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="inner")])
    many = keras.layers.TimeDistributed(inner, name="many")(each)
    separable = keras.layers.SeparableConv1D(8, 2, name="separable")(many)
    made = keras.Model(given, keras.layers.Flatten()(Own(name="mine")(separable)))
    assert unpruned(made) == ["'mine' (Own)"]
    made.compile(keras.optimizers.SGD(0.01), "mse")
    pruning = GradualPruning(PolynomialSchedule(final=0.5, end=2, frequency=1))
    numbers = np.random.default_rng(0).normal(size=(8, 3, 8))
    targets = np.zeros((8, 8))
    with pytest.warns(UserWarning, match=r"leaves the kernels of 'mine' \(Own\) as they are"):
        made.fit(numbers, targets, batch_size=2, verbose=0, callbacks=[pruning])
    found = [(entry.layer, entry.weight) for entry in sparsity(made)]
    attention = [("seen", "kernel")] * 4
    pair = [("separable", "depthwise_kernel"), ("separable", "pointwise_kernel")]
    assert found == [*attention, ("each", "kernel"), ("inner", "kernel"), *pair]
    for entry in sparsity(made):
        assert entry.sparsity == 0.5, entry
    assert np.count_nonzero(made.get_layer("mine").weight) == 32
    every = GradualPruning(pruning.schedule, prunes=lambda layer: True)
    made.fit(numbers, targets, batch_size=2, verbose=0, callbacks=[every])
    assert np.count_nonzero(made.get_layer("mine").weight) == 16
