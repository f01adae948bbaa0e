"""A classifier or a kit as a function of token ids that owns no variables: what exporters convert.

Weights enter as tensors: each exporter says how numbers are stored (as constants, as variables),
the user in what form kernels are. Codes and tables of the embedding always stay as they are.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Classifier, Kit
from embzip.errors import InputError, UnsupportedModelError
from embzip.tf.classifiers import from_classifier, from_kit

Model = Classifier | Kit
Source = Callable[[], Any]  # called inside the graph, gives a tensor
Store = Callable[[NDArray[Any]], Source]
Form = Callable[[NDArray[Any], Store], Source]  # in which a kernel is stored
_MOST_BYTES = 2**31 - 2**24  # a protobuf or flatbuffer ends there; a graph's nodes need some room

_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/-]*")  # what TensorFlow lets a node be called


def heads_of(model: Model) -> Mapping[str, Classifier]:
    """Return what gives each output, by the name that the output has."""
    return model.classifiers if isinstance(model, Kit) else {"probabilities": model}


def reach(model: Model) -> tuple[int, int]:
    """Return the tokens of a text that are read, and the padding that a shorter one needs."""
    configs = [head.config for head in heads_of(model).values()]
    return max(c.max_length for c in configs), max(c.padding for c in configs)


def serving_function(
    served: Model, form: Form, store: Store, names: Sequence[str] | None = None
) -> Any:
    """Return a concrete function: int32 ids (batch, time) -> {output name: probabilities}.

    Parameters
    ----------
    names
        Of the outputs; by default those of `heads_of`.

    Raises
    ------
    InputError
        For a name that a graph cannot have.
    """
    model = from_kit(served) if isinstance(served, Kit) else from_classifier(served)
    names = list(heads_of(served)) if names is None else names
    for name in names:
        _check_name(name, _NAME.fullmatch(name) is not None)

    def hold(variable: Any) -> Source:
        array = variable.value.numpy()
        return (form if variable.name == "kernel" else as_is)(array, store)

    trainable = [hold(variable) for variable in model.trainable_variables]
    others = [hold(variable) for variable in model.non_trainable_variables]

    def serve(ids: Any) -> dict[str, Any]:
        weights = [source() for source in trainable], [source() for source in others]
        outputs, _ = model.stateless_call(*weights, ids, training=False)
        heads = [outputs[n] for n in served.classifiers] if isinstance(served, Kit) else [outputs]
        found = {name: tf.identity(head, name) for name, head in zip(names, heads, strict=True)}
        for name, tensor in found.items():
            _check_name(name, tensor.op.name == name)  # else the graph has such a node already
        return found

    signature = [tf.TensorSpec((None, None), tf.int32, name="ids")]
    function = tf.function(serve, input_signature=signature, autograph=False)
    return function.get_concrete_function()


def _check_name(name: str, possible: bool) -> None:
    if not possible:
        raise InputError(
            f"the outputs are called as the kit's classifiers, and none of a graph can be called "
            f"{name!r}: give it another name (`embzip kit ... --name`; letters, digits, '_', '-' "
            "and '.'), or export to litert"
        )


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


def check_size(model: Model, path: str | Path) -> None:
    """Refuse what does not fit one protobuf or flatbuffer, before anything is built.

    Raises
    ------
    UnsupportedModelError
        Above 2 GB.
    """
    arrays = [array for head in heads_of(model).values() for array in head.arrays.values()]
    nbytes = model.embedding.resident_nbytes + sum(array.nbytes for array in arrays)
    if nbytes > _MOST_BYTES:
        raise UnsupportedModelError(
            f"{path}: a file of this kind holds at most 2 GB, the model has {nbytes:,} bytes: "
            "compress its table first (`embzip rebuild --codec 'svd:64|int8'`), or export a "
            "SavedModel"
        )
