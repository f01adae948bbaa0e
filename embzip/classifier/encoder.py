"""The contract of encoders: what turns the rows of a text into one vector of features.

A classifier looks the rows of its tokens up, appends the indicator column where there is one,
encodes, and puts one dense layer and a softmax behind.

1. An encoder is a frozen dataclass of its shape; learned state is named float32 arrays.
2. The name of an array is `<layer>.<weight>`. Keras calls the layer the same, with `_` for `.`.
3. Whatever reads the table's columns is linear in them, and has them on the last axis but one:
   `readers` names these layers. So linear decoding folds into their kernels, and the sum of
   W W^T over them is the metric of the table's error.
4. Padded length changes nothing from `padding` tokens of padding on, and a text without tokens
   gets finite features.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, ClassVar, Self, get_origin

import numpy as np

from embzip.errors import InputError
from embzip.types import Arrays, Matrix

_OWN = ("columns", "max_length", "indicator")  # known to the table, not to who shapes an encoder


class Encoder(ABC):
    """The shape of a network between the table and the dense layer.

    Attributes
    ----------
    columns
        Columns that enter: the table's dim, and one more with `indicator`.
    max_length
        Tokens of a text that are read.
    dropout
        Share of features dropped in training.
    indicator
        Whether a column that is 1 for tokens and 0 for padding is appended; folding a mean needs
        it.
    """

    kind: ClassVar[str]
    longest: ClassVar[int] = 2**31 - 1  # the largest max_length
    columns: int
    max_length: int
    dropout: float
    indicator: bool

    @property
    @abstractmethod
    def features(self) -> int:
        """Columns that come out."""

    @property
    def padding(self) -> int:
        """Tokens of padding, at least 1, beyond which more of them change nothing."""
        return 1

    @property
    @abstractmethod
    def readers(self) -> tuple[str, ...]:
        """The layers that read the table's columns."""

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every array, the dense layer's left out."""

    def prepare(self, arrays: Arrays) -> Arrays:
        """Return the arrays as `encode` reads them; done once a model."""
        return arrays

    @abstractmethod
    def encode(self, columns: Matrix, shown: Matrix, arrays: Arrays) -> Matrix:
        """Return (texts, features).

        Parameters
        ----------
        columns
            (texts, length, columns); rows of padding are zero.
        shown
            (texts, length): 1 for tokens, 0 for padding.
        """

    def reading(self, columns: int, *, indicator: bool) -> Self:
        """Return the same shape over a table of another width."""
        return replace(self, columns=columns, indicator=indicator)  # type: ignore[type-var]

    def to_record(self) -> dict[str, Any]:
        """Return what a file holds of the shape: its kind and every field."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return what shapes this encoder, the table's own part left out, and its defaults."""
        own = fields(cls)  # type: ignore[arg-type]  # every encoder is a dataclass
        return {field.name: field.default for field in own if field.name not in _OWN}

    @classmethod
    def of(cls, columns: int, max_length: int, shape: Mapping[str, Any]) -> Self:
        """Return the encoder of a table.

        Raises
        ------
        InputError
            For an option it does not have, or that is out of range.
        """
        options = cls.defaults()
        unknown = sorted(set(shape) - set(options))
        if unknown:
            raise InputError(
                f"the encoder {cls.kind!r} has no option {unknown[0]!r}: it has "
                f"{', '.join(options)}"
            )
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in shape.items()}
        return cls(columns=columns, max_length=max_length, **values)  # type: ignore[call-arg]

    @classmethod
    def least_length(cls, shape: Mapping[str, Any]) -> int:
        """Return the least `max_length` that options allow."""
        return 1

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the encoder of a file's record.

        Raises
        ------
        ValueError
            For missing or unknown keys, values of another type or out of range.
        """
        known = {field.name: field.type for field in fields(cls)}  # type: ignore[arg-type]
        if record.keys() != known.keys():
            raise ValueError(f"expected the keys {sorted(known)}, found {sorted(record)}")
        values: dict[str, Any] = {}
        for name, kind in known.items():
            value = record[name]
            if get_origin(kind) is tuple:
                right = isinstance(value, list) and all(type(part) is int for part in value)
                value = tuple(value) if right else value
            else:
                right = type(value) is kind or (kind is float and type(value) is int)
            if not right:
                raise ValueError(f"{name} cannot be {value!r}")
            values[name] = value
        return cls(**values)

    def _check(self, **counts: int) -> None:
        """Raise `InputError` where what every encoder has, or one of `counts`, is out of range."""
        for name, number in {"columns": self.columns, **counts}.items():
            if number < 1:
                raise InputError(f"{name} must be at least 1, received {number}")
        if not 1 <= self.max_length <= self.longest:
            raise InputError(
                f"max_length of the encoder {self.kind!r} must lie in 1..{self.longest}, "
                f"received {self.max_length}"
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must lie in [0, 1), received {self.dropout}")


def linear(columns: Matrix, arrays: Arrays, layer: str) -> Matrix:
    """Return a dense layer's output: (..., columns) -> (..., kernel's width).

    A factorized layer has a second kernel, which is multiplied first.
    """
    flat = columns.reshape(-1, columns.shape[-1])  # one large product is faster than one a text
    if f"{layer}.reduce.kernel" in arrays:
        flat = flat @ arrays[f"{layer}.reduce.kernel"]
    flat = flat @ arrays[f"{layer}.kernel"] + arrays[f"{layer}.bias"]
    result: Matrix = flat.reshape(*columns.shape[:-1], flat.shape[-1])
    return result


def pooled(columns: Matrix, shown: Matrix) -> Matrix:
    """Return the mean over the tokens of each text, zeros for a text without any.

    `columns` must be zero where `shown` is.
    """
    tokens = np.maximum(shown.sum(axis=1, keepdims=True), 1)
    mean: Matrix = columns.sum(axis=1) / tokens
    return mean
