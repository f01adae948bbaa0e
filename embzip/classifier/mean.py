"""Mean pooling: the mean of a text's rows, as fastText takes it. Knows nothing of their order."""

from dataclasses import dataclass
from typing import ClassVar

from embzip.classifier.encoder import Encoder, pooled
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class MeanConfig(Encoder):
    """Mean pooling: no arrays of its own, the dense layer reads the mean.

    An empty text has the mean zero, and so the prediction of the dense layer's bias.

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
