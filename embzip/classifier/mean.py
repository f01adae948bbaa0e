"""Mean pooling: the mean of a text's rows, as in fastText. Ignores the order of tokens."""

from dataclasses import dataclass
from typing import ClassVar

from embzip.classifier.encoder import Encoder, pooled
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class MeanConfig(Encoder):
    """Mean pooling: it has no arrays, and the dense layer reads the mean.

    The mean of an empty text is zero, so its prediction is that of the dense layer's bias.

    Attributes
    ----------
    columns, max_length, dropout, indicator
        As in every `Encoder`.

    References
    ----------
    Joulin et al. 2017, Bag of Tricks for Efficient Text Classification.
    """

    kind: ClassVar[str] = "mean"

    columns: int
    max_length: int
    dropout: float = 0.2
    indicator: bool = False

    def __post_init__(self) -> None:
        self._check()

    @property
    def features(self) -> int:
        return self.columns

    @property
    def readers(self) -> tuple[str, ...]:
        return ("dense",)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def encode(self, columns: Matrix, shown: Matrix, arrays: Arrays) -> Matrix:
        return pooled(columns, shown)
