"""A classifier or a kit as a function of token ids that owns no variables: what exporters convert.

Weights enter as tensors: each exporter says how numbers are stored (as constants, as variables),
the user in what form kernels are. Codes and tables of the embedding always stay as they are.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Classifier, Kit
from embzip.codecs.rounding import symmetric_int8
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, UnsupportedModelError
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.tf.classifiers import shown_of
from embzip.tf.export.heads import Form, Source, Store, as_is, serving_head

Model = Classifier | Kit
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
    classifiers = list(heads_of(served).values())
    names = list(heads_of(served)) if names is None else names
    for name in names:
        _check_name(name, _NAME.fullmatch(name) is not None)
    layer = CompressedEmbeddingLayer(_unmasked(served.embedding), name="embedding")
    codes = [as_is(variable.value.numpy(), store) for variable in layer.non_trainable_variables]
    heads = [serving_head(classifier, form, store) for classifier in classifiers]
    limits = [classifier.config.max_length for classifier in classifiers]
    longest = max(limits)

    def serve(ids: Any) -> dict[str, Any]:
        columns, _ = layer.stateless_call([], [source() for source in codes], ids)
        shown = shown_of(ids, served.embedding)
        found = {}
        for name, head, limit in zip(names, heads, limits, strict=True):
            # No input is longer than the longest, and cutting takes longer than a convolution.
            whole = limit == longest
            rows, seen = (columns, shown) if whole else (columns[:, :limit], shown[:, :limit])
            found[name] = tf.identity(head(rows, seen), name)
        for name, tensor in found.items():
            _check_name(name, tensor.op.name == name)  # else the graph has such a node already
        return found

    signature = [tf.TensorSpec((None, None), tf.int32, name="ids")]
    function = tf.function(serve, input_signature=signature, autograph=False)
    return function.get_concrete_function()


def _unmasked(embedding: CompressedEmbedding) -> CompressedEmbedding:
    """Return the table as one whose padding row needs no zeroing, where it decodes to zeros."""
    pad_id = embedding.pad_id
    if pad_id is None:
        return embedding
    # Without a vocabulary there is no padding.
    bare = CompressedEmbedding(
        embedding.codec, embedding.codes, embedding.params, embedding.rows, embedding.dim
    )
    return embedding if bare[[pad_id]].any() else bare


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


def as_float16(kernel: NDArray[Any], store: Store) -> Source:
    """Store a kernel in two bytes a number; it computes in float32."""
    check_float16(kernel)
    half = store(kernel.astype(np.float16))
    return lambda: tf.cast(half(), tf.float32)


def check_float16(kernel: NDArray[np.float32]) -> None:
    """Refuse numbers that float16 cannot hold."""
    if not np.abs(kernel).max(initial=0) <= np.finfo(np.float16).max:
        raise InputError(
            "a kernel holds a number beyond 65504, which float16 cannot: choose kernels 'float32' "
            "or 'int8'"
        )


def as_int8(kernel: NDArray[Any], store: Store) -> Source:
    """Store a kernel in a byte a number, and a scale a filter (its last axis); float32 computes."""
    octets, scale = symmetric_int8(kernel, axis=tuple(range(kernel.ndim - 1)))
    levels, scales = store(octets), store(scale)
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
