"""Keras files slimmed to graphs, which TensorFlow alone runs; hostile ones are refused first."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from embzip.errors import InputError, UnsupportedModelError
from embzip.foreign.inspecting import inspect
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.slimming import slim
from tests.test_foreign_rebuilding import reconfigured

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
IDS = np.random.default_rng(2).integers(0, 50, (5, 7)).astype(np.int32)


def session_run(path: Path, fed: dict[str, Any], *outputs: str) -> list[np.ndarray]:
    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as scope, tf.compat.v1.Session(graph=scope) as session:
        tf.import_graph_def(graph, name="")
        found: list[np.ndarray] = session.run(
            [f"{name}:0" for name in outputs], {f"{name}:0": value for name, value in fed.items()}
        )
        return found


def both(source: Path, folder: Path, fed: dict[str, Any], *names: str) -> list[np.ndarray]:
    """Slim to both targets, which must agree; return the answers."""
    slim(source, folder / "slim.pb", to="frozen")
    slim(source, folder / "slim", to="savedmodel")
    found = session_run(folder / "slim.pb", fed, *names)
    served = tf.saved_model.load(str(folder / "slim")).signatures["serving_default"]
    others = served(**{name: tf.constant(value) for name, value in fed.items()})
    assert set(others) == set(names)
    for name, array in zip(names, found, strict=True):
        np.testing.assert_allclose(others[name].numpy(), array, atol=1e-6)
    return found


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_it_answers_as_the_model(folder: Path, name: str, tmp_path: Path) -> None:
    model = keras.models.load_model(folder / name, compile=False)
    fed, end = {model.inputs[0].name: IDS}, model.layers[-1].name
    (found,) = both(folder / name, tmp_path, fed, end)
    np.testing.assert_allclose(found, np.array(model(IDS)), atol=1e-6)
    record = inspect(tmp_path / "slim.pb")
    assert record.nodes.variable == record.nodes.unused == 0
    assert record.to_json()["bytes"]["optimizer"] == 0
    assert 1200 <= record.to_json()["bytes"]["embedding"] < 1250


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "Bidirectional", "BatchNormalization", "nested"])
def test_layers_of_every_kind(kind: str, tmp_path: Path) -> None:
    ids = keras.Input((7,), dtype="int32", name="ids")
    rows = keras.layers.Embedding(50, 6, mask_zero=kind in ("LSTM", "GRU", "Bidirectional"))(ids)
    if kind == "nested":
        inner = keras.Sequential([keras.Input((7, 6)), keras.layers.Conv1D(4, 3)], name="inner")
        read = keras.layers.GlobalMaxPooling1D()(keras.layers.Dropout(0.5)(inner(rows)))
    elif kind == "BatchNormalization":
        normed = keras.layers.BatchNormalization()(keras.layers.Conv1D(4, 3)(rows))
        read = keras.layers.GlobalAveragePooling1D()(normed)
    elif kind == "Bidirectional":
        read = keras.layers.Bidirectional(keras.layers.LSTM(4))(rows)
    else:
        read = getattr(keras.layers, kind)(4)(rows)
    model = keras.Model(ids, keras.layers.Dense(3, "softmax", name="probs")(read))
    model.save(tmp_path / "model.keras")
    (found,) = both(tmp_path / "model.keras", tmp_path, {"ids": IDS}, "probs")
    np.testing.assert_allclose(found, np.array(model(IDS)), atol=1e-5)


def test_inputs_and_outputs_keep_their_names(tmp_path: Path) -> None:
    words, tags = (keras.Input((7,), dtype="int32", name=name) for name in ("words", "tags"))
    table = keras.layers.Embedding(50, 6)
    joined = keras.layers.Flatten()(keras.layers.Concatenate()([table(words), table(tags)]))
    heads = {name: keras.layers.Dense(2)(joined) for name in ("topic", "mood")}
    model = keras.Model({"words": words, "tags": tags}, heads)
    model.save(tmp_path / "model.keras")
    fed = {"words": IDS, "tags": IDS[::-1].copy()}
    found = both(tmp_path / "model.keras", tmp_path, fed, "mood", "topic")
    expected = model(fed)
    for name, array in zip(("mood", "topic"), found, strict=True):
        np.testing.assert_allclose(array, np.array(expected[name]), atol=1e-6)
    slim(tmp_path / "model.keras", tmp_path / "one.pb", to="frozen", outputs=["mood"])
    (alone,) = session_run(tmp_path / "one.pb", fed, "mood")
    np.testing.assert_allclose(alone, found[0], atol=1e-6)
    with pytest.raises(InputError, match="no output 'tone'; outputs: mood, topic"):
        slim(tmp_path / "model.keras", tmp_path / "o.pb", to="frozen", outputs=["tone"])


def test_a_rebuilt_keras_file_too(folder: Path, tmp_path: Path) -> None:
    rebuild_file(folder / "model.keras", tmp_path / "small.keras", codec="svd:3|int8")
    model = keras.models.load_model(tmp_path / "small.keras", compile=False)
    fed, end = {model.inputs[0].name: IDS}, model.layers[-1].name
    (found,) = both(tmp_path / "small.keras", tmp_path, fed, end)
    np.testing.assert_allclose(found, np.array(model(IDS)), atol=1e-6)
    assert ((50, 3), "int8") in {(t.shape, t.dtype) for t in inspect(tmp_path / "slim.pb").tensors}


@pytest.mark.parametrize("to", ["frozen", "savedmodel"])
def test_case_69_hostile_files_are_refused_before_a_model_is_made(
    folder: Path, tmp_path: Path, to: str
) -> None:
    out, source = tmp_path / "out", folder / "model.keras"
    bomb = reconfigured(
        source, tmp_path / "bomb.keras", '"input_dim": 50', '"input_dim": 50000000000'
    )
    with pytest.raises(InputError, match="do not belong together"):
        slim(bomb, out, to=to)
    dense = '"module": "keras.layers", "class_name": "Dense"'
    foreign = reconfigured(
        source, tmp_path / "os.keras", dense, '"module": "os", "class_name": "system"'
    )
    with pytest.raises(UnsupportedModelError, match=r"os\.system"):
        slim(foreign, out, to=to)
    marker = str(tmp_path / "canary")
    code = keras.layers.Lambda(lambda x: (open(marker, "w").close(), x)[1], name="code")
    keras.Sequential([keras.Input((3,)), code]).save(tmp_path / "lambda.keras")
    Path(marker).unlink(missing_ok=True)
    with pytest.raises(UnsupportedModelError, match=r"'code' is .*Lambda"):
        slim(tmp_path / "lambda.keras", out, to=to)
    assert not Path(marker).exists()
    assert not out.exists()


def test_a_vocabulary_inside_the_model_stays_out_of_frozen_graphs(tmp_path: Path) -> None:
    texts = keras.Input((), dtype="string", name="texts")
    ids = keras.layers.TextVectorization(output_sequence_length=7, vocabulary=["a", "b"])(texts)
    rows = keras.layers.GlobalMaxPooling1D()(keras.layers.Embedding(4, 3)(ids))
    keras.Model(texts, rows).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match="a frozen graph has no hash tables"):
        slim(tmp_path / "model.keras", tmp_path / "out.pb", to="frozen")
