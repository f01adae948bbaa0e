"""Embedding layers and classifiers in Keras, against their NumPy definitions."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow
from keras import ops

from embzip import tf
from embzip.classifier import Classifier, CnnConfig, head_shapes
from embzip.classifier.rebuilding import rebuild
from embzip.codecs.ops import numpy_ops
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import FileFormatError
from embzip.layers import CompressedEmbeddingLayer
from embzip.layers.decoding import TrainableEmbedding
from embzip.layers.keras_ops import keras_ops
from embzip.tf.classifiers import arrays_of
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from tests.processes import run_tensorflow

# Keras asks NumPy 2 for an array in the old way when it saves.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

ROWS, DIM = 40, 8
WITHOUT_PRODUCT = [
    "float32", "float16", "int8", "int8:scale=column", "center|int8", "mixed:3", "tcq:3",
    "tcq:3,states=128", "int4", "int2:scale=column", "int1", "kmeans:7", "sparse:3",
    "topdim:1|kmeans:20", "normalize|kmeans:20", "rows:9", "pq:3,bits=4",
    "normalize|pq:4,bits=2", "rq:3,bits=4", "ectcq:3", "coarse:9|tcq:2", "coarse:5|int4",
    "normalize|tcq:2", "normalize|coarse:9|mixed:2",
]  # fmt: skip
WITH_PRODUCT = [
    "svd:5|int8", "svd:5|int2", "center|svd:5|float16", "svd:8|svd:4|float32", "svd|tcq:2.5",
    "opq:3,bits=4", "svd|ectcq:2", "svd:5,components=int8|tcq:2,states=128",
    "svd|coarse:7|tcq:2", "svd:5|normalize|tcq:2",
]  # fmt: skip


def matrix() -> Any:
    return np.random.default_rng(0).normal(0, 2, (ROWS, DIM)).astype(np.float32)


def words_table(spec: str) -> CompressedEmbedding:
    words = sorted(f"w{index}" for index in range(ROWS - 2))
    tokenizer = WordTokenizer(words, Normalization())
    return compress(Vectors(tokenizer.vocabulary, matrix(), tokenizer=tokenizer), spec)


@pytest.mark.parametrize("spec", WITHOUT_PRODUCT)
def test_rows_equal_numpy_bit_for_bit(spec: str) -> None:
    table = words_table(spec)
    layer = CompressedEmbeddingLayer(table)
    ids = np.arange(ROWS, dtype=np.int32).reshape(5, 8)
    graph = tensorflow.function(layer)
    for rows in (layer(ids), graph(tensorflow.constant(ids))):
        assert np.asarray(rows).tobytes() == table[ids].tobytes()


@pytest.mark.parametrize("spec", WITH_PRODUCT)
def test_rows_equal_numpy_nearly_where_there_is_a_product(spec: str) -> None:
    table = words_table(spec)
    ids = np.arange(ROWS, dtype=np.int32)
    found = CompressedEmbeddingLayer(table)(ids)
    np.testing.assert_allclose(found, table[ids], rtol=1e-5, atol=1e-5)


def test_both_kinds_of_ops_agree() -> None:
    left = matrix()[:4]
    ids = np.array([2, 0, 3], np.int32)
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("take", (left, ids)),
        ("cast", (left, "int8")),
        ("matmul", (left, left.T)),
        ("multiply", (left, left[0])),
        ("add", (left, left[0])),
        ("reshape", (left, (-1, 2))),
        ("concatenate", ([left, left], 1)),
        ("columns", (left, 2, 5)),
        ("take_along", (left, np.array([[7, 0], [1, 1], [0, 3], [2, 2]], np.int32))),
        ("cumsum", (np.array([[3, 0, 5], [1, 1, 1]], np.int32),)),
        ("right_shift", (np.array([[255, 6]], np.int32), np.array([[3, 1]], np.int32))),
        ("bitwise_and", (np.array([255, 6], np.int32), np.array([15, 3], np.int32))),
    ]
    for name, arguments in calls:
        expected = getattr(numpy_ops, name)(*arguments)
        found = np.asarray(getattr(keras_ops, name)(*arguments))
        assert found.dtype == expected.dtype, name
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3), (0, 4)])
def test_ids_of_any_integer_type_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    table = words_table("int8")
    ids = np.random.default_rng(1).integers(0, ROWS, shape).astype(dtype)
    found = CompressedEmbeddingLayer(table)(ops.convert_to_tensor(ids))
    np.testing.assert_array_equal(found, table[ids])


def test_codes_stay_codes_and_nothing_is_trainable() -> None:
    layer = CompressedEmbeddingLayer(words_table("svd:5|int8"))
    held = {weight.name: (weight.dtype, tuple(weight.shape)) for weight in layer.weights}
    assert held == {
        "values": ("int8", (ROWS, 5)),
        "scale": ("float32", (ROWS,)),
        "0_components": ("float32", (5, DIM)),
    }
    assert layer.trainable_weights == []


def test_padding_rows_are_zero_only_where_there_is_a_padding_id() -> None:
    ids = np.array([[0, 1]])
    padded = CompressedEmbeddingLayer(words_table("center|int8"))(ids)
    assert not np.any(padded[0, 0])
    assert np.any(padded[0, 1])
    foreign = CompressedEmbeddingLayer(compress(matrix(), "int8"))(ids)
    assert np.any(foreign[0, 0])


def test_mask_zero() -> None:
    table = compress(matrix(), "int8")
    ids = np.array([[3, 0, 5]])
    masked = CompressedEmbeddingLayer(table, mask_zero=True)
    assert np.asarray(masked.compute_mask(ops.convert_to_tensor(ids))).tolist() == [
        [True, False, True]
    ]
    assert CompressedEmbeddingLayer(table).compute_mask(ops.convert_to_tensor(ids)) is None


@pytest.mark.parametrize(
    "spec",
    ["float16", "center|svd:5|int8:scale=column", "svd:5|int4", "svd:5|tcq:6", "svd:5|ectcq:3"],
)
def test_a_saved_model_reloads_after_importing_embzip_tf(tmp_path: Path, spec: str) -> None:
    inputs = keras.Input((3,), dtype="int32")
    layer = CompressedEmbeddingLayer(words_table(spec), mask_zero=True, name="words")
    model = keras.Model(inputs, keras.layers.LSTM(2)(layer(inputs)))
    ids = np.array([[5, 2, 0], [7, 8, 9]], np.int32)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded(ids), model(ids))
    found = loaded.get_layer("words")
    assert found.get_config() == layer.get_config()
    assert [w.dtype for w in found.weights] == [w.dtype for w in layer.weights]
    assert found.trainable_weights == []


def test_a_saved_model_reloads_in_another_process(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((2,), dtype="int32"),
            CompressedEmbeddingLayer(words_table("int8")),
            keras.layers.GlobalMaxPooling1D(),
        ]
    )
    model.save(tmp_path / "model.keras")
    code = (
        "import embzip.tf, keras, numpy\n"
        "model = keras.models.load_model('model.keras')\n"
        "found = numpy.asarray(model(numpy.array([[5, 2]])))"
    )
    expected = np.asarray(model(np.array([[5, 2]])))
    assert run_tensorflow(code, tmp_path).tobytes() == expected.tobytes()


def test_trainable_rows_get_gradients_but_padding_gets_none() -> None:
    layer = TrainableEmbedding(matrix(), pad_id=0)
    with tensorflow.GradientTape() as tape:
        total = ops.sum(layer(np.array([[3, 0, 3]])))
    gradient = np.asarray(tensorflow.convert_to_tensor(tape.gradient(total, layer.table.value)))
    expected = np.zeros((ROWS, DIM), np.float32)
    expected[3] = 2
    np.testing.assert_array_equal(gradient, expected)


def classifier(spec: str, windows: tuple[int, ...] = (1, 1, 2, 3)) -> Classifier:
    config = CnnConfig(columns=DIM, max_length=12, filters=6, windows=windows)
    rng = np.random.default_rng(3)
    arrays = {
        name: rng.normal(0, 0.5, shape).astype(np.float32)
        for name, shape in head_shapes(config, 4).items()
    }
    return Classifier(words_table(spec), ("a", "b", "c", "d"), config, arrays)


def texts(count: int = 9) -> list[list[int]]:
    rng = np.random.default_rng(4)
    lengths = [0, 1, 12, *rng.integers(1, 12, count - 3).tolist()]
    return [rng.integers(1, ROWS, length).tolist() for length in lengths]


def padded(ids: list[list[int]], width: int) -> Any:
    return np.array([row + [0] * (width - len(row)) for row in ids], np.int32)


@pytest.mark.parametrize(
    "spec",
    [
        "float32",
        "svd:5|int8",
        "center|svd:5|int8:scale=column",
        "svd:5|int4:scale=column",
        "normalize|int4:scale=column",
        "svd:5|coarse:4|int8:scale=column",
        "svd:5|coarse:4|tcq:4",
    ],
)
@pytest.mark.parametrize("fold", [False, True])
def test_a_keras_classifier_equals_the_numpy_one(spec: str, fold: bool) -> None:
    plain = rebuild(classifier("float32"), codec=spec, fold=fold)
    model = tf.from_classifier(plain)
    expected = plain.probabilities_of_ids(texts())
    found = np.asarray(model(padded(texts(), 12)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # Where a window of padding is seen, more of it changes nothing.
    short = [index for index, ids in enumerate(texts()) if len(ids) <= 9]
    found = np.asarray(model(padded([texts()[index] for index in short], 40)))
    np.testing.assert_allclose(found, expected[short], atol=1e-5)
    for name, array in arrays_of(model, plain.config, len(plain.labels)).items():
        np.testing.assert_array_equal(array, plain.arrays[name])


def test_a_classifier_of_one_window() -> None:
    single = classifier("int8", windows=(2,))
    found = np.asarray(tf.from_classifier(single)(padded(texts(), 12)))
    np.testing.assert_allclose(found, single.probabilities_of_ids(texts()), atol=1e-5)


def test_case_72_tensorflow_is_missing() -> None:
    code = "import sys; sys.modules['tensorflow'] = None\nimport embzip.tf"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = run.stderr.strip().splitlines()[-1]
    assert "MissingPackageError: training and Keras models need TensorFlow" in last
    assert "`pip install 'tensorflow-cpu>=2.18'`, or `uv sync --extra train`" in last


@pytest.mark.parametrize("spec", ["int8", "svd:5|tcq:2"])
def test_rows_decoded_once_are_equal_and_no_variables(spec: str) -> None:
    layer = CompressedEmbeddingLayer(words_table(spec))
    ids = np.array([[3, 0, ROWS - 1]])
    expected, names = layer(ids), [weight.name for weight in layer.weights]
    layer.decode_once()
    np.testing.assert_array_equal(layer(ids), expected)
    assert [weight.name for weight in layer.weights] == names


@pytest.mark.parametrize("spec", ["svd|tcq:2", "tcq:1,states=128", "mixed:2"])
def test_a_graph_carries_tables_of_the_widths_in_use_only(spec: str) -> None:
    table = words_table(spec)
    layer = CompressedEmbeddingLayer(table)
    again = CompressedEmbeddingLayer.from_config(layer.get_config())
    again.set_weights(layer.get_weights())
    sizes, rows = [], []
    for each in (layer, again):
        traced = tensorflow.function(each).get_concrete_function(
            tensorflow.TensorSpec((3,), "int32")
        )
        graph = traced.graph.as_graph_def()
        sizes.append(sum(n.attr["value"].tensor.ByteSize() for n in graph.node if n.op == "Const"))
        rows.append(np.asarray(traced(ops.convert_to_tensor(np.array([5, 2, 0], np.int32)))))
    assert max(sizes) < 40_000  # it was above 200,000
    for found in rows:
        np.testing.assert_allclose(found, table[[5, 2, 0]], atol=1e-6)


def test_variables_of_wider_numbers_than_a_layer_was_made_for_are_refused() -> None:
    narrow, wide = (CompressedEmbeddingLayer(words_table(spec)) for spec in ("tcq:1", "tcq:1"))
    store: dict[str, Any] = {}
    wide.save_own_variables(store)
    narrow.set_most_bits(1)
    with pytest.raises(FileFormatError, match="at most 1 bits"):
        narrow.load_own_variables(store)
