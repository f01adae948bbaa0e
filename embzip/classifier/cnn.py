"""The shallow CNN of Kim (2014): parallel convolutions, ReLU, maximum over time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from embzip.classifier.encoder import Encoder
from embzip.errors import InputError
from embzip.files.limits import check_size
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class CnnConfig(Encoder):
    """The shape of a shallow CNN.

    Attributes
    ----------
    filters
        The number of filters of each convolution.
    windows
        The width of each convolution, in tokens.
    dropout
        The share of features dropped in training.
    max_length
        How many tokens of a text are read; at least the widest window.
    columns
        The number of input columns: the table's dim, plus one with `indicator`.
    indicator
        Whether a column that is 1 for tokens and 0 for padding is appended; folding a mean needs
        it.

    Notes
    -----
    Arrays: `conv.<i>.kernel` (window, columns, filters) and `conv.<i>.bias` (filters,).

    References
    ----------
    Kim 2014, Convolutional Neural Networks for Sentence Classification.
    """

    kind: ClassVar[str] = "cnn"

    columns: int
    max_length: int
    filters: int = 128
    windows: tuple[int, ...] = (1, 1, 2, 3)
    dropout: float = 0.5
    indicator: bool = False

    def __post_init__(self) -> None:
        check_size("number of windows", len(self.windows))
        for window in self.windows:
            check_size("windows", window)
        if self.max_length < max(self.windows):
            raise InputError(
                f"max_length must be at least the widest window ({max(self.windows)}), "
                f"received {self.max_length}"
            )
        self._check(filters=self.filters)

    @property
    def features(self) -> int:
        return self.filters * len(self.windows)

    @property
    def padding(self) -> int:
        # One window then contains only padding; further ones look the same.
        return max(self.windows)

    @property
    def readers(self) -> tuple[str, ...]:
        return tuple(f"conv.{index}" for index in range(len(self.windows)))

    @classmethod
    def least_length(cls, shape: Mapping[str, Any]) -> int:
        return max(shape.get("windows", cls.windows), default=1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for index, window in enumerate(self.windows):
            shapes[f"conv.{index}.kernel"] = (window, self.columns, self.filters)
            shapes[f"conv.{index}.bias"] = (self.filters,)
        return shapes

    def prepare(self, arrays: Arrays) -> Arrays:
        # The taps of all kernels side by side, (columns, taps * filters), need only one product.
        taps = [tap for layer in self.readers for tap in arrays[f"{layer}.kernel"]]
        return {**arrays, "taps": np.concatenate(taps, axis=1)}

    def seen(self, columns: Matrix, arrays: Arrays) -> Matrix:
        flat = columns.reshape(-1, columns.shape[-1])  # one product is faster than one per text
        products: Matrix = (flat @ arrays["taps"]).reshape(*columns.shape[:-1], -1)
        return products

    def encode(self, seen: Matrix, shown: Matrix, arrays: Arrays) -> Matrix:
        texts, length, _ = seen.shape
        filters = self.filters
        features = np.empty((texts, self.features), np.float32)
        first = 0
        for index, window in enumerate(self.windows):
            places = length - window + 1
            total = seen[:, :places, first : first + filters]
            for tap in range(1, window):
                at = first + tap * filters
                total = total + seen[:, tap : tap + places, at : at + filters]
            # The bias is the same everywhere and ReLU is monotone: both may follow the maximum.
            best = total.max(axis=1) + arrays[f"conv.{index}.bias"]
            features[:, index * filters : (index + 1) * filters] = np.maximum(best, 0)
            first += window * filters
        return features
