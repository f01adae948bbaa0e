"""Weights out of real files into models built in code, and training that goes on from them."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from embzip.errors import InputError, MismatchError
from embzip.foreign import load_variables, variables_of
from embzip.foreign.slimming import slim
from tests.processes import run_tensorflow

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

# TF1's global state stays in a child. The label of a text is a pair of tokens in it; the CNN is
# trained for some epochs, written in every way, and trained on from the full checkpoint.
TF1 = """
import json
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1
rng = np.random.default_rng(0)
def texts(count):
    ids = rng.integers(6, 40, (count, 7))
    labels = rng.integers(0, 3, count)
    places = rng.integers(0, 6, count)
    for row, label, place in zip(ids, labels, places):
        row[place], row[place + 1] = ((1, 2), (2, 1), (1, 1))[label]
    return ids.astype("int32"), labels.astype("int32")
train, dev = texts(480), texts(300)
np.savez("task.npz", ids=train[0], labels=train[1], dev_ids=dev[0], dev_labels=dev[1])
with tf.Graph().as_default() as graph:
    v1.set_random_seed(0)
    ids = v1.placeholder(tf.int32, [None, 7], name="ids")
    labels = v1.placeholder(tf.int32, [None], name="labels")
    words = v1.get_variable("words", initializer=rng.normal(0, 0.3, (40, 6)).astype("float32"))
    rows = tf.nn.embedding_lookup(words, ids)
    kernel = v1.get_variable("conv/kernel", (2, 6, 8))
    bias = v1.get_variable("conv/bias", (8,), initializer=v1.zeros_initializer())
    features = tf.reduce_max(tf.nn.relu(tf.nn.conv1d(rows, kernel, 1, "VALID") + bias), axis=1)
    logits = tf.matmul(features, v1.get_variable("out", (8, 3)))
    probs = tf.nn.softmax(logits, name="probs")
    loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
    step = v1.train.AdamOptimizer(0.02).minimize(loss)
    saver = v1.train.Saver()
    def epochs(session, count, seed):
        order = np.random.default_rng(seed)
        for _ in range(count):
            for part in np.array_split(order.permutation(480), 15):
                session.run(step, {ids: train[0][part], labels: train[1][part]})
    def accuracy(session):
        found = session.run(probs, {ids: dev[0]})
        return float((found.argmax(1) == dev[1]).mean()), found
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        epochs(session, 1, 1)
        before, found = accuracy(session)
        np.save("probs.npy", found)
        saver.save(session, "full/model")
        frozen = v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), ["probs"])
        open("frozen.pb", "wb").write(frozen.SerializeToString())
        v1.saved_model.simple_save(session, "saved", {"ids": ids}, {"probs": probs})
    with v1.Session() as session:
        saver.restore(session, "full/model")
        epochs(session, 10, 2)
        after, _ = accuracy(session)
json.dump({"before": before, "after": after}, open("accuracy.json", "w"))
"""
TOLERANCE = 0.02  # of dev accuracy, 6 of 300 texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights")
    run_tensorflow(TF1, path)
    (path / "light").mkdir()
    slim(path / "full", path / "light" / "model")
    return path


def cnn() -> Any:
    """The same network in code; only two of its weights are called as in the file."""
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            keras.layers.Embedding(40, 6, name="words"),
            keras.layers.Conv1D(8, 2, activation="relu", name="conv"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(3, use_bias=False, name="dense"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("name", ["light", "frozen.pb"])
def test_training_goes_on_as_from_the_full_checkpoint(folder: Path, name: str) -> None:
    task = np.load(folder / "task.npz")
    reached = json.loads((folder / "accuracy.json").read_text())
    assert reached["before"] < reached["after"] - 0.1
    model = cnn()
    found = load_variables(model, folder / name)
    assert found == {
        "words/embeddings": "words",
        "conv/kernel": "conv/kernel",
        "conv/bias": "conv/bias",
        "dense/kernel": "out",
    }
    probs = tf.nn.softmax(model(task["dev_ids"])).numpy()
    np.testing.assert_allclose(probs, np.load(folder / "probs.npy"), atol=1e-6)
    keras.utils.set_random_seed(2)
    model.fit(task["ids"], task["labels"], batch_size=32, epochs=10, verbose=0)
    _, accuracy = model.evaluate(task["dev_ids"], task["dev_labels"], verbose=0)
    assert accuracy == pytest.approx(reached["after"], abs=TOLERANCE)


@pytest.mark.parametrize("name", ["full", "light/model", "frozen.pb", "saved"])
def test_every_file_of_a_model_holds_the_same_weights(folder: Path, name: str) -> None:
    found = variables_of(folder / name)
    reader = tf.train.load_checkpoint(str(folder / "full" / "model"))
    assert sorted(found) == ["conv/bias", "conv/kernel", "out", "words"]
    for key, array in found.items():
        np.testing.assert_array_equal(array, reader.get_tensor(key))


@pytest.mark.parametrize("kind", ["model.keras", "model.h5", "checkpoint", "saved"])
def test_files_of_keras(kind: str, tmp_path: Path) -> None:
    """A trained model, whose optimizer's slots have the shapes of its weights."""
    model, path = cnn(), tmp_path / kind
    model.train_on_batch(np.ones((4, 7), np.int32), np.zeros(4, np.int32))
    if kind == "model.h5":
        keras.src.legacy.saving.legacy_h5_format.save_model_to_hdf5(model, str(path))
    elif kind == "checkpoint":
        tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(path / "model"))
    elif kind == "saved":
        tf.saved_model.save(model, str(path))
    else:
        model.save(path)
    other = cnn()
    assert len(load_variables(other, path)) == 4
    for mine, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def square(*names: str) -> Any:
    return keras.Sequential(
        [keras.Input((3,)), *(keras.layers.Dense(3, use_bias=False, name=n) for n in names)]
    )


def saved(path: Path, model: Any) -> Path:
    model.save(path)
    return path


def test_what_is_not_clear_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    source = square("dense", "dense_1")  # .keras files name layers by their class
    path = saved(tmp_path / "two.keras", source)
    model = square("first", "second")
    before = model.get_weights()
    with pytest.raises(MismatchError) as error:
        load_variables(model, path)
    for said in ("first/kernel", "second/kernel", "(3, 3)", "layers/dense/vars/0", "names="):
        assert said in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    load_variables(model, path, {"second/kernel": "layers/dense/vars/0"})
    for old, new in zip(source.get_weights(), reversed(model.get_weights()), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("names", "kind", "said"),
    [
        ({"third/kernel": "layers/dense/vars/0"}, InputError, "the model has no variable 'third"),
        ({"first/kernel": "nowhere"}, InputError, "has no variable 'nowhere': it has layers/dense"),
        ({"wide/kernel": "layers/dense/vars/0"}, MismatchError, r"has the shape \(3, 3\)"),
        ({}, MismatchError, "'wide/kernel' of the model, of shape .* candidates are none"),
    ],
)
def test_names_and_shapes_that_do_not_fit(
    names: dict, kind: type, said: str, tmp_path: Path
) -> None:
    path = saved(tmp_path / "one.keras", square("dense"))
    model = square("first")
    model.add(keras.layers.Dense(4, use_bias=False, name="wide"))
    with pytest.raises(kind, match=said):
        load_variables(model, path, names)


def test_a_frozen_convolution_with_a_leading_axis_is_taken(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.Conv1D(4, 2, use_bias=False)])
    kernel = np.random.default_rng(0).normal(size=(1, 2, 3, 4)).astype(np.float32)
    path = tmp_path / "frozen.pb"
    path.write_bytes(graph_of(tf.make_tensor_proto(kernel)))
    load_variables(model, path)
    np.testing.assert_array_equal(model.get_weights()[0], kernel[0])


def graph_of(tensor: Any) -> bytes:
    graph = tf.compat.v1.GraphDef()
    node = graph.node.add(name="folded", op="Const")
    node.attr["dtype"].type = tensor.dtype
    node.attr["value"].tensor.CopyFrom(tensor)
    content: bytes = graph.SerializeToString()
    return content


def test_files_without_weights_and_hostile_ones_are_refused(folder: Path, tmp_path: Path) -> None:
    bomb = tf.make_tensor_proto(np.ones((2, 2), np.float32))
    bomb.tensor_shape.dim[0].size = 2**40
    path = tmp_path / "frozen.pb"
    for tensor, said in (
        (bomb, "bytes: it is damaged or hostile"),
        (tf.make_tensor_proto(np.int32(3)), "expected floating-point variables"),
        (tf.make_tensor_proto(np.array([1, np.nan], np.float32)), "must be finite"),
    ):
        path.write_bytes(graph_of(tensor))
        with pytest.raises(InputError, match=said):
            variables_of(path)
    (tmp_path / "model.tflite").write_bytes(b"\0\0\0\0TFL3")
    with pytest.raises(InputError, match="of a tflite file cannot be read"):
        variables_of(tmp_path / "model.tflite")
    cut = tmp_path / "cut.pb"
    cut.write_bytes((folder / "frozen.pb").read_bytes()[:-40])
    with pytest.raises(InputError, match=r"cut\.pb"):
        variables_of(cut)


def test_a_model_without_variables_is_refused_with_the_way_to_build_it(folder: Path) -> None:
    layers = keras.layers
    unbuilt = keras.Sequential([layers.Embedding(40, 6), layers.GlobalMaxPooling1D()])
    with pytest.raises(InputError, match=r"'\w+' is not built.*call it on one batch of ids"):
        load_variables(unbuilt, folder / "full")
    empty = keras.Sequential([keras.Input((7,)), layers.Dropout(0.1)], name="empty")
    with pytest.raises(InputError, match="'empty' has no variables"):
        load_variables(empty, folder / "full")


def test_layers_that_are_not_built_are_named(folder: Path) -> None:
    class Halves(keras.Model):  # type: ignore[misc]  # Keras carries no types
        def __init__(self) -> None:
            super().__init__()
            self.words = keras.layers.Embedding(40, 6, name="words")
            self.late = keras.layers.Dense(3, name="late")
            self.drop = keras.layers.Dropout(0.1, name="drop")

        def build(self, shape: Any) -> None:
            self.words.build(shape)
            self.built = True

    model = Halves()
    model.build((None, 7))
    with pytest.warns(UserWarning, match="the layers late of the model 'halves' are not built"):
        load_variables(model, folder / "full")
    assert model.words.get_weights()[0].any()


# A script for TF1 reads and slims as any other; what needs Keras says so.
AS_TF1 = """
import tensorflow as tf
from keras import layers
tf.compat.v1.disable_v2_behavior()
import embzip
import embzip.foreign
found = {}
for name in ("full", "saved", "frozen.pb"):
    found[name] = embzip.foreign.variables_of(path / name)
embzip.slim(path / "full", "light")
embzip.slim(path / "full", "slim", to="savedmodel", outputs=["probs"])
try:
    embzip.slim(path / "model.keras", "keras.pb", to="frozen")
except embzip.EmbzipError as error:
    found["error"] = str(error)
"""


def test_a_script_without_the_behaviour_of_tensorflow_2(folder: Path, tmp_path: Path) -> None:
    keras.Sequential([keras.Input((7,)), keras.layers.Embedding(40, 6)]).save(
        folder / "model.keras"
    )
    found = run_tensorflow(AS_TF1, tmp_path, path=folder)
    assert "call this without tf.compat.v1.disable_v2_behavior()" in found.pop("error")
    wanted = variables_of(folder / "full")
    for arrays in (*found.values(), variables_of(tmp_path / "light")):
        assert sorted(arrays) == sorted(wanted)
        for name, array in wanted.items():
            np.testing.assert_array_equal(arrays[name], array)
    served = tf.saved_model.load(str(tmp_path / "slim")).signatures["serving_default"]
    before = tf.saved_model.load(str(folder / "saved")).signatures["serving_default"]
    ids = tf.constant(np.arange(7, dtype=np.int32)[None])
    np.testing.assert_allclose(served(ids=ids)["probs"], before(ids=ids)["probs"], atol=1e-6)


def numbered(first: int) -> Any:
    """Return a model whose layers have the numbers of layers that were made before."""
    inner = layers.GRU(4, name=f"gru_{first}")
    names = [f"dense_{first}" if first else "dense", f"dense_{first + 1}", f"dense_{first + 2}"]
    return keras.Sequential(
        [
            keras.Input((3, 4)),
            layers.Bidirectional(inner, name=f"bidirectional_{first}"),
            *(layers.Dense(8, name=name) for name in names),
        ]
    )


@pytest.mark.parametrize("end", ["h5", "tf"])
def test_names_with_other_running_numbers_are_matched_in_their_order(
    end: str, tmp_path: Path
) -> None:
    source, target = numbered(8), numbered(0)
    path = tmp_path / ("source.h5" if end == "h5" else "source")
    if end == "h5":
        source.save(path)
    else:
        tf.train.Checkpoint(**{layer.name: layer for layer in source.layers}).write(str(path))
    chosen = load_variables(target, path)
    for ours, theirs in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert "dense_10" in chosen["dense_2/kernel"]
    assert "dense_9" in chosen["dense_1/kernel"]  # which is before dense_10
    assert "forward" in chosen["bidirectional_0/forward_gru_0/gru_cell/kernel"]


def test_running_numbers_are_not_trusted_where_the_file_has_more(tmp_path: Path) -> None:
    source, target = (
        numbered(8),
        keras.Sequential(
            [keras.Input((8,)), layers.Dense(8, name="dense"), layers.Dense(8, name="dense_1")]
        ),
    )
    source.save(tmp_path / "source.h5")
    with pytest.raises(MismatchError, match=r"not clear which array belongs to 'dense/kernel'"):
        load_variables(target, tmp_path / "source.h5")
