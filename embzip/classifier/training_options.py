"""Checks the options of a training run, which `embzip.tf` performs, without TensorFlow."""

import math
from typing import Literal, get_args

from embzip.choices import unknown
from embzip.errors import InputError
from embzip.files.limits import check_size
from embzip.seeds import check_seed

Optimizer = Literal["auto", "adam", "adam-rows"]
ClassWeights = Literal["none", "balanced"]

# With 3,000 rows an Adam that updates only those of a batch is faster; with 1,000, both are alike.
_MANY_ROWS = 1000


def chosen_optimizer(optimizer: Optimizer, trainable_rows: int) -> Literal["adam", "adam-rows"]:
    """Return the optimizer that `auto` stands for, with so many rows that are trained.

    >>> chosen_optimizer("auto", 30_000), chosen_optimizer("auto", 0)
    ('adam-rows', 'adam')
    """
    if optimizer != "auto":
        return optimizer
    return "adam-rows" if trainable_rows >= _MANY_ROWS else "adam"


def check_training_options(
    *,
    epochs: int = 1,
    batch_size: int = 1,
    learning_rate: float = 1e-3,
    patience: int = 1,
    optimizer: str = "auto",
    class_weights: str = "none",
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
    counts = {"epochs": epochs, "batch_size": batch_size, "patience": patience}
    for name, number in counts.items():
        check_size(name, number)
    if not 0 < learning_rate < math.inf:
        raise InputError(f"learning_rate must be a positive number, received {learning_rate}")
    if optimizer not in get_args(Optimizer):
        raise InputError(unknown(optimizer, get_args(Optimizer), "optimizer"))
    if class_weights not in get_args(ClassWeights):
        raise InputError(unknown(class_weights, get_args(ClassWeights), "class weights"))


def check_folds(folds: int, texts: int) -> None:
    """Refuse fold teachers of which some would lack none of the training texts.

    Raises
    ------
    InputError
        For less than two folds, more than 1,024, or more than there are texts.

    Examples
    --------
    >>> check_folds(4, 7000)
    """
    check_size("folds", folds, least=2)
    if folds > texts:
        raise InputError(
            f"each of {folds:,} fold teachers lacks some of the training texts, which are "
            f"{texts:,}: name fewer folds"
        )


def check_distilling_options(
    *, copies: int, labels: float, fold_share: float, rounded_epochs: int
) -> None:
    """Check the options that distilling has beside those of a run.

    Raises
    ------
    InputError
        For an option out of range. The message names it.

    Examples
    --------
    >>> check_distilling_options(copies=4, labels=0.0, fold_share=0.5, rounded_epochs=3)
    """
    check_size("copies", copies, least=0)
    check_size("rounded_epochs", rounded_epochs, least=0)
    for name, share in (("labels", labels), ("fold_share", fold_share)):
        if not 0 <= share <= 1:
            raise InputError(f"{name} must lie in 0..1, received {share}")
