"""The interface of every classifier, whatever computes its answers.

`embzip.classifier` implements it in NumPy, `embzip.litert` in LiteRT. Nothing is computed here.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from embzip.errors import NotFiniteError, SpecError
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

    def unknown_rate(self, texts: Sequence[str]) -> float | None:
        """Return the share of the texts' tokens, uncut, that are unknown; None without UNK."""
        from embzip.tokenizers.reach import unknown_rate  # serving does not need it

        unk_id = self.tokenizer.vocabulary.unk_id
        return None if unk_id is None else unknown_rate(self.tokenizer.encode(texts), unk_id)

    def predict(
        self, texts: Iterable[str], *, threshold: float = 0.0, unknown: str = ""
    ) -> list[Prediction]:
        """Return the most probable label of each text; of equally probable labels, the first.

        An empty text is all padding; its prediction follows from the biases alone.

        Parameters
        ----------
        threshold, unknown
            The label of a text whose largest probability is below the threshold is `unknown`.

        Raises
        ------
        InputTypeError
            For a single string, or for items that are not strings.
        NotFiniteError
            As in `probabilities`.
        SpecError
            For a threshold outside 0 to 1.
        """
        best = ranked(self.labels, self.probabilities(texts), threshold=threshold, unknown=unknown)
        return [predictions[0] for predictions in best]

    def predict_top(self, texts: Iterable[str], top: int) -> list[list[Prediction]]:
        """Return the `top` most probable labels of each text, the most probable first.

        Raises
        ------
        SpecError
            For a `top` below 1 or above the number of labels.
        """
        return ranked(self.labels, self.probabilities(texts), top=top)

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
        found = [ranked(self.labels[name], rows) for name, rows in answers.items()]
        return [
            {name: best for name, (best,) in zip(answers, row, strict=True)}
            for row in zip(*found, strict=True)
        ]

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


def ranked(
    labels: Sequence[str],
    probabilities: Matrix,
    *,
    top: int = 1,
    threshold: float = 0.0,
    unknown: str = "",
) -> list[list[Prediction]]:
    """Return the `top` most probable labels of each row, the most probable first.

    Labels below the threshold are left out; where that leaves none, `unknown` stands with the
    largest probability. Of equally probable labels, the first comes first.

    Parameters
    ----------
    probabilities
        (texts, classes).

    Raises
    ------
    SpecError
        For a `top` below 1 or above the number of labels, or a threshold outside 0 to 1.

    Examples
    --------
    >>> answers = np.array([[0.2, 0.7, 0.1]], np.float32)
    >>> [each.label for each in ranked("abc", answers, top=2)[0]]
    ['b', 'a']
    >>> [each.label for each in ranked("abc", answers, top=2, threshold=0.9, unknown="?")[0]]
    ['?']
    """
    if not 1 <= top <= len(labels):
        raise SpecError(f"top must lie in 1..{len(labels)}, the number of labels, received {top}")
    if not 0 <= threshold <= 1:  # nor NaN
        raise SpecError(f"a threshold must lie in 0..1, received {threshold}")
    order = (-probabilities).argsort(axis=1, kind="stable")[:, :top]
    found = np.take_along_axis(probabilities, order, axis=1).tolist()
    return [
        [
            Prediction(labels[column], probability)
            for column, probability in zip(columns, row, strict=True)
            if probability >= threshold
        ]
        or [Prediction(unknown, row[0])]
        for columns, row in zip(order.tolist(), found, strict=True)
    ]
