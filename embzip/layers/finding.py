"""Checks whether a Keras model can be rebuilt: finds its embeddings, and what reads them.

Nothing is changed here; `embzip.foreign.keras_rebuilding` rebuilds the model.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import keras
from keras import tree
from keras.src.models.functional import Functional  # Keras exports no name for it

from embzip.errors import UnsupportedModelError
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.layers.reversible import CompressedReversibleEmbedding

_TABLES = (keras.layers.Embedding, CompressedEmbeddingLayer)


def is_sequential(layer: Any) -> bool:
    """Return whether a layer is a `keras.Sequential`, but not of a subclass."""
    return type(layer) is keras.Sequential


def is_functional(layer: Any) -> bool:
    """Return whether a layer is a functional model, but not of a subclass."""
    return type(layer) is Functional


def is_timed(layer: Any) -> bool:
    """Return whether a layer is a `keras.layers.TimeDistributed`, but not of a subclass."""
    return type(layer) is keras.layers.TimeDistributed


def is_reversible(layer: Any) -> bool:
    """Return whether a layer's table may be an output layer too, also where it is compressed."""
    found = getattr(keras.layers, "ReversibleEmbedding", None)  # new in 3.12
    return type(layer) in (found, CompressedReversibleEmbedding)


def check_model(model: Any) -> None:
    """Check that a model is a plain functional or sequential Keras 3 model with known inputs.

    Raises
    ------
    UnsupportedModelError
        For any other model. The message names its type.
    """
    kind = type(model).__name__
    if not isinstance(model, keras.Model):
        raise UnsupportedModelError(
            f"expected a Keras 3 model object, received {kind}: load a file with "
            "keras.models.load_model first"
        )
    for part in (model, *(layer for _, layer in walk(model) if isinstance(layer, keras.Model))):
        if is_sequential(part):
            if not part.built or getattr(part, "_functional", None) is None:
                raise UnsupportedModelError(
                    f"a sequential model must know its input, and {part.name!r} does not: add "
                    "keras.Input as its first layer, or call it on one batch first"
                )
        elif not is_functional(part) and (part is model or _hidden_embeddings(part)):
            raise UnsupportedModelError(
                "rebuild needs plain functional or sequential models, because it cannot change the "
                f"code of a subclass, and {part.name!r} is of the subclass {type(part).__name__}: "
                "if it was built from inputs and outputs, pass keras.Model(model.input, "
                "model.output); otherwise model.export(FOLDER), and rebuild that SavedModel"
            )


def walk(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, layer or operation) of a model, and of what is nested in it.

    That are plain models, and the layers that TimeDistributed applies.
    """
    if is_timed(model):
        inner = [model.layer]
    else:
        inner = model.operations if is_functional(model) else model.layers
    for operation in inner:
        path = prefix + operation.name
        yield path, operation
        if holds_layers(operation):
            yield from walk(operation, path + "/")


def chosen_embedding(model: Any, layer_name: str | None, *, tied: bool = False) -> Any:
    """Return the `Embedding` layer with a name or path, or the only one.

    With `tied`, it may be a `ReversibleEmbedding` with one table. One that is compressed already
    can be chosen by its name, or where there is no other.

    Raises
    ------
    UnsupportedModelError
        Unless exactly one layer matches, and it is a `keras.layers.Embedding` itself, not of a
        subclass. The message lists the Embedding layers.
    """
    layers = [(path, layer) for path, layer in walk(model) if isinstance(layer, keras.Layer)]
    embeddings = _embeddings(model)
    found = ", ".join(repr(path) for path, _ in embeddings) or "none"
    if layer_name is None:
        candidates = embeddings
        if not embeddings:
            raise UnsupportedModelError(
                f"rebuild needs an Embedding layer, and the model {model.name!r} has none"
                f"{_hint(layers)}"
            )
    else:
        candidates = [(path, layer) for path, layer in layers if path == layer_name] or [
            (path, layer) for path, layer in layers if layer.name == layer_name
        ]
        if not candidates:
            raise UnsupportedModelError(
                f"the model {model.name!r} has no layer {layer_name!r}; its Embedding layers: "
                f"{found}{_hint(layers)}"
            )
    if len({id(layer) for _, layer in candidates}) > 1:
        paths = ", ".join(repr(path) for path, _ in candidates)
        every = " (--layer), or all with --all" if layer_name is None else ""
        raise UnsupportedModelError(
            f"expected one layer, and several layers of the model {model.name!r} match ({paths}): "
            f"pass one of these paths{every}"
        )
    path, layer = candidates[0]
    kind = type(layer)
    if not isinstance(layer, _TABLES):
        raise UnsupportedModelError(
            f"expected an Embedding layer, and {path!r} is a {kind.__name__}; the Embedding layers "
            f"are: {found}"
        )
    if is_reversible(layer):
        if not getattr(layer, "tie_weights", True):
            raise UnsupportedModelError(
                f"{path!r} is a ReversibleEmbedding with a second table for the way back, which "
                "would stay at full size: make it a plain Embedding and a Dense layer"
            )
        if not tied:
            raise UnsupportedModelError(
                f"{path!r} is a ReversibleEmbedding: its table is an output layer too, and needed "
                "whole there. --tied (tied=True) compresses it for both, and decodes all rows at "
                "each call in reverse"
            )
    elif kind not in _TABLES:
        raise UnsupportedModelError(
            f"only keras.layers.Embedding itself can be replaced, and {path!r} is a "
            f"{kind.__name__}, a subclass that may compute something else"
        )
    return layer


def embedding_paths(model: Any) -> list[str]:
    """Return the paths of a model's Embedding layers, each layer once.

    Raises
    ------
    UnsupportedModelError
        As `check_model` does, and for a model without any.
    """
    check_model(model)
    found = {id(layer): path for path, layer in _embeddings(model)}
    if not found:
        chosen_embedding(model, None)  # says that there is none
    return list(found.values())


def check_not_tied(model: Any, embedding: Any) -> None:
    """Check that only `embedding` reads its table.

    Raises
    ------
    UnsupportedModelError
        If another layer or operation reads it too. The message names it.
    """
    table = {id(variable) for variable in embedding.weights}
    shape = sorted((embedding.input_dim, embedding.output_dim))
    for path, operation in walk(model):
        if operation is embedding or holds_layers(operation):
            continue
        variables = operation.weights if isinstance(operation, keras.Layer) else []
        if (
            any(id(variable) in table for variable in variables)
            or _lambda_reads(operation, {id(embedding), *table})
            or any(
                id(value) in table or sorted(n for n in value.shape if n != 1) == shape
                for value in _constants(operation)
            )
        ):
            raise UnsupportedModelError(
                f"the table of {embedding.name!r} is tied: {path!r} "
                f"({type(operation).__name__}) also reads it, or a copy of it, and would keep it "
                "at full size: give that layer its own variable first; or make both one "
                "keras.layers.ReversibleEmbedding, which --tied compresses; or write a graph "
                "(`embzip slim --to savedmodel`) and rebuild that with --tied"
            )


def holds_layers(layer: Any) -> bool:
    """Return whether `walk` goes into a layer."""
    return is_functional(layer) or is_sequential(layer) or is_timed(layer)


def _embeddings(model: Any) -> list[tuple[str, Any]]:
    """Return paths and layers: those that are not compressed yet, or else those that are."""
    found = list(walk(model))
    of_kinds = ([each for each in found if isinstance(each[1], kind)] for kind in _TABLES)
    return next(filter(None, of_kinds), [])


def _hidden_embeddings(layer: Any) -> list[str]:
    inner = layer._flatten_layers(include_self=False)
    return [part.name for part in inner if isinstance(part, keras.layers.Embedding)]


def _hint(layers: list[tuple[str, Any]]) -> str:
    for path, layer in layers:
        if holds_layers(layer):
            continue
        hidden = _hidden_embeddings(layer)
        if hidden:
            return (
                f". The Embedding {hidden[0]!r} is inside the layer {path!r} "
                f"({type(layer).__name__}), which cannot be rebuilt"
            )
    return ""


def _constants(operation: Any) -> Iterator[Any]:
    """Yield the arrays and variables, not symbolic tensors, that an operation was called with."""
    for node in operation._inbound_nodes:
        for value in tree.flatten((node.arguments.args, node.arguments.kwargs)):
            if not isinstance(value, keras.KerasTensor) and hasattr(value, "shape"):
                yield value


def _lambda_reads(operation: Any, wanted: set[int]) -> bool:
    if not isinstance(operation, keras.layers.Lambda) or not inspect.isfunction(operation.function):
        return False
    names = inspect.getclosurevars(operation.function)
    values = [*names.nonlocals.values(), *names.globals.values(), *operation.arguments.values()]
    return any(id(value) in wanted for value in values)
