"""Checks the options of a training run, which `embzip.tf` performs, without TensorFlow."""

import math
from typing import Literal, get_args

from embzip.choices import unknown
from embzip.errors import InputError
from embzip.seeds import check_seed

Optimizer = Literal["adam", "adam-rows"]


def check_training_options(
    *,
    epochs: int = 1,
    batch_size: int = 1,
    learning_rate: float = 1e-3,
    optimizer: str = "adam",
    seed: int = 0,
) -> None:
    """Check the options of a run, those that are given.

    Raises
    ------
    InputError
        For an option out of range. The message names it.
    SpecError
        For a seed out of range.

    Examples
    --------
    >>> check_training_options(epochs=10, batch_size=64)
    """
    check_seed(seed)
    for name, number in (("epochs", epochs), ("batch_size", batch_size)):
        if number < 1:
            raise InputError(f"{name} must be at least 1, received {number}")
    if not 0 < learning_rate < math.inf:
        raise InputError(f"learning_rate must be a positive number, received {learning_rate}")
    if optimizer not in get_args(Optimizer):
        raise InputError(unknown(optimizer, get_args(Optimizer), "optimizer"))
