"""`--kernels int8` of other people's models: the oracle is the same model over rounded kernels."""

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import embzip
from embzip.errors import EmbzipError, InputError, SpecError, UnsupportedModelError
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.keras_rebuilding import kernel_bytes, with_small_kernels
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.slimming import slim

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore:You are saving your model as an HDF5 file",
    "ignore:Layer .* was passed an input with a mask",
)
IDS = np.random.default_rng(0).integers(0, 50, (5, 7)).astype(np.int32)
LEAST = 256  # numbers of a kernel that becomes int8


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """A number half-way between two levels may be rounded either way: always the same are drawn."""
    keras.utils.set_random_seed(0)


def rounded(kernel: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return a kernel rounded to 255 levels a channel, in plain NumPy."""
    channels = np.moveaxis(kernel, axis, -1).astype(np.float64)
    step = np.abs(channels).reshape(-1, channels.shape[-1]).max(axis=0) / 127
    near = np.rint(channels / step) * step
    return np.moveaxis(near, -1, axis).astype(np.float32)


def with_rounded(model: Any) -> Any:
    """Return a model of Keras alone whose kernels were rounded by hand."""
    made = keras.models.clone_model(model)
    arrays = []
    for weight in model.weights:
        value = np.array(weight.value)
        table = "embed" in weight.path
        large = value.ndim > 1 and value.size >= LEAST and not table
        arrays.append(rounded(value) if large else value)
    made.set_weights(arrays)
    return made


def every_kind(*, masked: bool = True) -> Any:
    ids = keras.Input((7,), dtype="int32", name="ids")
    rows = layers.Embedding(50, 16, mask_zero=masked, name="embed")(ids)
    found = [
        layers.Bidirectional(layers.LSTM(8, name="lstm"), merge_mode="concat")(rows),
        layers.GRU(8, reset_after=False)(rows),
        layers.SimpleRNN(16)(rows),
        layers.GlobalMaxPooling1D()(layers.Conv1D(16, 3)(rows)),
        layers.Flatten()(layers.TimeDistributed(layers.Dense(16), name="each")(rows)),
    ]
    joined = layers.Concatenate()(found)
    return keras.Model(ids, layers.Dense(3, name="end")(layers.Dense(32, name="wide")(joined)))


def test_kernels_of_every_kind_are_read_as_rounded(tmp_path: Path) -> None:
    model = every_kind()
    small = with_small_kernels(model)
    expected = with_rounded(model)(IDS)
    np.testing.assert_allclose(small(IDS), expected, atol=2e-6)
    assert np.abs(np.array(expected) - np.array(model(IDS))).max() > 1e-4
    held = [w for w in small.weights if w.dtype == "int8"]
    kernels = [w for w in model.weights if len(w.shape) > 1 and "embed" not in w.path]
    large = [tuple(w.shape) for w in kernels if np.prod(w.shape) >= LEAST]
    assert sorted(tuple(w.shape) for w in held) == sorted(large)
    float32 = [tuple(w.shape) for w in small.weights if w.dtype == "float32"]
    assert [s for s in float32 if s in large] == []  # none is left beside its levels
    small.save(tmp_path / "small.keras")
    np.testing.assert_array_equal(load_keras(tmp_path / "small.keras")(IDS), small(IDS))


def test_bytes_are_those_of_the_variables() -> None:
    model = every_kind()
    small = with_small_kernels(model)
    before, after = kernel_bytes(small)
    others = sum(np.prod(w.shape) * 4 for w in model.weights) - before
    assert sum(np.array(w.value).nbytes for w in small.weights) == after + others
    assert before > 3 * after
    assert kernel_bytes(model) == (0, 0)


def test_a_transposed_convolution_has_its_channels_elsewhere() -> None:
    model = keras.Sequential([keras.Input((6, 16)), layers.Conv1DTranspose(8, 3, name="up")])
    kernel, bias = model.get_weights()
    small = with_small_kernels(model)
    model.set_weights([rounded(kernel, -2), bias])
    numbers = np.random.default_rng(3).normal(size=(2, 6, 16)).astype(np.float32)
    np.testing.assert_allclose(small(numbers), model(numbers), atol=2e-6)


def test_dropout_in_training_differs_from_call_to_call() -> None:
    model = keras.Sequential([keras.Input((3, 16)), layers.GRU(16, dropout=0.5)])
    small = with_small_kernels(model)
    numbers = np.random.default_rng(3).normal(size=(2, 3, 16)).astype(np.float32)
    first, second = (np.array(small(numbers, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(small(numbers), small(numbers))


@pytest.mark.parametrize("end", [".keras", ".h5"])
def test_a_keras_file_with_and_without_a_codec(end: str, tmp_path: Path) -> None:
    model = every_kind(masked=end == ".keras")  # Keras reads no masked .h5 of such a model
    model.save(tmp_path / f"model{end}")
    kernels = rebuild_file(tmp_path / f"model{end}", tmp_path / "k.keras", kernels="int8")
    assert (kernels.layer, kernels.embedding, kernels.snr_db) == (None, None, None)
    assert kernels.kernels is not None
    assert kernels.kernels.bytes_before > 3 * kernels.kernels.bytes_after
    assert kernels.to_json()["kernels"]["form"] == "int8"
    found = load_keras(tmp_path / "k.keras")
    np.testing.assert_allclose(found(IDS), with_rounded(model)(IDS), atol=2e-6)
    # A table is compressed before, after, or together.
    rebuild_file(tmp_path / "k.keras", tmp_path / "kc.keras", codec="int8")
    rebuild_file(tmp_path / f"model{end}", tmp_path / "c.keras", codec="int8")
    rebuild_file(tmp_path / "c.keras", tmp_path / "ck.keras", kernels="int8")
    rebuild_file(tmp_path / f"model{end}", tmp_path / "b.keras", codec="int8", kernels="int8")
    answers = [load_keras(tmp_path / f"{name}.keras")(IDS) for name in ("kc", "ck", "b")]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[1], answers[2])


def served(path: Path, numbers: Any) -> np.ndarray:
    if path.is_dir():
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
        return np.array(signature(ids=tf.constant(numbers))["end"])
    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as scope, tf.compat.v1.Session(graph=scope) as session:
        tf.import_graph_def(graph, name="")
        return session.run("end:0", {"ids:0": numbers})


@pytest.mark.parametrize("end", [".pb", ""])
def test_the_kernels_of_a_graph_and_of_its_loops(end: str, tmp_path: Path) -> None:
    model = every_kind()
    model.save(tmp_path / "model.keras")
    slim(tmp_path / "model.keras", tmp_path / f"slim{end}", to="frozen" if end else "savedmodel")
    made = rebuild_file(
        tmp_path / f"slim{end}", tmp_path / f"k{end}", kernels="int8", codec="float32"
    )
    assert made.kernels is not None
    # Those of recurrent layers are read inside loops.
    assert made.kernels.bytes_before == kernel_bytes(with_small_kernels(model))[0]
    np.testing.assert_allclose(
        served(tmp_path / f"k{end}", IDS), with_rounded(model)(IDS), atol=5e-6
    )
    again = slim(tmp_path / f"k{end}", tmp_path / f"again{end}")
    np.testing.assert_array_equal(
        served(tmp_path / f"again{end}", IDS), served(tmp_path / f"k{end}", IDS)
    )
    assert again.bytes_after < 1.1 * made.bytes_after  # levels are not multiplied out


def test_a_rebuilt_keras_model_becomes_a_graph_of_levels(tmp_path: Path) -> None:
    model = every_kind()
    model.save(tmp_path / "model.keras")
    rebuild_file(tmp_path / "model.keras", tmp_path / "k.keras", kernels="int8")
    made = slim(tmp_path / "k.keras", tmp_path / "k.pb", to="frozen")
    whole = slim(tmp_path / "model.keras", tmp_path / "whole.pb", to="frozen")
    np.testing.assert_allclose(
        served(tmp_path / "k.pb", IDS), load_keras(tmp_path / "k.keras")(IDS), atol=5e-6
    )
    assert made.bytes_after < whole.bytes_after


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_channels_of_a_turned_product(dtype: Any, tmp_path: Path) -> None:
    kernel = np.random.default_rng(4).normal(size=(30, 16)).astype(dtype)
    kernel *= np.geomspace(1e-2, 1, 30, dtype=dtype)[:, None]  # rows, so that they matter
    with tf.Graph().as_default() as graph:
        given = tf.compat.v1.placeholder(tf.dtypes.as_dtype(dtype), [None, 16], name="ids")
        tf.identity(tf.matmul(given, tf.constant(kernel), transpose_b=True), name="end")
    (tmp_path / "m.pb").write_bytes(graph.as_graph_def().SerializeToString())
    made = rebuild_file(tmp_path / "m.pb", tmp_path / "k.pb", kernels="int8", outputs=["end"])
    assert made.kernels is not None
    assert made.kernels.bytes_after == 30 * 16 + 30 * 4
    numbers = np.random.default_rng(5).normal(size=(3, 16)).astype(dtype)
    exact = numbers @ rounded(kernel, 0).astype(dtype).T
    np.testing.assert_allclose(served(tmp_path / "k.pb", numbers), exact, rtol=4e-3, atol=4e-3)


def test_a_table_is_no_kernel(folder: Path, tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        ids = tf.compat.v1.placeholder(tf.int32, [None, 7], name="ids")
        table = tf.constant(np.random.default_rng(4).normal(size=(50, 16)).astype(np.float32))
        rows = tf.reduce_sum(tf.gather(table, ids), axis=1)
        tf.matmul(rows, table, transpose_b=True, name="end")  # an output layer tied to it
    (tmp_path / "m.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(UnsupportedModelError, match="no float kernel of 256 numbers"):
        rebuild_file(tmp_path / "m.pb", tmp_path / "k.pb", kernels="int8", outputs=["end"])
    assert not (tmp_path / "k.pb").exists()


def test_what_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    model.save(tmp_path / "m.keras")
    cases: list[tuple[dict[str, Any], type[EmbzipError], str]] = [
        ({"kernels": "int8"}, UnsupportedModelError, "no float32 kernel of 256 numbers"),
        ({"kernels": "int4"}, SpecError, "stored as int8 or float16, received 'int4'"),
        ({}, InputError, "received neither"),
        ({"kernels": "int8", "layer": "dense"}, InputError, "name a codec for them too"),
    ]
    for options, error, match in cases:
        with pytest.raises(error, match=match):
            rebuild_file(tmp_path / "m.keras", tmp_path / "k.keras", **options)
    with pytest.raises(InputError, match="received both"):
        embzip.rebuild(model, embzip.compress(np.eye(4), "int8"), codec="int8", kernels="int8")


def test_a_model_in_memory_and_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from embzip.cli import main

    model = every_kind()
    small = embzip.rebuild(model, codec="int8", kernels="int8", layer="embed")
    model.save(tmp_path / "m.keras")
    call = ["rebuild", str(tmp_path / "m.keras"), "--kernels", "int8"]
    with pytest.raises(SystemExit) as ended:
        main([*call, "-o", str(tmp_path / "k.keras")])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    before, after = kernel_bytes(small)
    assert f"kernels int8, {before:,} -> {after:,} bytes: " in said
    shutil.copy(tmp_path / "k.keras", tmp_path / "m2.keras")
    with pytest.raises(UnsupportedModelError, match="leave --kernels out"):
        rebuild_file(tmp_path / "m2.keras", tmp_path / "n.keras", kernels="int8")
