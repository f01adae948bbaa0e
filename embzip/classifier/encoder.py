"""The contract of encoders, which turn the rows of a text into one vector of features.

A classifier looks up the rows of its tokens, appends the indicator column if there is one, encodes
them, and applies one dense layer and a softmax.

1. An encoder is a frozen dataclass of its sizes; learned state is in named float32 arrays.
2. An array is named `<layer>.<variable>`. The Keras layer has the same name, with `_` for `.`.
3. The layers that read the table's columns are linear in them, and their kernels have the columns
   on the second-last axis; `readers` names these layers. So linear decoding folds into their
   kernels, and the sum of W W^T over them is the metric of the table's error.
4. After `padding` padding tokens, more padding changes nothing. A text without tokens has finite
   features.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, ClassVar, Self, get_origin

import numpy as np

from embzip.errors import InputError
from embzip.files.limits import MOST, check_size
from embzip.files.records import Fields
from embzip.types import Arrays, Matrix

_OWN = ("columns", "max_length", "indicator")  # follow from table and texts, not from options


class Encoder(ABC):
    """The shape of a network between the table and the dense layer.

    Attributes
    ----------
    columns
        The number of input columns: the table's dim, plus one with `indicator`.
    max_length
        How many tokens of a text are read.
    dropout
        The share of features dropped in training.
    indicator
        Whether a column that is 1 for tokens and 0 for padding is appended; folding a mean needs
        it.
    """

    kind: ClassVar[str]
    longest: ClassVar[int] = MOST["max_length"]
    columns: int
    max_length: int
    dropout: float
    indicator: bool

    @property
    @abstractmethod
    def features(self) -> int:
        """The number of output columns."""

    @property
    def padding(self) -> int:
        """The number of padding tokens, at least 1, after which more change nothing."""
        return 1

    @property
    @abstractmethod
    def readers(self) -> tuple[str, ...]:
        """The layers that read the table's columns."""

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every array, without those of the dense layer."""

    def prepare(self, arrays: Arrays) -> Arrays:
        """Return the arrays in the form that `encode` reads; called once per model."""
        return arrays

    def seen(self, columns: Matrix, arrays: Arrays) -> Matrix:
        """Return what `encode` reads of each token, whatever stands beside it.

        Parameters
        ----------
        columns
            (..., columns); rows of padding are zero.
        """
        return columns

    @abstractmethod
    def encode(self, seen: Matrix, shown: Matrix, arrays: Arrays) -> Matrix:
        """Return the features of texts, (texts, features).

        Parameters
        ----------
        seen
            (texts, length, ...): what `seen` returned of the tokens' columns.
        shown
            (texts, length): 1 for tokens, 0 for padding.
        """

    def reading(self, columns: int, *, indicator: bool) -> Self:
        """Return the same encoder for a table of another width."""
        return replace(self, columns=columns, indicator=indicator)  # type: ignore[type-var]

    def to_record(self) -> dict[str, Any]:
        """Return the record that a file stores: the encoder's kind and every field."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the options of this encoder, without those the table decides, and defaults."""
        own = fields(cls)  # type: ignore[arg-type]  # every encoder is a dataclass
        return {field.name: field.default for field in own if field.name not in _OWN}

    @classmethod
    def of(cls, columns: int, max_length: int, shape: Mapping[str, Any]) -> Self:
        """Return the encoder for a table.

        Raises
        ------
        InputError
            For an option that does not exist or is out of range.
        """
        options = cls.defaults()
        unknown = sorted(set(shape) - set(options))
        if unknown:
            raise InputError(
                f"the encoder {cls.kind!r} has no option {unknown[0]!r}: its options are "
                f"{', '.join(options)}"
            )
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in shape.items()}
        return cls(columns=columns, max_length=max_length, **values)  # type: ignore[call-arg]

    @classmethod
    def least_length(cls, shape: Mapping[str, Any]) -> int:
        """Return the smallest `max_length` that the options allow."""
        return 1

    @classmethod
    def from_record(cls, record: Fields) -> Self:
        """Return the encoder that a file's record describes.

        Raises
        ------
        FileFormatError, InputError
            For missing or unknown keys, values of the wrong type, and values out of range.
        """
        known = {field.name: field.type for field in fields(cls)}  # type: ignore[arg-type]
        record.only(known)
        values: dict[str, Any] = {}
        for name, kind in known.items():
            if get_origin(kind) is tuple:
                values[name] = tuple(record.wholes(name))
            else:
                values[name] = record.take(name, kind)  # type: ignore[arg-type]
        return cls(**values)

    def _check(self, **counts: int) -> None:
        """Raise `InputError` if an option of every encoder, or one of `counts`, is out of range."""
        for name, number in {"columns": self.columns, **counts}.items():
            check_size(name, number)
        if not 1 <= self.max_length <= self.longest:
            raise InputError(
                f"max_length of the encoder {self.kind!r} must lie in 1..{self.longest}, "
                f"received {self.max_length}"
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must lie in [0, 1), received {self.dropout}")


def linear(columns: Matrix, arrays: Arrays, layer: str) -> Matrix:
    """Return the output of a dense layer: (..., columns) -> (..., units).

    A factorized layer has a second kernel, by which the input is multiplied first.
    """
    flat = columns.reshape(-1, columns.shape[-1])  # one large product is faster than one per text
    if f"{layer}.reduce.kernel" in arrays:
        flat = flat @ arrays[f"{layer}.reduce.kernel"]
    flat = flat @ arrays[f"{layer}.kernel"] + arrays[f"{layer}.bias"]
    result: Matrix = flat.reshape(*columns.shape[:-1], flat.shape[-1])
    return result


def pooled(columns: Matrix, shown: Matrix) -> Matrix:
    """Return the mean over the tokens of each text; zeros for a text without tokens.

    `columns` must be zero where `shown` is zero.
    """
    tokens = np.maximum(shown.sum(axis=1, keepdims=True), 1)
    mean: Matrix = columns.sum(axis=1) / tokens
    return mean
