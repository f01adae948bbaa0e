"""Layers of Keras whose kernels are int8, with a float32 scale a channel.

Each is a subclass of the layer of Keras that it stands for, which computes as before over kernels
that are multiplied out when it is called: in the graph, so that exports hold the int8 numbers. The
subclass makes no float32 kernel. Its configuration is that of the layer. Biases stay float32.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import global_state
from keras.src.backend.common.stateless_scope import in_stateless_scope
from keras.src.backend.common.variables import register_uninitialized_variable

from embzip.codecs.rounding import symmetric_int8

PACKAGE = "embzip"
_UNINITIALIZED = "uninitialized_variables"
_LEAST, _LEAST_IN_CHANNEL = 256, 4  # numbers of a kernel, and of one of its channels

_PLAIN = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.LSTM,
    keras.layers.GRU,
    keras.layers.SimpleRNN,
    keras.layers.ConvLSTM1D,
    keras.layers.ConvLSTM2D,
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
)
_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


@contextmanager
def unallocated() -> Iterator[None]:
    """Make variables have only a shape inside the block, and keep them from being initialized."""
    before = global_state.get_global_attribute(_UNINITIALIZED, [], set_to_default=True)
    global_state.set_global_attribute(_UNINITIALIZED, [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(_UNINITIALIZED, before)


def channel_axes(shape: Sequence[int], axis: int = -1) -> tuple[int, ...]:
    """Return the axes of a kernel whose numbers share a scale: all but that of its channels.

    >>> channel_axes((3, 16, 32)), channel_axes((3, 16, 32), axis=-2)
    ((0, 1), (0, 2))
    """
    return tuple(place for place in range(len(shape)) if place != axis % len(shape))


def is_worth_int8(shape: Sequence[int], shared: Sequence[int] = (0,)) -> bool:
    """Return whether int8 numbers and a scale a channel take clearly fewer bytes than float32.

    Parameters
    ----------
    shared
        The axes of the numbers that share a scale.

    >>> is_worth_int8((32, 64)), is_worth_int8((64,)), is_worth_int8((2, 500))
    (True, False, False)
    """
    in_channel = math.prod(shape[axis] for axis in shared)
    size = math.prod(shape) if len(shape) > 1 else 0
    return size >= _LEAST and in_channel >= _LEAST_IN_CHANNEL


@dataclass
class _Kernel:
    """A kernel: its variable, which holds nothing, its levels and its scales.

    `shared` are the axes of the numbers that share a scale.
    """

    hidden: Any
    shared: tuple[int, ...]
    levels: Any
    scale: Any

    def multiplied(self) -> Any:
        return ops.multiply(ops.cast(self.levels.value, "float32"), self.scale.value)


@dataclass
class _Held:
    """What a layer of int8 kernels holds; Keras would track what is in a plain list."""

    kernels: list[_Kernel] = field(default_factory=list)
    order: list[Any] = field(default_factory=list)  # as in the layer it stands for


class Int8Kernels:
    """What is added to a layer of Keras; `int8_class` has the classes that are made so."""

    channel_axis = -1  # of the channels of a kernel

    def _build_over(self, base: Any, *shapes: Any, **named: Any) -> None:
        layer: Any = self
        stateful = getattr(layer, "stateful", False)
        if stateful:  # Keras makes states of values, which cannot be inside the block
            layer.stateful = False
        with unallocated():
            base.build(layer, *shapes, **named)
        held = _Held(order=list(layer.weights))
        owners = {id(v): part for part in layer._flatten_layers() for v in _own(part)}
        for number, variable in enumerate(layer.variables):
            owner = owners.get(id(variable))
            shared = _shared_axes(owner, variable, self.channel_axis)
            if owner is not None and shared is not None:
                owner._untrack_variable(variable)
                held.kernels.append(self._held_kernel(variable, number, shared))
                if owner is not layer:  # what is left of its variables, in the usual way
                    owner.save_own_variables = partial(Int8Kernels.save_own_variables, owner)
                    owner.load_own_variables = partial(Int8Kernels.load_own_variables, owner)
            elif variable._value is None and in_stateless_scope():
                register_uninitialized_variable(variable)
            elif variable._value is None:
                variable._deferred_initialize()
        layer.held_int8 = held
        if stateful:
            layer.stateful = True
            base.build(layer, *shapes, **named)  # the cell is built; states are not

    def _held_kernel(self, variable: Any, number: int, shared: tuple[int, ...]) -> _Kernel:
        layer: Any = self
        shape = tuple(variable.shape)
        sizes = [1 if place in shared else length for place, length in enumerate(shape)]
        options = {"trainable": False, "autocast": False}
        levels = layer.add_weight(
            name=f"levels_{number}", shape=shape, dtype="int8", initializer="zeros", **options
        )
        scale = layer.add_weight(
            name=f"scale_{number}", shape=sizes, dtype="float32", initializer="ones", **options
        )
        return _Kernel(variable, shared, levels, scale)

    def _call_over(self, base: Any, *inputs: Any, **named: Any) -> Any:
        layer: Any = self
        kernels = layer.held_int8.kernels
        own = {id(part) for kernel in kernels for part in (kernel.levels, kernel.scale)}
        states = keras.tree.flatten(getattr(layer, "states", None) or [])
        others = [each for each in (*layer.variables, *states) if id(each) not in own]
        values = [(kernel.hidden, kernel.multiplied()) for kernel in kernels]
        values += [(variable, variable.value) for variable in others]
        with keras.StatelessScope(state_mapping=values) as scope:
            before = dict(scope.state_mapping)
            found = base.call(layer, *inputs, **named)
        for variable in others:  # such as the seeds of dropout, and states
            after = scope.get_current_value(variable)
            if after is not before[id(variable)]:
                variable.assign(after)
        return found

    def take(self, source: Any) -> None:
        """Take the variables of a built layer of the class that this one stands for, rounded."""
        layer: Any = self
        kernels = {id(kernel.hidden): kernel for kernel in layer.held_int8.kernels}
        for variable, old in zip(layer.held_int8.order, source.weights, strict=True):
            numbers = np.asarray(old.value, np.float32)
            if id(variable) in kernels:
                kernel = kernels[id(variable)]
                levels, scale = symmetric_int8(numbers, axis=kernel.shared)
                kernel.levels.assign(levels)
                kernel.scale.assign(scale.reshape(kernel.scale.shape))
            else:
                variable.assign(old.value)

    def save_own_variables(self, store: Any) -> None:
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        keras.layers.Layer.load_own_variables(self, store)


def int8_class(layer: Any) -> Any:
    """Return the class that stands for a built layer with int8 kernels, or None."""
    return None if why_float32(layer) else _CLASSES[type(layer)]


def why_float32(layer: Any) -> str | None:
    """Return why a built layer keeps its kernels, in words; None where it does not."""
    made = _CLASSES.get(type(layer))
    parts = layer._flatten_layers()
    if made is None:
        return f"a {type(layer).__name__}, which has no int8 form here"
    if any(getattr(part, "quantization_mode", None) for part in parts):
        return "quantized by Keras"
    if any(getattr(part, "lora_enabled", False) for part in parts):
        return "it has a LoRA"
    owned = ((part, variable) for part in parts for variable in _own(part))
    if all(_shared_axes(part, each, made.channel_axis) is None for part, each in owned):
        return f"no kernel of {_LEAST} numbers"
    return None


def kernel_numbers(layer: Any) -> int:
    """Return how many float numbers the kernels of a layer have, as far as their shapes tell.

    >>> kernel_numbers(_built(keras.layers.Dense(64), (None, 32)))
    2048
    """
    kernels = (each for each in layer.weights if "float" in each.dtype and not _is_bias(each))
    return sum(math.prod(kernel.shape) for kernel in kernels)


def _is_bias(variable: Any) -> bool:
    return len(variable.shape) < 2 or variable.name == "bias"


def _shared_axes(owner: Any, variable: Any, axis: int) -> tuple[int, ...] | None:
    """Return the axes of a kernel whose numbers share a scale; None of what is no large kernel."""
    shape = tuple(variable.shape)
    if _is_bias(variable):
        return None
    if isinstance(owner, keras.layers.EinsumDense):
        kernel, result = owner.equation.replace(" ", "").split(",")[1].split("->")
        shared = tuple(place for place, letter in enumerate(kernel) if letter not in result)
    else:
        shared = channel_axes(shape, axis)
    return shared if is_worth_int8(shape, shared) else None


def int8_bytes(layer: Any) -> tuple[int, int]:
    """Return the bytes of the kernels that a layer of int8 kernels has, in float32 and now.

    >>> layer = int8_class(_built(keras.layers.Dense(64), (None, 32)))(64)
    >>> int8_bytes(_built(layer, (None, 32)))
    (8192, 2304)
    """
    before = after = 0
    for kernel in layer.held_int8.kernels:
        size, scales = math.prod(kernel.levels.shape), math.prod(kernel.scale.shape)
        before, after = before + 4 * size, after + size + 4 * scales
    return before, after


def _built(layer: Any, shape: tuple[int | None, ...]) -> Any:
    layer.build(shape)
    return layer


def _own(layer: Any) -> list[Any]:
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _made(base: Any, axis: int) -> Any:
    """Return the subclass of a layer, registered; its methods have the signatures of the layer."""

    @functools.wraps(base.build)
    def build(self: Any, *shapes: Any, **named: Any) -> None:
        self._build_over(base, *shapes, **named)

    @functools.wraps(base.call)
    def call(self: Any, *inputs: Any, **named: Any) -> Any:
        return self._call_over(base, *inputs, **named)

    name = f"Int8{base.__name__}"
    members = {"build": build, "call": call, "channel_axis": axis, "__module__": __name__}
    members["__doc__"] = f"A `keras.layers.{base.__name__}` whose kernels are int8."
    return keras.saving.register_keras_serializable(PACKAGE)(
        type(name, (Int8Kernels, base), members)
    )


_CLASSES = {base: _made(base, -1) for base in _PLAIN}
_CLASSES |= {base: _made(base, -2) for base in _TRANSPOSED}
