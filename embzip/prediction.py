"""The interface of every classifier, whatever computes its answers.

`embzip.classifier` implements it in NumPy, `embzip.litert` in LiteRT. Nothing is computed here.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from embzip.errors import NotFiniteError
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix


@dataclass(frozen=True)
class Prediction:
    """A label and its probability."""

    label: str
    probability: float


class TextClassifier(ABC):
    """Texts -> labels with probabilities.

    A classifier may be shared by threads, pickled, and used after a fork; its answers are the same.

    Attributes
    ----------
    labels
        The classes in the order of the output columns.
    max_length
        How many tokens of a text are read.
    """

    labels: tuple[str, ...]

    @property
    @abstractmethod
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that turns texts into ids."""

    @property
    @abstractmethod
    def max_length(self) -> int:
        """How many tokens of a text are read."""

    @abstractmethod
    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """Return what `probabilities_of_ids` does, without checking that it is finite."""

    def answers_to(self, texts: Iterable[str]) -> Matrix:
        """Return what `probabilities` does, without checking that it is finite."""
        return self.answers_to_ids(self.encode(texts))

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text, cut to `max_length`."""
        return [ids[: self.max_length] for ids in self.tokenizer.encode(texts)]

    def predict(self, texts: Iterable[str]) -> list[Prediction]:
        """Return the most probable label of each text; of equally probable labels, the first.

        An empty text is all padding; its prediction follows from the biases alone.

        Raises
        ------
        InputTypeError
            For a single string, or for items that are not strings.
        NotFiniteError
            As in `probabilities`.
        """
        return _predictions(self.labels, self.probabilities(texts))

    def probabilities_of_ids(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """Return (texts, classes) float32 probabilities of tokenized texts.

        Raises
        ------
        IdRangeError
            For an id outside the table; -1 would silently read the last row.
        NotFiniteError
            As in `probabilities`.
        """
        return _finite(self.answers_to_ids, ids)

    def probabilities(self, texts: Iterable[str]) -> Matrix:
        """Return (texts, classes) float32 probabilities.

        Raises
        ------
        NotFiniteError
            For a probability that is no number: a label chosen by it would mean nothing.
        """
        return _finite(self.answers_to, texts)


class TextKit(ABC):
    """Several classifiers that share a tokenizer and a table: texts -> one label per classifier.

    As safe to share, pickle and fork as a `TextClassifier`.
    """

    @property
    @abstractmethod
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """The labels of each classifier, by its name."""

    @abstractmethod
    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text."""

    @abstractmethod
    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> dict[str, Matrix]:
        """Return what `probabilities_of_ids` does, without checking that it is finite."""

    def answers_to(self, texts: Iterable[str]) -> dict[str, Matrix]:
        """Return what `probabilities` does, without checking that it is finite."""
        return self.answers_to_ids(self.encode(texts))

    def predict(self, texts: Iterable[str]) -> list[dict[str, Prediction]]:
        """Return, for each text, the most probable label of each classifier, by its name.

        Raises
        ------
        InputTypeError
            For a single string, or for items that are not strings.
        """
        answers = self.probabilities(texts)
        found = [_predictions(self.labels[name], rows) for name, rows in answers.items()]
        return [dict(zip(answers, row, strict=True)) for row in zip(*found, strict=True)]

    def probabilities_of_ids(self, ids: Sequence[Sequence[int]]) -> dict[str, Matrix]:
        """Return the (texts, classes) float32 probabilities of each classifier, by its name.

        Raises
        ------
        IdRangeError
            For an id outside the table.
        NotFiniteError
            As in `TextClassifier.probabilities`.
        """
        return _finite(self.answers_to_ids, ids)

    def probabilities(self, texts: Iterable[str]) -> dict[str, Matrix]:
        """Return the (texts, classes) float32 probabilities of each classifier.

        Raises
        ------
        NotFiniteError
            As in `TextClassifier.probabilities`.
        """
        return _finite(self.answers_to, texts)


_Given = TypeVar("_Given")
_Answers = TypeVar("_Answers", Matrix, dict[str, Matrix])


def _finite(answer: Callable[[_Given], _Answers], given: _Given) -> _Answers:
    """Return the answers to what is given, all of them finite."""
    with np.errstate(over="ignore", invalid="ignore"):  # found here
        answers = answer(given)
    for name, rows in answers.items() if isinstance(answers, dict) else [("", answers)]:
        if not math.isfinite(rows.sum()):  # faster than a look at each; probabilities are small
            finite = np.isfinite(rows)
            text = int(finite.all(axis=1).argmin())
            who = f"classifier {name!r}: " if name else ""
            raise NotFiniteError(
                f"{who}text {text}: every probability must be a finite number, found "
                f"{rows[text][~finite[text]][0]}: the model's numbers are so large that they "
                "overflow; train it again, or obtain its file again"
            )
    return answers


def _predictions(labels: Sequence[str], probabilities: Matrix) -> list[Prediction]:
    return [
        Prediction(labels[best], float(row[best]))
        for row, best in zip(probabilities, probabilities.argmax(axis=1), strict=True)
    ]
