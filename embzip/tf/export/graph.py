"""Builds the function of token ids that exporters convert, for a classifier or a kit.

The function has no variables of its own: each exporter decides how arrays are stored (as constants
or as variables), and the user decides the form of kernels. Codes and derived tables of the
embedding are never changed.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Classifier, Kit
from embzip.classifier.storage import SCALED, whole_levels
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, UnsupportedModelError
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.tf.classifiers import shown_of
from embzip.tf.export.heads import Form, Source, Store, as_is, serving_head

Model = Classifier | Kit
_MOST_BYTES = 2**31 - 2**24  # the limit of a protobuf or flatbuffer, minus room for nodes

_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/-]*")  # valid names of TensorFlow nodes


def heads_of(model: Model) -> Mapping[str, Classifier]:
    """Return the classifier of each output, by the output's name."""
    return model.classifiers if isinstance(model, Kit) else {"probabilities": model}


def reach(model: Model) -> tuple[int, int]:
    """Return how many tokens of a text are read, and how much padding a shorter one needs."""
    configs = [head.config for head in heads_of(model).values()]
    return max(c.max_length for c in configs), max(c.padding for c in configs)


def serving_function(
    served: Model, kernels: str | None, store: Store, names: Sequence[str] | None = None
) -> Any:
    """Return a concrete function: int32 ids (batch, time) -> {output name: probabilities}.

    Parameters
    ----------
    kernels
        How the graph stores kernels, one of `FORMS`; None for the form that each classifier's file
        has, which changes no number.
    names
        The names of the outputs; by default those of `heads_of`.

    Raises
    ------
    InputError
        For a name that is not valid in a graph.
    """
    classifiers = list(heads_of(served).values())
    names = list(heads_of(served)) if names is None else names
    for name in names:
        _check_name(name, _NAME.fullmatch(name) is not None)
    layer = CompressedEmbeddingLayer(_unmasked(served.embedding), name="embedding")
    codes = [as_is(variable.value.numpy(), store) for variable in layer.non_trainable_variables]
    heads = [serving_head(each, FORMS[kernels or each.kernels], store) for each in classifiers]
    limits = [classifier.config.max_length for classifier in classifiers]
    longest = max(limits)

    def serve(ids: Any) -> dict[str, Any]:
        columns, _ = layer.stateless_call([], [source() for source in codes], ids)
        shown = shown_of(ids, served.embedding)
        found = {}
        for name, head, limit in zip(names, heads, limits, strict=True):
            # No input is longer than the longest limit, and slicing costs more than a convolution.
            whole = limit == longest
            rows, seen = (columns, shown) if whole else (columns[:, :limit], shown[:, :limit])
            found[name] = tf.identity(head(rows, seen), name)
        for name, tensor in found.items():
            _check_name(name, tensor.op.name == name)  # false if the graph already has such a node
        return found

    signature = [tf.TensorSpec((None, None), tf.int32, name="ids")]
    function = tf.function(serve, input_signature=signature, autograph=False)
    return function.get_concrete_function()


def _unmasked(embedding: CompressedEmbedding) -> CompressedEmbedding:
    """Return the table without padding if its padding row decodes to zeros anyway."""
    pad_id = embedding.pad_id
    if pad_id is None:
        return embedding
    # A table without a vocabulary has no padding row.
    bare = CompressedEmbedding(
        embedding.codec, embedding.codes, embedding.params, embedding.rows, embedding.dim
    )
    return embedding if bare[[pad_id]].any() else bare


def _check_name(name: str, possible: bool) -> None:
    if not possible:
        raise InputError(
            "the outputs of a graph have the names of the kit's classifiers, and "
            f"{name!r} is not a valid one: give the classifier another name (`embzip kit ... "
            "--name`; letters, digits, '_', '-' and '.'), or export to litert"
        )


def constant(array: NDArray[Any]) -> Source:
    """Store an array as a constant of the graph."""
    return lambda: tf.constant(array)


def as_float16(kernel: NDArray[Any], store: Store) -> Source:
    """Store a kernel in two bytes per number; it is computed with in float32."""
    check_float16(kernel)
    half = store(kernel.astype(np.float16))
    return lambda: tf.cast(half(), tf.float32)


def check_float16(kernel: NDArray[np.float32]) -> None:
    """Raise `InputError` for numbers too large for float16."""
    if not np.abs(kernel).max(initial=0) <= np.finfo(np.float16).max:
        raise InputError(
            "float16 holds numbers up to 65504, and a kernel contains a larger one: choose kernels "
            "'float32' or 'int8'"
        )


def as_levels(kernel: NDArray[Any], store: Store, *, kernels: str) -> Source:
    """Store a kernel in one byte a number, with a scale for each filter (on its last axis)."""
    found, scale = whole_levels(kernel, kernels)
    levels, scales = store(found), store(scale)
    return lambda: tf.cast(levels(), tf.float32) * scales()


FORMS: dict[str, Form] = {
    "float32": as_is,
    "float16": as_float16,
    **{form: partial(as_levels, kernels=form) for form in SCALED},
}


def check_size(model: Model, path: str | Path) -> None:
    """Check that a model fits into one protobuf or flatbuffer, before anything is built.

    Raises
    ------
    UnsupportedModelError
        For a model of more than 2 GB.
    """
    arrays = [array for head in heads_of(model).values() for array in head.arrays.values()]
    nbytes = model.embedding.resident_nbytes + sum(array.nbytes for array in arrays)
    if nbytes > _MOST_BYTES:
        raise UnsupportedModelError(
            f"{path}: a file of this kind has at most 2 GB, but the model has {nbytes:,} bytes: "
            "compress its table first (`embzip rebuild --codec 'svd:64|int8'`), or export a "
            "SavedModel"
        )
