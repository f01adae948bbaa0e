"""Fine-tuning beyond the head: params of the table's codec, and kernels of fewer bits."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from embzip.classifier.rebuilding import rebuild
from embzip.classifier.storage import SCALED, rounded
from embzip.codecs import parse_codec
from embzip.codecs.ops import numpy_ops
from embzip.compression import compress
from embzip.corpus import Example
from embzip.layers import CompressedEmbeddingLayer
from embzip.tf import from_classifier, train, tune
from embzip.tf.quantization import rounded_kernel
from embzip.tf.trainer import Trainer
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary

# Each test here trains until it knows the texts, and looks at those.
pytestmark = pytest.mark.filterwarnings("ignore:dev shares")

WORDS = [f"word{index}" for index in range(40)]
EXAMPLES = [
    Example(
        text=" ".join(WORDS[place] for place in places),
        label="even" if sum(places) % 2 == 0 else "odd",
    )
    for places in np.random.default_rng(0).integers(0, 40, (240, 5)).tolist()
]
OPTIONS = {"windows": (1, 2), "filters": 16}


@pytest.fixture(scope="module")
def trained():
    matrix = np.random.default_rng(1).normal(size=(40, 12)).astype(np.float32)
    table = Vectors(Vocabulary(WORDS), matrix)
    return train(EXAMPLES, table, dev=EXAMPLES, epochs=8, learning_rate=0.01, **OPTIONS).classifier


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("kmeans:4", ("0.centroids",)),
        ("kmeans:40", ("0.centroids",)),
        ("center|svd:3|kmeans:16", ("0.mean", "1.components", "2.centroids")),
        ("pq:4,bits=2", ("0.centroids",)),
        ("pq:5,bits=2", ("0.centroids", "0.narrow")),
        ("rq:2,bits=2", ("0.codebooks",)),
        ("svd:3|tcq:2", ("0.components",)),
        ("svd|tcq:2", ("0.scale",)),
        ("svd:3,components=int8|kmeans:4", ("0.scale", "1.centroids")),
        ("int8", ()),
    ],
)
def test_every_tunable_param_gets_gradients_and_no_code_does(spec, names) -> None:
    matrix = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)
    small = compress(matrix, spec)
    assert small.codec.tunable(12) == names
    layer = CompressedEmbeddingLayer(small, tunable=True)
    assert len(layer.trainable_weights) == len(names)
    model = keras.Sequential([keras.Input((2,), dtype="int32"), layer])
    if names:
        model.compile(keras.optimizers.SGD(0.5), "mse")
        model.fit(np.array([[3, 4]]), np.ones((1, 2, 12)), verbose=0)
    params = layer.params()
    for name, before in small.params.items():
        assert params[name].dtype == before.dtype
        assert np.array_equal(params[name], before) == (name not in names), name
    moved = replace(small, params=params)
    np.testing.assert_allclose(moved[[3, 4]], layer(np.array([3, 4])), rtol=1e-5, atol=1e-6)


def test_kmeans_looks_its_centroids_up(trained) -> None:
    codec = parse_codec("kmeans:4")
    codes = {"values": np.array([[0b11_10_01_00]], np.uint8)}
    params = {"0.centroids": np.array([5, 6, 7, 8], np.float32)}
    tables = codec.tables(params, 4)
    assert codec.decode(codes, {**params, **tables}, numpy_ops).tolist() == [[5, 6, 7, 8]]


def test_a_centroid_moves_by_the_sum_over_the_numbers_that_share_it() -> None:
    """Han et al. 2016, by hand: one step of plain descent on the sum of squares."""
    matrix = np.array([[0.0, 0.0, 4.0], [4.0, 0.0, 0.0], [9.0, 9.0, 9.0]], np.float32)
    small = compress(matrix, "kmeans:3")
    layer = CompressedEmbeddingLayer(small, tunable=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((layer(tf.constant([0, 1, 1])) - 1.0) ** 2)
    (centroids,) = layer.trainable_weights
    (gradient,) = (np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(loss, [centroids]))
    # Of the rows 0, 1 and 1 six numbers are 0, three are 4, and none is 9.
    by_value = dict(zip(small.params["0.centroids"].tolist(), gradient.tolist(), strict=True))
    assert by_value == {0.0: 6 * 2 * -1.0, 4.0: 3 * 2 * 3.0, 9.0: 0.0}


def test_params_stay_where_only_the_rest_is_tuned(trained) -> None:
    small = rebuild(trained, codec="kmeans:3", fold=False)
    result = tune(small, EXAMPLES, dev=EXAMPLES, epochs=6, learning_rate=0.01)
    assert result.tuned
    assert result.classifier.embedding is small.embedding


def test_shared_weights_are_tuned_and_win_on_what_they_are_tuned_on(trained) -> None:
    small = rebuild(trained, codec="kmeans:3", fold=False)
    before = dict(small.embedding.params)
    result = tune(small, EXAMPLES, dev=EXAMPLES, epochs=6, learning_rate=0.01, params=True)
    assert result.tuned
    assert max(result.dev_accuracy) > result.dev_accuracy_before
    table = result.classifier.embedding
    assert table.codec == small.embedding.codec
    assert not np.array_equal(table.params["0.centroids"], before["0.centroids"])
    for name, codes in small.embedding.codes.items():
        np.testing.assert_array_equal(table.codes[name], codes)
    texts = [example.text for example in EXAMPLES]
    right = np.mean(
        [
            p.label == e.label
            for p, e in zip(result.classifier.predict(texts), EXAMPLES, strict=True)
        ]
    )
    assert right == pytest.approx(max(result.dev_accuracy))


def stored(kernel: np.ndarray, form: str) -> np.ndarray:
    return rounded({"a.kernel": kernel}, form)["a.kernel"]


@pytest.mark.parametrize("form", SCALED)
def test_training_sees_rounded_kernels_and_moves_the_others(trained, form: str) -> None:
    """A step from what rounding gives, added to the kernels as they were: straight through."""
    ids = np.random.default_rng(0).integers(0, 40, (64, 7)).astype(np.int32)
    labels = np.random.default_rng(1).integers(0, 2, 64).astype(np.int32)
    moves = {}
    for kind in ("plain", "rounded before", "quantized"):
        model = from_classifier(trained)
        kernels = [weight for weight in model.trainable_variables if weight.name == "kernel"]
        if kind == "rounded before":
            for kernel in kernels:
                kernel.assign(stored(kernel.value.numpy(), form))
        before = [kernel.value.numpy() for kernel in kernels]
        chosen = form if kind == "quantized" else ""
        # So large a rate that moves are exact, but for the rounding of float32.
        Trainer(model, keras.optimizers.SGD(10.0), quantize=chosen).step(ids, labels)
        moves[kind] = [k.value.numpy() - old for k, old in zip(kernels, before, strict=True)]
    for plain, expected, found in zip(*moves.values(), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)
        assert np.abs(plain - expected).max() > 1e-3  # or nothing would be told apart


@pytest.mark.parametrize("form", SCALED)
def test_gradients_pass_through_rounding(form: str) -> None:
    kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 7, 5)).astype(np.float32))
    factors = np.random.default_rng(1).normal(size=(3, 7, 5)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(rounded_kernel(kernel, form) * factors)
    np.testing.assert_array_equal(tape.gradient(loss, kernel), factors)


@pytest.mark.parametrize("rate", [0.005, 1e-9])
def test_kernels_tuned_for_int8_lie_on_their_grid(trained, rate: float) -> None:
    """Also where tuning did not help, and only rounding is left."""
    result = tune(trained, EXAMPLES, dev=EXAMPLES, epochs=2, learning_rate=rate, quantize=True)
    assert result.classifier.kernels == "float32"
    for name, array in result.classifier.arrays.items():
        if name.endswith("kernel"):
            assert not np.array_equal(array, trained.arrays[name])
    texts = [example.text for example in EXAMPLES]
    difference = result.classifier.probabilities(texts) - trained.probabilities(texts)
    assert np.abs(difference).max() < 0.5
    ready = replace(result.classifier, kernels="int8")  # what tuning has rounded stays
    for name, array in result.classifier.arrays.items():
        np.testing.assert_array_equal(ready.arrays[name], array)


@pytest.mark.parametrize("form", ["int4", "int2"])
def test_a_classifier_of_fewer_bits_is_tuned_as_it_is_stored(trained, form: str) -> None:
    small = replace(trained, kernels=form)
    result = tune(small, EXAMPLES, dev=EXAMPLES, epochs=4, learning_rate=0.01)
    assert result.classifier.kernels == form
    assert result.tuned
    assert result.classifier.training.runs[-1].quantize
    assert max(result.dev_accuracy) > result.dev_accuracy_before
    right = [p.label == e.label for p, e in zip(
        result.classifier.predict([example.text for example in EXAMPLES]), EXAMPLES, strict=True
    )]  # fmt: skip
    # What training saw is what the file holds, but for biases in float16.
    assert np.mean(right) == pytest.approx(max(result.dev_accuracy), abs=0.01)


@pytest.mark.parametrize("form", SCALED)
def test_rounding_in_a_graph_is_that_of_files(form: str) -> None:
    rng = np.random.default_rng(0)
    graph = tf.function(lambda kernel: rounded_kernel(kernel, form))
    for power in (-30, -20, -12, -3, 0, 12):
        for shape in ((3, 7, 5), (200, 9)):
            kernel = (rng.standard_t(3, size=shape) * 2.0**power).astype(np.float32)
            kernel[..., 2] = 0
            np.testing.assert_array_equal(graph(kernel).numpy(), stored(kernel, form))
            np.testing.assert_array_equal(graph(graph(kernel)).numpy(), graph(kernel).numpy())
