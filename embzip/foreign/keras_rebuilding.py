"""Rebuilds a Keras model in memory on a compressed table.

The layers are copied with their state (`keras_copying`); the given model is not changed, and
nothing is trained. `embzip.layers.finding` checks whether a model can be rebuilt safely.
"""

from typing import Any

import keras
import numpy as np

from embzip.classifier.rebuilt_files import KeptKernels
from embzip.codecs.chain import Codec
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, MismatchError, UnsupportedModelError
from embzip.foreign.formats.keras_models import objects_of
from embzip.foreign.keras_copying import Copier, directions
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.layers.finding import (
    check_model,
    check_not_tied,
    chosen_embedding,
    holds_layers,
    is_reversible,
    walk,
)
from embzip.layers.folding import Folding, folded
from embzip.layers.kernel_axes import kernel_numbers
from embzip.layers.plain_embeddings import plain_embedding
from embzip.layers.reversible import CompressedReversibleEmbedding
from embzip.layers.small_kernels import (
    PACKAGE,
    SmallKernels,
    stored_bytes,
    why_float32,
)
from embzip.types import Matrix


def rebuild_model(
    model: Any,
    layer_name: str | None,
    embedding: CompressedEmbedding,
    *,
    fold: bool = False,
    tied: bool = False,
    plain: bool = False,
) -> Any:
    """Return a copy of a Keras model that reads a compressed table.

    Parameters
    ----------
    model
        A functional or sequential `keras.Model` object, compiled or not. Embeddings may be
        shared, masked, inside nested models and TimeDistributed, and quantized by Keras.
    layer_name
        The name of the `keras.layers.Embedding` to replace; `tower/words` for the layer `words`
        in the nested model `tower`. None if the model has only one.
    embedding
        The compressed table, with as many rows and columns as the layer. If it has a padding
        row, that row reads as zeros; tables compressed from a bare array have none.
    fold
        Whether linear decoding (components, column scales, a mean) is folded into the Conv1D and
        Dense layers that read the table, which then have fewer input columns.
    tied
        Whether a `keras.layers.ReversibleEmbedding`, whose table is an output layer too, is
        replaced by one that decodes all rows wherever it is called in reverse.
    plain
        Whether the copy is of Keras' own layers alone, so that its file opens without embzip:
        see `embzip.layers.plain_embeddings`.

    Returns
    -------
    keras.Model
        Not compiled, so that its saved file contains no optimizer state. Variables are copies.

    Raises
    ------
    UnsupportedModelError
        For subclassed models, tables that are also used elsewhere, subclasses of Embedding, and
        if the layer does not exist or is not the only one. With `fold`, also if a layer that is
        not linear reads the table. A custom layer that reads the table through a plain Python
        closure cannot be detected.
    MismatchError
        If layer and table differ in rows or columns.

    Examples
    --------
    >>> import keras, embzip.foreign
    >>> from embzip.compression import compress
    >>> model = keras.Sequential([keras.Input((5,)), keras.layers.Embedding(100, 8, name="words")])
    >>> table = compress(model.get_layer("words").get_weights()[0], "int8")
    >>> small = embzip.foreign.rebuild_model(model, "words", table)
    >>> model.count_params(), small.get_layer("words").weights[0].dtype
    (800, 'int8')
    """
    check_model(model)
    old = chosen_embedding(model, layer_name, tied=tied)
    if (old.input_dim, old.output_dim) != embedding.shape:
        raise MismatchError(
            f"the table of the layer {old.name!r} is {old.input_dim} x {old.output_dim}, but the "
            f"embedding has {embedding.rows} rows of {embedding.dim}: compress the layer's own "
            f"table, model.get_layer({old.name!r}).get_weights()[0]"
        )
    check_not_tied(model, old)
    folding = folded(model, old, embedding) if fold else Folding(embedding, {})
    options = {"mask_zero": old.mask_zero, "name": old.name, "dtype": old.compute_dtype}
    if plain:
        new: Any = plain_embedding(model, old, folding.embedding)
    elif is_reversible(old):
        new = CompressedReversibleEmbedding(
            folding.embedding,
            reverse_dtype=old.reverse_dtype,
            logit_soft_cap=old.logit_soft_cap,
            **options,
        )
    else:
        new = CompressedEmbeddingLayer(folding.embedding, **options)
    made = Copier({id(old): new}, folding.variables).copy(model)
    if plain:
        _check_plain(made)
    return made


def _check_plain(model: Any) -> None:
    """Check that nothing in a model needs embzip to be opened."""
    for part in objects_of(keras.saving.serialize_keras_object(model)):
        named = str(part.get("registered_name"))
        if named.startswith(f"{PACKAGE}>"):
            inner = part.get("config")
            where = inner.get("name") if isinstance(inner, dict) else None
            raise UnsupportedModelError(
                f"{where or 'a part'!r} of the model {model.name!r} is a {named.split('>')[1]} of "
                "embzip, so that a file of Keras' own layers alone (--plain) cannot be: begin with "
                "the model before embzip changed it, or leave --plain out"
            )


def with_small_kernels(model: Any, form: str = "int8") -> Any:
    """Return a copy of a Keras model whose kernels are int8, with a float32 scale a channel.

    They are the kernels of dense, convolution, recurrent and attention layers, also in
    TimeDistributed and Bidirectional, that have 256 numbers or more; they are multiplied out in the
    graph. With the form `float16` they are two bytes a number. The copy opens after
    `import embzip.tf`. `kept_kernels` says which layers stay.

    Raises
    ------
    UnsupportedModelError
        For subclassed models, and for one without such kernels.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential([keras.Input((9, 32)), keras.layers.LSTM(16, name="lstm")])
    >>> small = with_small_kernels(model)
    >>> sorted({str(weight.dtype) for weight in small.get_layer("lstm").weights})
    ['float32', 'int8']
    """
    check_model(model)
    made = Copier(kernels=form).copy(model)
    if kernel_bytes(made) == kernel_bytes(model):
        named = ", ".join(f"{each.layer!r} ({each.why})" for each in kept_kernels(model))
        raise UnsupportedModelError(
            f"the model {model.name!r} has no float32 kernel of 256 numbers or more in a dense, "
            "convolution, recurrent or attention layer of Keras: leave --kernels out"
            + (f". It has {named}" if named else "")
        )
    return made


def kept_kernels(model: Any) -> tuple[KeptKernels, ...]:
    """Return the layers of a model that stay as they are beside `with_small_kernels`, and why.

    Tables and what Keras has quantized are not among them.
    """
    found: dict[int, KeptKernels] = {}
    for path, part in walk(model):
        if not isinstance(part, keras.Layer) or holds_layers(part):
            continue
        for layer in directions(part):
            numbers, why = kernel_numbers(layer), why_float32(layer)
            table = isinstance(layer, keras.layers.Embedding | CompressedEmbeddingLayer)
            if numbers and why and not table and not isinstance(layer, SmallKernels):
                found[id(layer)] = KeptKernels(path, numbers, why)
    return tuple(found.values())


def kernel_bytes(model: Any) -> tuple[int, int]:
    """Return the bytes of a model's small kernels, as they would be in float32 and as they are."""
    layers = {id(each): each for _, part in walk(model) for each in _inner(part)}
    sizes = [stored_bytes(each) for each in layers.values() if isinstance(each, SmallKernels)]
    return sum(before for before, _ in sizes), sum(after for _, after in sizes)


def _inner(part: Any) -> list[Any]:
    return list(part._flatten_layers()) if hasattr(part, "_flatten_layers") else []


def rows_of(layer: Any) -> Matrix:
    """Return the table of an Embedding layer, (rows, dim), also where it is compressed.

    Keras may have quantized it, or an earlier rebuilding put codes there.
    """
    if isinstance(layer, keras.layers.Embedding) and layer.quantization_mode is None:
        return np.asarray(layer.get_weights()[0], np.float32)
    return np.asarray(layer(np.arange(layer.input_dim)), np.float32)


def table_for(
    model: Any,
    layer_name: str | None,
    embedding: CompressedEmbedding | None,
    codec: str | Codec | None,
    seed: int,
    *,
    tied: bool = False,
) -> CompressedEmbedding:
    """Return the table to rebuild a model on: the one given, or the layer's own, compressed."""
    if embedding is not None and codec is None:
        return embedding
    if embedding is not None or codec is None:
        raise InputError("rebuild takes exactly one of embedding and codec")
    check_model(model)
    layer = chosen_embedding(model, layer_name, tied=tied)
    return compress(rows_of(layer), codec, seed=seed)
