"""What only training needs is told from variables by a file's structure, whatever the names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from embzip.errors import InputError
from embzip.foreign import inspect, slim, variables_of
from embzip.foreign.formats.bundles import OBJECT_GRAPH, Bundle
from embzip.foreign.formats.object_graphs import read_objects

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
IDS = np.random.default_rng(0).integers(0, 50, (8, 7)).astype(np.int32)
CLASSES = np.arange(8) % 3
END = "/.ATTRIBUTES/VARIABLE_VALUE"


@keras.saving.register_keras_serializable("tests")
class Listed(keras.Model):  # type: ignore[misc]  # Keras carries no types
    """Layers in a list: TensorFlow finds their variables through the optimizer alone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.words = keras.layers.Embedding(50, 6)
        self.windows = [keras.layers.Conv1D(4, width) for width in (2, 3)]
        self.adam = keras.layers.Dense(5)
        self.optimizer_head = keras.layers.Dense(3)

    def call(self, ids: Any) -> Any:
        rows = self.words(ids)
        found = [keras.ops.max(window(rows), axis=1) for window in self.windows]
        return self.optimizer_head(self.adam(keras.ops.concatenate(found, axis=-1)))


def trained(optimizer: Any) -> Listed:
    model = Listed()
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(IDS, CLASSES)
    return model


def answers(model: Any) -> Any:
    return np.array(model(IDS))


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": keras.optimizers.Adam,
    "sgd": keras.optimizers.SGD,
    "ftrl": keras.optimizers.Ftrl,
    "averaged": lambda: keras.optimizers.Adam(use_ema=True, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(momentum=0.9)),
    "scheduled": lambda: keras.optimizers.RMSprop(keras.optimizers.schedules.CosineDecay(0.1, 9)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_slim_checkpoint_keeps_every_variable_of_the_model(name: str, tmp_path: Path) -> None:
    model = trained(OPTIMIZERS[name]())
    path = tf.train.Checkpoint(model=model).save(str(tmp_path / "full"))
    result = slim(path, tmp_path / "slim")
    kept = {t.name for t in inspect(tmp_path / "slim").tensors} - {OBJECT_GRAPH}
    assert len(kept) == len(model.weights)
    assert not kept & set(result.dropped)
    other = trained(OPTIMIZERS[name]())
    assert not np.array_equal(answers(other), answers(model))
    tf.train.Checkpoint(model=other).restore(str(tmp_path / "slim")).expect_partial()
    np.testing.assert_array_equal(answers(other), answers(model))
    assert len(variables_of(path)) == len(model.weights)


def test_a_loop_of_ones_own_may_call_things_as_it_likes(tmp_path: Path) -> None:
    model, trainer = Listed(), keras.optimizers.Adam()
    model(IDS)
    trainer.apply([tf.ones_like(v) for v in model.trainable_variables], model.trainable_variables)
    steps = tf.Variable(3, dtype=tf.int64)
    state = {"trainer": trainer, "optimizer": model, "iterations": steps}
    path = tf.train.Checkpoint(**state).save(str(tmp_path / "full"))
    record = inspect(path)
    training = {t.name.removesuffix(END) for t in record.tensors if t.role == "optimizer"}
    assert {name.partition("/")[0] for name in training} == {"trainer", "save_counter"}
    assert len(training) == len(trainer.variables) + 1
    assert len(variables_of(path)) == len(model.weights)


def test_slots_of_tf1_and_of_keras_2(tmp_path: Path) -> None:
    table = tf.Variable(tf.ones((4, 3)), name="linear")
    adam = tf.compat.v1.train.AdamOptimizer()
    adam.apply_gradients([(tf.ones((4, 3)), table)])
    sgd = tf.Module()  # as an optimizer of Keras 2 without slots is stored
    sgd.iter, sgd.learning_rate = tf.Variable(1, dtype=tf.int64), tf.Variable(0.1)
    sgd.momentum = tf.Variable(0.9)
    sgd.table = tf.Variable(tf.ones((4, 2)))  # which no optimizer has, but a module could
    path = tf.train.Checkpoint(a=adam, b=sgd, linear=table).write(str(tmp_path / "full"))
    result = slim(path, tmp_path / "slim")
    assert {name.removesuffix(END) for name in result.dropped} == {
        "a/beta1_power", "a/beta2_power", "linear/.OPTIMIZER_SLOT/a/m",
        "linear/.OPTIMIZER_SLOT/a/v", "b/iter", "b/learning_rate", "b/momentum",
    }  # fmt: skip
    assert set(variables_of(tmp_path / "slim")) == {"linear", "b/table"}


@pytest.mark.parametrize("target", [-1, 99])
def test_an_object_graph_that_refers_to_nothing_is_refused(tmp_path: Path, target: int) -> None:
    path = Path(tf.train.Checkpoint(table=tf.Variable([1.0])).write(str(tmp_path / "full")))
    graph = Bundle(path).object_graph()
    graph.nodes[0].slot_variables.add(slot_variable_node_id=target)

    class Edited(Bundle):
        def object_graph(self) -> Any:
            return graph

    with pytest.raises(InputError, match=rf"full: .* refers to {target}: it is damaged"):
        read_objects(Edited(path))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_that_are_named_like_optimizers(suffix: str, tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((7,)), keras.layers.Embedding(50, 6)], name="inner")
    inner.compile("adam", "mse")
    inner.train_on_batch(IDS, np.zeros((8, 7, 6)))
    ids = keras.Input((7,))
    rows = keras.layers.GlobalMaxPooling1D()(inner(ids))
    hidden = keras.layers.Dense(4, name="optimizer")(rows)
    model = keras.Model(ids, keras.layers.Dense(3, name="adam")(hidden))
    model.compile("adam", "mse")
    model.train_on_batch(IDS, np.zeros((8, 3)))
    path = tmp_path / f"model{suffix}"
    save(model, path)
    assert len(variables_of(path)) == len(model.weights)
    slim(path, tmp_path / f"slim{suffix}")
    assert not any(t.role == "optimizer" for t in inspect(tmp_path / f"slim{suffix}").tensors)
    again = keras.models.load_model(tmp_path / f"slim{suffix}")  # a warning would fail the test
    np.testing.assert_array_equal(answers(again), answers(model))


def save(model: Any, path: Path) -> None:
    if path.suffix == ".h5":
        keras.src.legacy.saving.legacy_h5_format.save_model_to_hdf5(model, str(path))
    else:
        model.save(path)


def test_attributes_that_are_named_like_optimizers(tmp_path: Path) -> None:
    model = trained("adam")
    model.save(tmp_path / "model.keras")
    assert len(variables_of(tmp_path / "model.keras")) == len(model.weights)
    slim(tmp_path / "model.keras", tmp_path / "slim.keras")
    again = keras.models.load_model(tmp_path / "slim.keras")
    np.testing.assert_array_equal(answers(again), answers(model))
