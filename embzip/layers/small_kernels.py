"""Layers of Keras whose kernels are int8, with a float32 scale a channel, or float16.

Each is a subclass of the layer of Keras that it stands for, which computes as before over kernels
that are made float32 when it is called: in the graph, so that exports hold the small numbers. The
subclass makes no float32 kernel. Its configuration is that of the layer. Biases stay float32.
"""

import functools
import math
from collections.abc import Iterator
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
from numpy.typing import NDArray

from embzip.codecs.rounding import symmetric_int8
from embzip.errors import InputError
from embzip.layers.kernel_axes import LEAST, shared_axes

PACKAGE = "embzip"
_UNINITIALIZED = "uninitialized_variables"
FORMS = ("int8", "float16")  # how kernels are stored
_MOST = float(np.finfo(np.float16).max)

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


def float16_of(kernel: NDArray[Any], name: str) -> NDArray[np.float16]:
    """Return a kernel in half precision.

    Raises
    ------
    InputError
        For numbers that are too large. The message has the name.
    """
    if not np.abs(kernel).max(initial=0) <= _MOST:
        raise InputError(
            f"float16 holds numbers up to {_MOST:,.0f}, and a kernel of {name!r} has a larger one: "
            "choose kernels 'int8', or leave them as they are"
        )
    return kernel.astype(np.float16)


@dataclass
class _Kernel:
    """A kernel: its variable, which holds nothing, its levels and, of int8, its scales.

    `shared` are the axes of the numbers that share a scale.
    """

    hidden: Any
    shared: tuple[int, ...]
    levels: Any
    scale: Any | None

    @property
    def stored(self) -> list[Any]:
        return [self.levels] if self.scale is None else [self.levels, self.scale]

    def whole(self) -> Any:
        wide = ops.cast(self.levels.value, "float32")
        return wide if self.scale is None else ops.multiply(wide, self.scale.value)

    def take(self, numbers: Any, name: str) -> None:
        if self.scale is not None:
            levels, scale = symmetric_int8(numbers, axis=self.shared)
            self.levels.assign(levels)
            self.scale.assign(scale.reshape(self.scale.shape))
            return
        self.levels.assign(float16_of(numbers, name))


@dataclass
class _Held:
    """What a layer of small kernels holds; Keras would track what is in a plain list."""

    kernels: list[_Kernel] = field(default_factory=list)
    order: list[Any] = field(default_factory=list)  # as in the layer it stands for


class SmallKernels:
    """What is added to a layer of Keras; `small_class` has the classes that are made so."""

    channel_axis = -1  # of the channels of a kernel
    form = "int8"

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
            shared = shared_axes(owner, variable, self.channel_axis)
            if owner is not None and shared is not None:
                owner._untrack_variable(variable)
                held.kernels.append(self._held_kernel(variable, number, shared))
                if owner is not layer:  # what is left of its variables, in the usual way
                    owner.save_own_variables = partial(SmallKernels.save_own_variables, owner)
                    owner.load_own_variables = partial(SmallKernels.load_own_variables, owner)
            elif variable._value is None and in_stateless_scope():
                register_uninitialized_variable(variable)
            elif variable._value is None:
                variable._deferred_initialize()
        layer.held_kernels = held
        if stateful:
            layer.stateful = True
            base.build(layer, *shapes, **named)  # the cell is built; states are not

    def _held_kernel(self, variable: Any, number: int, shared: tuple[int, ...]) -> _Kernel:
        layer: Any = self
        shape = tuple(variable.shape)
        sizes = [1 if place in shared else length for place, length in enumerate(shape)]
        options = {"trainable": False, "autocast": False}
        levels = layer.add_weight(
            name=f"levels_{number}", shape=shape, dtype=self.form, initializer="zeros", **options
        )
        if self.form == "float16":
            return _Kernel(variable, shared, levels, None)
        scale = layer.add_weight(
            name=f"scale_{number}", shape=sizes, dtype="float32", initializer="ones", **options
        )
        return _Kernel(variable, shared, levels, scale)

    def _call_over(self, base: Any, *inputs: Any, **named: Any) -> Any:
        layer: Any = self
        kernels = layer.held_kernels.kernels
        own = {id(part) for kernel in kernels for part in kernel.stored}
        states = keras.tree.flatten(getattr(layer, "states", None) or [])
        others = [each for each in (*layer.variables, *states) if id(each) not in own]
        values = [(kernel.hidden, kernel.whole()) for kernel in kernels]
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
        kernels = {id(kernel.hidden): kernel for kernel in layer.held_kernels.kernels}
        for variable, old in zip(layer.held_kernels.order, source.weights, strict=True):
            numbers = np.asarray(old.value, np.float32)
            if id(variable) in kernels:
                kernels[id(variable)].take(numbers, layer.name)
            else:
                variable.assign(old.value)

    def save_own_variables(self, store: Any) -> None:
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        keras.layers.Layer.load_own_variables(self, store)


def small_class(layer: Any, form: str = "int8") -> Any:
    """Return the class that stands for a built layer with kernels of a form, or None."""
    return None if why_float32(layer) else _CLASSES[form][type(layer)]


def why_float32(layer: Any) -> str | None:
    """Return why a built layer keeps its kernels, in words; None where it does not."""
    made = _CLASSES["int8"].get(type(layer))
    parts = layer._flatten_layers()
    if made is None:
        return f"a {type(layer).__name__}, which has no small form here"
    if any(getattr(part, "quantization_mode", None) for part in parts):
        return "quantized by Keras"
    if any(getattr(part, "lora_enabled", False) for part in parts):
        return "it has a LoRA"
    owned = ((part, variable) for part in parts for variable in _own(part))
    if all(shared_axes(part, each, made.channel_axis) is None for part, each in owned):
        return f"no kernel of {LEAST} numbers"
    return None


def stored_bytes(layer: Any) -> tuple[int, int]:
    """Return the bytes of the kernels that a layer of small kernels has, in float32 and now.

    >>> layer = small_class(_built(keras.layers.Dense(64), (None, 32)))(64)
    >>> stored_bytes(_built(layer, (None, 32)))
    (8192, 2304)
    """
    before = after = 0
    for kernel in layer.held_kernels.kernels:
        before += 4 * math.prod(kernel.levels.shape)
        after += sum(part.value.numpy().nbytes for part in kernel.stored)
    return before, after


def _built(layer: Any, shape: tuple[int | None, ...]) -> Any:
    layer.build(shape)
    return layer


def _own(layer: Any) -> list[Any]:
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _made(base: Any, axis: int, form: str) -> Any:
    """Return the subclass of a layer, registered; its methods have the signatures of the layer."""

    @functools.wraps(base.build)
    def build(self: Any, *shapes: Any, **named: Any) -> None:
        self._build_over(base, *shapes, **named)

    @functools.wraps(base.call)
    def call(self: Any, *inputs: Any, **named: Any) -> Any:
        return self._call_over(base, *inputs, **named)

    name = f"{form.capitalize()}{base.__name__}"
    members = {"build": build, "call": call, "channel_axis": axis, "__module__": __name__}
    members |= {"form": form, "__doc__": f"A `keras.layers.{base.__name__}` of {form} kernels."}
    return keras.saving.register_keras_serializable(PACKAGE)(
        type(name, (SmallKernels, base), members)
    )


_AXES = dict.fromkeys(_PLAIN, -1) | dict.fromkeys(_TRANSPOSED, -2)
_CLASSES = {form: {base: _made(base, axis, form) for base, axis in _AXES.items()} for form in FORMS}
