"""Builds the part of a classifier above the table, for exported graphs.

For a CNN, the graph has fewer and larger operations than the Keras model: windows of equal width
become one convolution, and bias and ReLU are applied once, after the maximum over time. Other
encoders are the Keras layers themselves.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Classifier, CnnConfig
from embzip.tf.classifiers import answer, assign
from embzip.tf.encoders import LayerFactory
from embzip.types import Arrays

Source = Callable[[], Any]  # called inside the graph, returns a tensor
Store = Callable[[NDArray[Any]], Source]
Form = Callable[[NDArray[Any], Store], Source]  # how a kernel is stored
Head = Callable[[Any, Any], Any]  # (columns, shown) -> probabilities


DENSE = ("dense.reduce.kernel", "dense.kernel")  # the first only in a factorized layer


def as_is(array: NDArray[Any], store: Store) -> Source:
    """Store an array in its own dtype."""
    return store(array)


def serving_head(classifier: Classifier, form: Form, store: Store) -> Head:
    """Return a function: rows (batch, time, dim), shown (batch, time, 1) -> probabilities."""
    config = classifier.config
    if isinstance(config, CnnConfig):
        return _cnn(classifier.arrays, config, form, store)
    return _keras(classifier, form, store)


def kernels_of(classifier: Classifier) -> list[NDArray[np.float32]]:
    """Return the kernels of the graph; the order of their numbers may differ there."""
    arrays, config = classifier.arrays, classifier.config
    if isinstance(config, CnnConfig):
        return [*_convolutions(arrays, config), *(arrays[name] for name in DENSE if name in arrays)]
    return [array for name, array in arrays.items() if name.endswith("kernel")]


def _by_width(config: CnnConfig) -> list[list[int]]:
    """Return the indices of the windows of each width.

    >>> _by_width(CnnConfig(columns=2, max_length=4, windows=(1, 2, 1)))
    [[0, 2], [1]]
    """
    windows = config.windows
    return [
        [index for index, found in enumerate(windows) if found == width]
        for width in dict.fromkeys(windows)
    ]


def _convolutions(arrays: Arrays, config: CnnConfig) -> list[NDArray[np.float32]]:
    """Return one kernel per width, (width, columns, filters of all its windows)."""
    return [
        np.concatenate([arrays[f"conv.{index}.kernel"] for index in group], axis=-1)
        for group in _by_width(config)
    ]


def _cnn(arrays: Arrays, config: CnnConfig, form: Form, store: Store) -> Head:
    order = [index for group in _by_width(config) for index in group]
    # Features are ordered by width, so the rows of the kernel that reads them are reordered too.
    filters = np.arange(config.features).reshape(len(order), -1)[order].reshape(-1)
    dense = [arrays[name] for name in DENSE if name in arrays]
    dense[0] = dense[0][filters]
    convolutions = [form(kernel[None], store) for kernel in _convolutions(arrays, config)]
    products = [form(kernel, store) for kernel in dense]
    conv_bias = store(np.concatenate([arrays[f"conv.{index}.bias"] for index in order]))
    dense_bias = store(arrays["dense.bias"])

    def head(columns: Any, shown: Any) -> Any:
        if config.indicator:
            columns = tf.concat([columns, shown], axis=-1)
        wide = tf.expand_dims(columns, 1)
        best = [
            tf.reduce_max(tf.nn.conv2d(wide, kernel(), 1, "VALID"), axis=(1, 2))
            for kernel in convolutions
        ]
        features = tf.nn.relu((tf.concat(best, -1) if len(best) > 1 else best[0]) + conv_bias())
        for kernel in products:
            features = tf.matmul(features, kernel())
        return tf.nn.softmax(features + dense_bias())

    return head


def _keras(classifier: Classifier, form: Form, store: Store) -> Head:
    dim = classifier.embedding.dim
    columns, shown = keras.Input((None, dim)), keras.Input((None, 1))
    factory = LayerFactory(0, ranks=classifier.ranks)
    labels = len(classifier.labels)
    model = keras.Model(
        [columns, shown], answer(classifier.config, labels, columns, shown, factory)
    )
    assign(model, classifier.arrays, factory)

    def hold(variable: Any) -> Source:
        array = variable.value.numpy()
        return (form if variable.name == "kernel" else as_is)(array, store)

    trainable = [hold(variable) for variable in model.trainable_variables]
    others = [hold(variable) for variable in model.non_trainable_variables]

    def head(columns: Any, shown: Any) -> Any:
        held = [source() for source in trainable], [source() for source in others]
        return model.stateless_call(*held, [columns, shown], training=False)[0]

    return head
