"""A Keras classifier as a function of token ids that owns no variables: what exporters convert.

Weights enter as tensors: each exporter says how numbers are stored (as constants, as variables),
the user in what form kernels are. Codes and tables of the embedding always stay as they are.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Classifier
from embzip.errors import InputError, UnsupportedModelError
from embzip.tf.classifiers import from_classifier

Source = Callable[[], Any]  # called inside the graph, gives a tensor
Store = Callable[[NDArray[Any]], Source]
Form = Callable[[NDArray[Any], Store], Source]  # in which a kernel is stored
_MOST_BYTES = 2**31 - 2**24  # a protobuf or flatbuffer ends there; a graph's nodes need some room


def serving_function(classifier: Classifier, form: Form, store: Store) -> Any:
    """Return a concrete function: int32 ids (batch, time) -> {output name: probabilities}."""
    model = from_classifier(classifier)

    def hold(variable: Any) -> Source:
        array = variable.value.numpy()
        return (form if variable.name == "kernel" else as_is)(array, store)

    trainable = [hold(variable) for variable in model.trainable_variables]
    others = [hold(variable) for variable in model.non_trainable_variables]
    names = output_names(len(model.outputs))

    def serve(ids: Any) -> dict[str, Any]:
        weights = [source() for source in trainable], [source() for source in others]
        outputs, _ = model.stateless_call(*weights, ids, training=False)
        heads = outputs if isinstance(outputs, list | tuple) else [outputs]
        return {name: tf.identity(head, name) for name, head in zip(names, heads, strict=True)}

    signature = [tf.TensorSpec((None, None), tf.int32, name="ids")]
    function = tf.function(serve, input_signature=signature, autograph=False)
    return function.get_concrete_function()


def output_names(heads: int) -> Sequence[str]:
    """Return the name of each output; sorted, they are in the heads' order."""
    if heads == 1:
        return ["probabilities"]
    return [f"probabilities_{index:03d}" for index in range(heads)]


def constant(array: NDArray[Any]) -> Source:
    """Store an array as a constant of the graph."""
    return lambda: tf.constant(array)


def as_is(array: NDArray[Any], store: Store) -> Source:
    """Store an array in its own dtype."""
    return store(array)


def as_float16(kernel: NDArray[Any], store: Store) -> Source:
    """Store a kernel in two bytes a number; it computes in float32."""
    check_float16(kernel)
    half = store(kernel.astype(np.float16))
    return lambda: tf.cast(half(), tf.float32)


def check_float16(kernel: NDArray[np.float32]) -> None:
    """Refuse numbers that float16 cannot hold."""
    if not np.abs(kernel).max(initial=0) <= np.finfo(np.float16).max:
        raise InputError(
            "a kernel holds a number beyond 65504, which float16 cannot: choose weights 'float32' "
            "or 'int8'"
        )


def as_int8(kernel: NDArray[Any], store: Store) -> Source:
    """Store a kernel in a byte a number, and a scale a filter (its last axis); float32 computes."""
    axes = tuple(range(kernel.ndim - 1))
    scale = np.abs(kernel).max(axis=axes) / np.float32(127)
    scale = np.where(scale < np.finfo(np.float32).tiny, np.float32(1), scale).astype(np.float32)
    levels, scales = store(np.rint(kernel / scale).astype(np.int8)), store(scale)
    return lambda: tf.cast(levels(), tf.float32) * scales()


FORMS: dict[str, Form] = {"float32": as_is, "float16": as_float16, "int8": as_int8}


def check_size(classifier: Classifier, path: str | Path) -> None:
    """Refuse what does not fit one protobuf or flatbuffer, before anything is built.

    Raises
    ------
    UnsupportedModelError
        Above 2 GB.
    """
    heads = sum(array.nbytes for array in classifier.arrays.values())
    nbytes = classifier.embedding.resident_nbytes + heads
    if nbytes > _MOST_BYTES:
        raise UnsupportedModelError(
            f"{path}: a file of this kind holds at most 2 GB, the classifier has {nbytes:,} bytes: "
            "compress its table first (`embzip rebuild --codec 'svd:64|int8'`), or export a "
            "SavedModel"
        )
