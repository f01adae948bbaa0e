"""Which axes of a kernel are its channels, and which kernels are worth fewer bits."""

import math
from collections.abc import Sequence
from typing import Any

import keras

LEAST = 256  # numbers of a kernel that is stored anew
_LEAST_IN_CHANNEL = 4


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
    return size >= LEAST and in_channel >= _LEAST_IN_CHANNEL


def kernel_numbers(layer: Any) -> int:
    """Return how many float numbers the kernels of a layer have, as far as their shapes tell.

    >>> layer = keras.layers.Dense(64)
    >>> layer.build((None, 32))
    >>> kernel_numbers(layer)
    2048
    """
    kernels = (each for each in layer.weights if "float" in each.dtype and not is_bias(each))
    return sum(math.prod(kernel.shape) for kernel in kernels)


def is_bias(variable: Any) -> bool:
    """Return whether a variable is a bias, or has one axis, as others that are no kernels do."""
    return len(variable.shape) < 2 or variable.name == "bias"


def shared_axes(owner: Any, variable: Any, axis: int) -> tuple[int, ...] | None:
    """Return the axes of a kernel whose numbers share a scale; None of what is no large kernel."""
    shape = tuple(variable.shape)
    if is_bias(variable):
        return None
    if isinstance(owner, keras.layers.EinsumDense):
        kernel, result = owner.equation.replace(" ", "").split(",")[1].split("->")
        shared = tuple(place for place, letter in enumerate(kernel) if letter not in result)
    else:
        shared = channel_axes(shape, axis)
    return shared if is_worth_int8(shape, shared) else None
