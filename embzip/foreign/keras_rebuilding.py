"""A user's own Keras model with one embedding regenerated from a compressed table.

For plain functional and sequential models, nested ones included. The graph is built anew and all
other state copied; the model that was given is not changed, and nothing is trained. Whether a
model can be rewritten safely is decided in `embzip.layers.finding`.
"""

import tempfile
from typing import Any

import keras

from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, MismatchError, UnsupportedModelError
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
        shared, masked, and stand in nested models.
    layer_name
        Of the `keras.layers.Embedding` to replace; `tower/words` for the layer `words` of the
        nested model `tower`. None where there is exactly one.
    embedding
        The compressed table, as many rows and columns as the layer's. Where it has a padding
        row, that row reads as zeros; tables compressed from a bare array have none.
    fold
        Whether linear decoding (components, column scales, a mean) moves into the Conv1D and
        Dense layers that read the table, which then compute on fewer columns.

    Returns
    -------
    keras.Model
        Not compiled, so that its saved file holds no optimizer state. Weights are copies.

    Raises
    ------
    UnsupportedModelError
        For subclassed models, tables that are used elsewhere too, subclasses of Embedding, and
        where the layer is not there or not the only one; names what it found. With `fold`, where
        a layer that is not linear reads the table; names it. A custom layer that reads the table
        through a plain Python closure cannot be detected.
    MismatchError
        Where layer and table differ in rows or columns.

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
            f"the layer {old.name!r} is a {old.input_dim} x {old.output_dim} table, the embedding "
            f"has {embedding.rows} rows of {embedding.dim}: compress the layer's own table, "
            f"model.get_layer({old.name!r}).get_weights()[0]"
        )
    check_not_tied(model, old)
    folding = folded(model, old, embedding) if fold else Folding(embedding, {})
    return _Copier(old, folding).copy(model)


def table_for(
    model: Any,
    layer_name: str | None,
    embedding: CompressedEmbedding | None,
    codec: str | None,
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
    """Copies each layer once, so that what was shared stays shared."""

    def __init__(self, old: Any, folding: Folding) -> None:
        new = CompressedEmbeddingLayer(
            folding.embedding, mask_zero=old.mask_zero, name=old.name, dtype=old.compute_dtype
        )
        self._old = old
        self._changed = folding.variables
        self._copies: dict[int, Any] = {id(old): new}

    def copy(self, layer: Any) -> Any:
        """Return the copy of a layer, an operation or a nested model, with its weights."""
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
        # Cloned as it is, a compiled model would get an optimizer again, and fail where its loss
        # is the user's own function. A bare one over the same layers is not compiled.
        bare = keras.Model(model.input, model.output, name=model.name)
        made = keras.models.clone_model(bare, clone_function=self.copy)
        self._fill(model)
        return made

    def _fill(self, model: Any) -> None:
        """Copy the state of a model's layers, which exist once the model was built."""
        for layer in model.layers:
            if layer is self._old or is_sequential(layer) or is_functional(layer):
                continue
            new = self._copies.get(id(layer))  # none for inputs: they are made anew
            if new is not None:
                if id(layer) in self._changed:
                    new.set_weights(self._changed[id(layer)])
                else:
                    _copy_state(layer, new)


def _unbuilt_copy(layer: Any) -> Any:
    if type(layer) is keras.layers.Lambda:
        # A Lambda refuses to be made from its configuration, being code.
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
    """Copy what a saved file would hold: weights, adapted vocabularies, finalized statistics."""
    parts = list(zip(old._flatten_layers(), new._flatten_layers(), strict=False))
    try:
        for source, target in parts:
            store: dict[str, Any] = {}
            source.save_own_variables(store)
            if store:
                target.load_own_variables(store)
            if hasattr(source, "save_assets") and hasattr(target, "load_assets"):
                with tempfile.TemporaryDirectory() as folder:
                    source.save_assets(folder)
                    target.load_assets(folder)
    except (ValueError, KeyError) as error:
        raise _not_copied(old, error) from error
    if [tuple(w.shape) for w in old.weights] != [tuple(w.shape) for w in new.weights]:
        raise _not_copied(old, None)


def _not_copied(layer: Any, error: BaseException | None) -> UnsupportedModelError:
    why = str(error).strip().partition("\n")[0] if error is not None else "its weights differ"
    return UnsupportedModelError(
        f"the layer {layer.name!r} of type {type(layer).__name__} cannot be made again from its "
        f"configuration ({why}): give it get_config() and from_config() that restore it"
    )
