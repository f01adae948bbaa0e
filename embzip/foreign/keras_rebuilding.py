"""Rebuilds a Keras model in memory on a compressed table.

This works for plain functional and sequential models, nested ones included. The layers are copied
with their state; the given model is not changed, and nothing is trained. `embzip.layers.finding`
checks whether a model can be rebuilt safely.
"""

from typing import Any

import keras

from embzip.codecs.chain import Codec
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, MismatchError, UnsupportedModelError
from embzip.files.writing import temporary_folder
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.layers.finding import (
    check_model,
    check_not_tied,
    chosen_embedding,
    is_functional,
    is_sequential,
)
from embzip.layers.folding import Folding, folded


def rebuild_model(
    model: Any,
    layer_name: str | None,
    embedding: CompressedEmbedding,
    *,
    fold: bool = False,
) -> Any:
    """Return a copy of a Keras model that reads a compressed table.

    Parameters
    ----------
    model
        A functional or sequential `keras.Model` object, compiled or not. Embeddings may be
        shared, masked, and inside nested models.
    layer_name
        The name of the `keras.layers.Embedding` to replace; `tower/words` for the layer `words`
        in the nested model `tower`. None if the model has only one.
    embedding
        The compressed table, with as many rows and columns as the layer. If it has a padding
        row, that row reads as zeros; tables compressed from a bare array have none.
    fold
        Whether linear decoding (components, column scales, a mean) is folded into the Conv1D and
        Dense layers that read the table, which then have fewer input columns.

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
    old = chosen_embedding(model, layer_name)
    if (old.input_dim, old.output_dim) != embedding.shape:
        raise MismatchError(
            f"the table of the layer {old.name!r} is {old.input_dim} x {old.output_dim}, but the "
            f"embedding has {embedding.rows} rows of {embedding.dim}: compress the layer's own "
            f"table, model.get_layer({old.name!r}).get_weights()[0]"
        )
    check_not_tied(model, old)
    folding = folded(model, old, embedding) if fold else Folding(embedding, {})
    return _Copier(old, folding).copy(model)


def table_for(
    model: Any,
    layer_name: str | None,
    embedding: CompressedEmbedding | None,
    codec: str | Codec | None,
    seed: int,
) -> CompressedEmbedding:
    """Return the table to rebuild a model on: the one given, or the layer's own, compressed."""
    if embedding is not None and codec is None:
        return embedding
    if embedding is not None or codec is None:
        raise InputError("rebuild takes exactly one of embedding and codec")
    check_model(model)
    return compress(chosen_embedding(model, layer_name).get_weights()[0], codec, seed=seed)


class _Copier:
    """Copies each layer once, so that shared layers stay shared."""

    def __init__(self, old: Any, folding: Folding) -> None:
        new = CompressedEmbeddingLayer(
            folding.embedding, mask_zero=old.mask_zero, name=old.name, dtype=old.compute_dtype
        )
        self._old = old
        self._changed = folding.variables
        self._copies: dict[int, Any] = {id(old): new}

    def copy(self, layer: Any) -> Any:
        """Return the copy of a layer, an operation or a nested model, with its variables."""
        if id(layer) not in self._copies:
            if is_sequential(layer):
                made = self._sequential(layer)
            elif is_functional(layer):
                made = self._functional(layer)
            else:
                made = _unbuilt_copy(layer)
            self._copies[id(layer)] = made
            return made
        return self._copies[id(layer)]

    def _sequential(self, model: Any) -> Any:
        first = model.inputs[0]
        entrance = keras.Input(batch_shape=first.shape, dtype=first.dtype, name=first.name)
        inner = [self.copy(layer) for layer in model.layers]
        made = keras.Sequential([entrance, *inner], name=model.name)
        self._fill(model)
        return made

    def _functional(self, model: Any) -> Any:
        # A clone of a compiled model would have an optimizer too, and cloning would fail if its
        # loss is a function of the user. A new model over the same layers is not compiled.
        bare = keras.Model(model.input, model.output, name=model.name)
        made = keras.models.clone_model(bare, clone_function=self.copy)
        self._fill(model)
        return made

    def _fill(self, model: Any) -> None:
        """Copy the state of a model's layers, whose variables exist once the model is built."""
        for layer in model.layers:
            if layer is self._old or is_sequential(layer) or is_functional(layer):
                continue
            new = self._copies.get(id(layer))  # inputs are made again, not copied
            if new is not None:
                if id(layer) in self._changed:
                    new.set_weights(self._changed[id(layer)])
                else:
                    _copy_state(layer, new)


def _unbuilt_copy(layer: Any) -> Any:
    if type(layer) is keras.layers.Lambda:
        # Keras does not make a Lambda from its configuration, because it contains code.
        return keras.layers.Lambda(
            layer.function,
            output_shape=layer._output_shape,
            mask=layer.mask,
            arguments=layer.arguments,
            name=layer.name,
            dtype=layer.dtype_policy,
        )
    try:
        return type(layer).from_config(layer.get_config())
    except (ValueError, TypeError, NotImplementedError) as error:
        raise _not_copied(layer, error) from error


def _copy_state(old: Any, new: Any) -> None:
    """Copy what a saved file would contain: variables, adapted vocabularies, and statistics."""
    parts = list(zip(old._flatten_layers(), new._flatten_layers(), strict=False))
    try:
        for source, target in parts:
            store: dict[str, Any] = {}
            source.save_own_variables(store)
            if store:
                target.load_own_variables(store)
            if hasattr(source, "save_assets") and hasattr(target, "load_assets"):
                with temporary_folder() as folder:
                    source.save_assets(folder)
                    target.load_assets(folder)
    except (ValueError, KeyError) as error:
        raise _not_copied(old, error) from error
    if [tuple(w.shape) for w in old.weights] != [tuple(w.shape) for w in new.weights]:
        raise _not_copied(old, None)


def _not_copied(layer: Any, error: BaseException | None) -> UnsupportedModelError:
    why = str(error).strip().partition("\n")[0] if error is not None else "its variables differ"
    return UnsupportedModelError(
        f"the layer {layer.name!r} of type {type(layer).__name__} cannot be copied from its "
        f"configuration ({why}): give it get_config() and from_config() that restore it"
    )
