"""Whether a user's Keras model can be rewritten: where its embeddings are, and who reads them.

Only looks; `embzip.foreign.keras_rebuilding` acts.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import keras
from keras import tree
from keras.src.models.functional import Functional  # Keras exports no name for it

from embzip.errors import UnsupportedModelError


def is_sequential(layer: Any) -> bool:
    """Return whether a layer is a `keras.Sequential`, and no subclass of it."""
    return type(layer) is keras.Sequential


def is_functional(layer: Any) -> bool:
    """Return whether a layer is a functional model, and no subclass of it."""
    return type(layer) is Functional


def check_model(model: Any) -> None:
    """Refuse what is not a plain functional or sequential Keras 3 model with known inputs.

    Raises
    ------
    UnsupportedModelError
        Naming the type.
    """
    kind = type(model).__name__
    if not isinstance(model, keras.Model):
        raise UnsupportedModelError(
            f"expected a Keras 3 model object, received {kind}: load files of your own with "
            "keras.models.load_model first"
        )
    for part in (model, *(layer for _, layer in walk(model) if isinstance(layer, keras.Model))):
        if is_sequential(part):
            if not part.built or getattr(part, "_functional", None) is None:
                raise UnsupportedModelError(
                    f"the sequential model {part.name!r} does not know its input: begin it with "
                    "keras.Input, or call it on one batch first"
                )
        elif not is_functional(part) and (part is model or _hidden_embeddings(part)):
            raise UnsupportedModelError(
                f"the model {part.name!r} is of the subclass {type(part).__name__}, whose code "
                "cannot be rewritten: rebuild needs plain functional or sequential models. Where "
                "it was built from inputs and outputs, pass keras.Model(model.input, model.output)"
            )


def walk(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, layer or operation) of a model and the plain models nested in it."""
    inner = model.operations if is_functional(model) else model.layers
    for operation in inner:
        path = prefix + operation.name
        yield path, operation
        if is_functional(operation) or is_sequential(operation):
            yield from walk(operation, path + "/")


def chosen_embedding(model: Any, layer_name: str | None) -> Any:
    """Return the `Embedding` layer of a name, or path, or the only one there is.

    Raises
    ------
    UnsupportedModelError
        Where it is not exactly one, or not exactly an Embedding; lists what there is.
    """
    layers = [(path, layer) for path, layer in walk(model) if isinstance(layer, keras.Layer)]
    embeddings = [(path, layer) for path, layer in layers if _is_embedding(layer)]
    found = ", ".join(repr(path) for path, _ in embeddings) or "none"
    if layer_name is None:
        candidates = embeddings
        if not embeddings:
            raise UnsupportedModelError(
                f"the model {model.name!r} has no Embedding layer of its own{_hint(layers)}"
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
        raise UnsupportedModelError(
            f"several layers of the model {model.name!r} are meant ({paths}): name one of them "
            "by this path"
        )
    path, layer = candidates[0]
    kind = type(layer)
    if not isinstance(layer, keras.layers.Embedding):
        raise UnsupportedModelError(
            f"the layer {path!r} is no Embedding but a {kind.__name__}; Embedding layers: {found}"
        )
    if kind is not keras.layers.Embedding:
        raise UnsupportedModelError(
            f"the layer {path!r} is of {kind.__name__}, a subclass of Embedding that may compute "
            "something else: only keras.layers.Embedding itself is replaced"
        )
    return layer


def check_not_tied(model: Any, embedding: Any) -> None:
    """Refuse a model that reads the table of `embedding` elsewhere too.

    Raises
    ------
    UnsupportedModelError
        Naming the layer or operation that reads it.
    """
    table = {id(weight) for weight in embedding.weights}
    shape = sorted((embedding.input_dim, embedding.output_dim))
    for path, operation in walk(model):
        if operation is embedding or is_functional(operation) or is_sequential(operation):
            continue
        held = operation.weights if isinstance(operation, keras.Layer) else []
        if (
            any(id(weight) in table for weight in held)
            or _lambda_reads(operation, {id(embedding), *table})
            or any(
                id(value) in table or sorted(n for n in value.shape if n != 1) == shape
                for value in _constants(operation)
            )
        ):
            raise UnsupportedModelError(
                f"the table of {embedding.name!r} is tied: {path!r} "
                f"({type(operation).__name__}) reads it too, or a copy of it, and would keep it "
                "at full size: give that part weights of its own first"
            )


def _is_embedding(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Embedding)


def _hidden_embeddings(layer: Any) -> list[str]:
    inner = layer._flatten_layers(include_self=False)
    return [part.name for part in inner if _is_embedding(part)]


def _hint(layers: list[tuple[str, Any]]) -> str:
    for path, layer in layers:
        if is_functional(layer) or is_sequential(layer):
            continue
        hidden = _hidden_embeddings(layer)
        if hidden:
            return (
                f". An Embedding {hidden[0]!r} stands inside the layer {path!r} "
                f"({type(layer).__name__}), which cannot be rewritten"
            )
    return ""


def _constants(operation: Any) -> Iterator[Any]:
    """Yield arrays and variables, not symbolic tensors, that an operation was called with."""
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
