"""Copies a Keras model with its state, some of its layers replaced by others.

This works for plain functional and sequential models, nested ones and TimeDistributed included.
Each layer is copied once, so that shared layers stay shared.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from embzip.errors import EmbzipError, UnsupportedModelError
from embzip.files.writing import temporary_folder
from embzip.layers.finding import is_functional, is_sequential, is_timed
from embzip.layers.small_kernels import PACKAGE, SmallKernels, small_class

_BOTH_WAYS = ("layer", "backward_layer")  # of a Bidirectional layer's configuration


class Copier:
    """Copies layers, operations and models.

    Parameters
    ----------
    replaced
        Layers that take the place of others, by `id` of those.
    changed
        Variables of layers that are not copied as they are, by `id` of the layer, as `set_weights`
        takes them.
    kernels
        The form that kernels of layers get, `int8` or `float16`; None for the one they have.
    """

    def __init__(
        self,
        replaced: Mapping[int, Any] | None = None,
        changed: Mapping[int, list[NDArray[np.float32]]] | None = None,
        *,
        kernels: str | None = None,
    ) -> None:
        self._copies: dict[int, Any] = dict(replaced or {})
        self._replaced = set(self._copies)
        self._changed = changed or {}
        self._kernels = kernels

    def copy(self, layer: Any) -> Any:
        """Return the copy of a layer, an operation or a nested model, with its variables."""
        if id(layer) not in self._copies:
            if is_sequential(layer):
                made = self._sequential(layer)
            elif is_functional(layer):
                made = self._functional(layer)
            elif is_timed(layer):
                made = keras.layers.TimeDistributed(
                    self.copy(layer.layer), name=layer.name, dtype=layer.dtype_policy
                )
            else:
                made = self._unbuilt_copy(layer)
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
        for outer in model.layers:
            layer = outer
            while is_timed(layer):
                layer = layer.layer
            if id(layer) in self._replaced or is_sequential(layer) or is_functional(layer):
                continue
            new = self._copies.get(id(layer))  # inputs are made again, not copied
            if new is not None:
                if id(layer) in self._changed:
                    new.set_weights(self._changed[id(layer)])
                else:
                    _copy_state(layer, new)

    def _unbuilt_copy(self, layer: Any) -> Any:
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
        kind = type(layer)
        try:
            config = layer.get_config()
            if self._kernels and isinstance(layer, keras.Layer):
                kind = small_class(layer, self._kernels) or kind
                if kind is keras.layers.Bidirectional:
                    for role, part in zip(_BOTH_WAYS, directions(layer), strict=True):
                        config[role] = {**config[role], **_named(small_class(part, self._kernels))}
            return kind.from_config(config)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise _not_copied(layer, error) from error


def directions(layer: Any) -> tuple[Any, ...]:
    """Return the two layers of a Bidirectional one; of another, itself."""
    both = type(layer) is keras.layers.Bidirectional
    return (layer.forward_layer, layer.backward_layer) if both else (layer,)


def _named(kind: Any) -> dict[str, Any]:
    """Return what a configuration names a registered class by; nothing where there is none."""
    if kind is None:
        return {}
    name = kind.__name__
    return {"module": kind.__module__, "class_name": name, "registered_name": f"{PACKAGE}>{name}"}


def _copy_state(old: Any, new: Any) -> None:
    """Copy what a saved file would contain: variables, adapted vocabularies, and statistics."""
    try:
        for source, target in _pairs(old, new):
            if _rounds(source, target):
                target.take(source)
                continue
            store: dict[str, Any] = {}
            source.save_own_variables(store)
            if store:
                target.load_own_variables(store)
            if hasattr(source, "save_assets") and hasattr(target, "load_assets"):
                with temporary_folder() as folder:
                    source.save_assets(folder)
                    target.load_assets(folder)
            if _shapes(source) != _shapes(target):
                raise _not_copied(old, None)
    except EmbzipError:
        raise
    except (ValueError, KeyError) as error:
        raise _not_copied(old, error) from error


def _pairs(source: Any, target: Any) -> Iterator[tuple[Any, Any]]:
    """Yield a layer and its copy, and those in them."""
    yield source, target
    if not _rounds(source, target):
        inner = ([*each._flatten_layers(False, False)] for each in (source, target))
        for one, other in zip(*inner, strict=True):
            yield from _pairs(one, other)


def _rounds(source: Any, target: Any) -> bool:
    return isinstance(target, SmallKernels) and not isinstance(source, SmallKernels)


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    own = (*layer._trainable_variables, *layer._non_trainable_variables)
    return [tuple(variable.shape) for variable in own]


def _not_copied(layer: Any, error: BaseException | None) -> UnsupportedModelError:
    why = str(error).strip().partition("\n")[0] if error is not None else "its variables differ"
    return UnsupportedModelError(
        f"the layer {layer.name!r} of type {type(layer).__name__} cannot be copied from its "
        f"configuration ({why}): give it get_config() and from_config() that restore it"
    )
