"""Int8 kernels of layers that hold layers or states, and what is said of layers that have none."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from embzip.errors import InputError, UnsupportedModelError
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.keras_rebuilding import kernel_bytes, with_small_kernels
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.running import open_model
from embzip.foreign.slimming import slim
from tests.commands import stdout_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(2, 6, 16)).astype(np.float32)


def rounded(kernel: np.ndarray, shared: tuple[int, ...]) -> np.ndarray:
    """Return a kernel of 255 levels a channel, in plain NumPy; `shared` axes have one scale."""
    step = np.abs(kernel.astype(np.float64)).max(axis=shared, keepdims=True) / 127
    return (np.rint(kernel / step) * step).astype(np.float32)


def with_rounded(model: Any, shared: dict[str, tuple[int, ...]]) -> Any:
    """Return a copy of a model with the kernels whose paths end so rounded by hand."""
    made = keras.models.clone_model(model)
    arrays = []
    for weight in model.weights:
        ends = [axes for end, axes in shared.items() if weight.path.endswith(end)]
        value = np.array(weight.value)
        arrays.append(rounded(value, ends[0]) if ends else value)
    made.set_weights(arrays)
    return made


# The axes that a product sums over; (width, heads, of a head) and, of the last, (heads, of a head,
# width).
ATTENTION = {"query/kernel": (0,), "key/kernel": (0,), "value/kernel": (0,),
             "attention_output/kernel": (0, 1)}  # fmt: skip


@pytest.mark.parametrize("grouped", [False, True])
def test_attention_and_einsum_have_a_scale_for_each_output(grouped: bool, tmp_path: Path) -> None:
    given = keras.Input((6, 16), name="numbers")
    if grouped:
        attention: Any = layers.GroupQueryAttention(8, 4, 2, name="attention")
    else:
        attention = layers.MultiHeadAttention(4, 8, use_gate=False, name="attention")
    seen = attention(given, given)
    turned = layers.EinsumDense("abc,dec->abde", (None, 4, 8), bias_axes="de", name="turned")(seen)
    model = keras.Model(given, layers.Flatten()(turned))
    model.set_weights([RNG.normal(size=w.shape) * 0.3 for w in model.get_weights()])
    small = with_small_kernels(model)
    expected = with_rounded(model, {**ATTENTION, "turned/kernel": (2,)})(NUMBERS)
    np.testing.assert_allclose(small(NUMBERS), expected, atol=1e-5)
    assert np.abs(np.array(expected) - np.array(model(NUMBERS))).max() > 1e-3
    kernels = sum(np.prod(w.shape) for w in model.weights if w.name == "kernel")
    assert kernel_bytes(small)[0] == 4 * kernels
    held = {str(w.dtype) for w in small.weights if w.shape in [v.shape for v in model.weights
            if v.name == "kernel"]}  # fmt: skip
    assert held == {"int8"}
    small.save(tmp_path / "small.keras")
    again = load_keras(tmp_path / "small.keras")
    np.testing.assert_array_equal(again(NUMBERS), small(NUMBERS))
    assert (tmp_path / "small.keras").stat().st_size < 80_000


def stateful() -> Any:
    entrance = keras.Input(batch_shape=(2, 6, 16))
    both = layers.Bidirectional(layers.LSTM(8, stateful=True, return_sequences=True))(entrance)
    last = layers.GRU(16, stateful=True, name="last")(both)
    return keras.Model(entrance, layers.Dense(32, name="end")(last))


def test_states_are_kept_from_call_to_call(tmp_path: Path) -> None:
    model = stateful()
    model.save(tmp_path / "model.keras")
    made = rebuild_file(tmp_path / "model.keras", tmp_path / "small.keras", kernels="int8")
    assert made.kernels is not None
    assert made.kernels.left == ()
    small = load_keras(tmp_path / "small.keras")
    oracle = with_rounded(model, {"/kernel": (0,), "/recurrent_kernel": (0,)})
    seen = []
    for numbers in (NUMBERS, -NUMBERS, NUMBERS):
        seen.append(np.array(small(numbers)))
        np.testing.assert_allclose(seen[-1], oracle(numbers), atol=1e-5)
    assert np.abs(seen[0] - seen[2]).max() > 1e-3
    for layer in small.layers:
        if hasattr(layer, "reset_state"):
            layer.reset_state()
    np.testing.assert_allclose(small(NUMBERS), seen[0], atol=1e-6)
    np.testing.assert_allclose(small.predict(-NUMBERS, verbose=0), seen[1], atol=1e-5)


@keras.saving.register_keras_serializable("tests")
class Own(layers.Layer):
    """A layer of one's own, with a kernel."""

    def build(self, shape: Any) -> None:
        self.weight = self.add_weight(shape=(shape[-1], 20), name="weight")

    def call(self, inputs: Any) -> Any:
        return keras.ops.matmul(inputs, self.weight)


def test_what_stays_in_float32_is_said_by_name_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = keras.Input((6, 16), name="numbers")
    mine = Own(name="mine")(layers.Dense(32, name="wide")(given))
    few = layers.Dense(3, name="few")(mine)
    quantized = layers.Dense(32, name="quantized")
    model = keras.Model(given, quantized(layers.LayerNormalization()(few)))
    quantized.quantize("int8")
    model.save(tmp_path / "model.keras")
    made = rebuild_file(tmp_path / "model.keras", tmp_path / "small.keras", kernels="int8")
    assert made.kernels is not None
    told = [(left.layer, left.numbers, left.why) for left in made.kernels.left]
    assert told == [
        ("mine", 32 * 20, "a Own, which has no small form here"),
        ("few", 60, "no kernel of 256 numbers"),
    ]
    assert made.to_json()["kernels"]["left"][0]["layer"] == "mine"
    monkeypatch.chdir(tmp_path)
    said = stdout_of("rebuild", "model.keras", "--kernels", "int8", "-o", "again.keras")
    assert "kept in float32: 'mine' (a Own, which has no small form here)" in said
    only = keras.Model(given, Own(name="mine")(given))
    with pytest.raises(UnsupportedModelError, match=r"'mine' .a Own, which has no small form"):
        with_small_kernels(only)


def test_what_stays_in_a_graph_is_said_too(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        ids = tf.compat.v1.placeholder(tf.int32, [None, 7], name="ids")
        table = tf.constant(RNG.normal(size=(50, 16)).astype(np.float32), name="words")
        rows = tf.reduce_sum(tf.gather(table, ids), axis=1)
        wide = rows @ tf.constant(RNG.normal(size=(16, 32)).astype(np.float32), name="wide")
        few = wide @ tf.constant(RNG.normal(size=(32, 3)).astype(np.float32), name="few")
        logits = tf.matmul(rows, table, transpose_b=True)
        tf.concat([few, logits], axis=1, name="end")
    (tmp_path / "m.pb").write_bytes(graph.as_graph_def().SerializeToString())
    made = rebuild_file(tmp_path / "m.pb", tmp_path / "k.pb", kernels="int8", outputs=["end"])
    assert made.kernels is not None
    assert made.kernels.bytes_before == 4 * 16 * 32
    told = {left.layer: left.why for left in made.kernels.left}
    assert told == {"words": "a look-up reads it too", "few": "fewer than 256 numbers"}


@pytest.mark.parametrize("end", [".keras", ".pb"])
def test_kernels_of_two_bytes_are_those_of_numpy(end: str, tmp_path: Path) -> None:
    given = keras.Input((6, 16), name="numbers")
    seen = layers.MultiHeadAttention(4, 8, name="seen")(given, given)
    both = layers.Bidirectional(layers.LSTM(8, recurrent_activation="hard_sigmoid"))(seen)
    model = keras.Model(given, layers.Dense(32, name="end")(both))
    model.save(tmp_path / "model.keras")
    source = tmp_path / "model.keras"
    if end == ".pb":
        source = tmp_path / "model.pb"
        slim(tmp_path / "model.keras", source, to="frozen")
    made = rebuild_file(source, tmp_path / f"small{end}", kernels="float16")
    assert made.kernels is not None
    assert made.kernels.form == "float16"
    assert made.kernels.bytes_before == 2 * made.kernels.bytes_after
    halves = [np.array(w.value) for w in model.weights]
    halves = [
        w.astype(np.float16).astype(np.float32) if w.ndim > 1 and v.name != "bias" else w
        for v, w in zip(model.weights, halves, strict=True)
    ]
    model.set_weights(halves)
    (found,) = open_model(tmp_path / f"small{end}").run({"numbers": NUMBERS}).values()
    np.testing.assert_allclose(found, model(NUMBERS), atol=1e-6)
    halves[0] = halves[0] * 1e6
    model.set_weights(halves)
    model.save(tmp_path / "large.keras")
    with pytest.raises(InputError, match="float16 holds numbers up to 65,504"):
        rebuild_file(tmp_path / "large.keras", tmp_path / "no.keras", kernels="float16")
