"""Parses options from specs such as 'cnn:128,windows=1-1-2-3,epochs=10' and from TOML tables.

Only names and types are checked; the functions that take the options check their meaning.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from embzip.choices import chosen, unknown
from embzip.classifier.registry import BUILTIN, encoder_class
from embzip.classifier.training_options import ClassWeights, Optimizer, check_training_options
from embzip.codecs.spec import Stage, one_stage
from embzip.errors import InputError, SpecError
from embzip.files.limits import MOST


@dataclass(frozen=True)
class ClassifierOptions:
    """An encoder with its options and those of its training: `cnn:128,windows=1-1-2-3,epochs=10`.

    `max_length` 0 means the 99th percentile of the training texts' lengths, `sparsity` 0 means no
    pruning.
    """

    encoder: str
    shape: Mapping[str, Any]
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3
    patience: int = 2
    optimizer: Optimizer = "auto"
    class_weights: ClassWeights = "none"
    max_length: int = 0
    sparsity: float = 0.0

    def arguments(self) -> dict[str, Any]:
        """Return the arguments for `embzip.tf.train`."""
        return {
            "encoder": self.encoder,
            **self.shape,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "patience": self.patience,
            "optimizer": self.optimizer,
            "class_weights": self.class_weights,
            "max_length": self.max_length or None,
        }


def parse_classifier(spec: str, where: str) -> ClassifierOptions:
    """Return the options of an encoder and of its training, from one spec."""
    stage = stage_of(spec, [encoder.kind for encoder in BUILTIN], where)
    encoder = encoder_class(stage.name)
    shape = encoder.defaults()
    training = {
        field.name: field.default
        for field in fields(ClassifierOptions)
        if field.name not in ("encoder", "shape")
    }
    values = values_of(stage, {**shape, **training}, where)
    given = {name: values.pop(name) for name in shape if name in values}
    try:
        if "optimizer" in values:
            values["optimizer"] = chosen(values["optimizer"], get_args(Optimizer), "optimizer")
        encoder.of(1, encoder.longest, given)
        options = ClassifierOptions(stage.name, {**shape, **given}, **values)
        check_training_options(
            learning_rate=options.learning_rate, class_weights=options.class_weights
        )
    except (InputError, SpecError) as error:
        raise SpecError(f"{where}: {error}") from error
    return options


def stage_of(spec: str, names: Iterable[str], where: str) -> Stage:
    """Return the only stage of a spec; its name must be one of `names`."""
    try:
        stage = one_stage(spec)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
    known = sorted(names)
    if stage.name not in known:
        raise SpecError(f"{where}: {unknown(stage.name, known, 'name')}")
    return stage


def values_of(stage: Stage, defaults: Mapping[str, object], where: str) -> dict[str, Any]:
    """Return the arguments of a stage, each as the type of its default."""
    given = _given(stage, list(defaults), where)
    return {key: _value(key, text, defaults[key], where) for key, text in given.items()}


def _given(stage: Stage, keys: list[str], where: str) -> dict[str, str]:
    """Return the arguments of a stage by key; raise for unknown keys."""
    if len(stage.arguments) > 1:
        raise SpecError(
            f"{where}: expected at most one argument without a name, received '{stage}'"
        )
    given = dict(zip(keys, stage.arguments, strict=False))
    for key, text in stage.options.items():
        if key not in keys:
            raise SpecError(f"{where}: '{stage}': {unknown(key, keys, 'option')}")
        if key in given:
            raise SpecError(f"{where}: {key} occurs twice in '{stage}': remove one of them")
        given[key] = text
    return given


def _value(key: str, text: str, default: object, where: str) -> object:
    """Return the text of an option as a value of its default's type."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, tuple):
            return tuple(_count(key, part, 1) for part in text.split("-"))
        if isinstance(default, int):
            return _count(key, text, _least(default))
        if isinstance(default, float):
            number = float(text)
            if not 0 <= number <= 1:
                raise ValueError
            return number
    except (KeyError, ValueError) as error:
        rule = {
            bool: "true or false",
            tuple: f"whole numbers in 1..{MOST.get(key)}, joined by '-'",
            int: f"a whole number in {_least(default)}..{MOST.get(key)}",
            float: "a number from 0 to 1",
        }[type(default)]
        raise SpecError(f"{where}: {key} must be {rule}, received {text!r}") from error
    return text


def _least(default: object) -> int:
    """Return the least count: 0 only where that is the default, and means a choice of ours."""
    return int(default != 0)


def _count(key: str, text: str, least: int) -> int:
    number = int(text)
    if not least <= number <= MOST[key]:
        raise ValueError
    return number
