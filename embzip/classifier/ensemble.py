"""An ensemble: several classifiers of the same labels, of whose probabilities the mean is taken."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np

from embzip.errors import InputError, InputTypeError, MismatchError
from embzip.prediction import TextClassifier
from embzip.tokenizers.base import Tokenizer, check_texts
from embzip.types import Matrix


class Ensemble(TextClassifier):
    """Several classifiers that answer as one: the mean of their probabilities.

    They may differ in all but their labels: in seed, encoder, table and tokenizer. Each tokenizes a
    text by itself, and computes all that it would alone.

    Parameters
    ----------
    members
        The classifiers, at least one; ensembles too. The order of their labels may differ: that of
        the first is taken.
    names
        What messages call them, one for each; by default "classifier 1" and so on.

    Raises
    ------
    InputError
        Without a classifier, or for another number of names.
    InputTypeError
        For a member that is no classifier, such as a kit.
    MismatchError
        For labels that one of them knows and another does not. The message names some.

    References
    ----------
    Hansen and Salamon, Neural network ensembles, IEEE Transactions on Pattern Analysis and Machine
    Intelligence 12, 1990.

    Examples
    --------
    >>> from embzip.classifier import Classifier, MeanConfig
    >>> from embzip.compression import compress
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4), tokenizer=words), "float32")
    >>> def classifier(scale):
    ...     arrays = {"dense.kernel": scale * np.eye(4, 2, -2), "dense.bias": np.zeros(2)}
    ...     return Classifier(table, ("sport", "politics"), MeanConfig(4, 9), arrays)
    >>> ensemble = Ensemble([classifier(0), classifier(4)])  # knows nothing; is rather sure
    >>> [round(float(each), 3) for each in ensemble.probabilities(["the vote, a vote"])[0]]
    [0.334, 0.666]
    """

    def __init__(
        self, members: Iterable[TextClassifier], *, names: Sequence[str] | None = None
    ) -> None:
        self.members = tuple(members)
        if not self.members:
            raise InputError("an ensemble needs at least one classifier, received none")
        for member in self.members:
            if not isinstance(member, TextClassifier):
                raise InputTypeError(
                    "the members of an ensemble must be classifiers, received "
                    f"{type(member).__name__}: of a kit, pass one of its classifiers"
                )
        numbers = range(1, len(self.members) + 1)
        self.names = tuple(names or (f"classifier {number}" for number in numbers))
        if len(self.names) != len(self.members):
            raise InputError(
                f"an ensemble of {len(self.members)} classifiers needs as many names, received "
                f"{len(self.names)}: pass one for each, or none"
            )
        self.labels = self.members[0].labels
        # The column of each of our labels in a member's answers.
        self._columns = [
            self._columns_of(member.labels, name)
            for member, name in zip(self.members, self.names, strict=True)
        ]

    def __repr__(self) -> str:
        return f"<Ensemble: {len(self.members)} classifiers, {len(self.labels)} labels>"

    def _columns_of(self, labels: Sequence[str], name: str) -> list[int]:
        apart = sorted({*labels} ^ {*self.labels})
        if apart:
            has, lacks = (name, self.names[0]) if apart[0] in labels else (self.names[0], name)
            raise MismatchError(
                "the classifiers of an ensemble must have the same labels: "
                f"{has} has {apart[0]!r}, which {lacks} has not"
                + (f", and {len(apart) - 1:,} more differ" if len(apart) > 1 else "")
            )
        return [labels.index(label) for label in self.labels]

    @cached_property
    def _shared(self) -> Tokenizer | None:
        first, *others = (member.tokenizer for member in self.members)
        return first if all(_same(first, other) for other in others) else None

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of all members.

        Raises
        ------
        MismatchError
            If they have different ones.
        """
        if self._shared is None:
            raise MismatchError(
                "the classifiers of this ensemble have different tokenizers, so that ids mean "
                "something else to each: ask it by texts, or ask its members"
            )
        return self._shared

    @property
    def max_length(self) -> int:
        """Tokens of a text that are read by the member that reads most."""
        return max(member.max_length for member in self.members)

    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """Return (texts, classes) float32 probabilities; members must share their tokenizer."""
        _ = self.tokenizer
        return self._mean(
            member.answers_to_ids([text[: member.max_length] for text in ids])
            for member in self.members
        )

    def answers_to(self, texts: Iterable[str]) -> Matrix:
        """Return (texts, classes) float32 probabilities."""
        given = check_texts(texts)
        return self._mean(member.answers_to(given) for member in self.members)

    def unknown_rate(self, texts: Sequence[str]) -> float | None:
        """Return the mean of the members' rates, as each may have a tokenizer of its own."""
        rates = [member.unknown_rate(texts) for member in self.members]
        known = [rate for rate in rates if rate is not None]
        return float(np.mean(known)) if len(known) == len(rates) else None

    def _mean(self, answers: Iterable[Matrix]) -> Matrix:
        ordered = (rows[:, own] for rows, own in zip(answers, self._columns, strict=True))
        total = next(ordered).astype(np.float64)
        for rows in ordered:
            total += rows
        return (total / len(self.members)).astype(np.float32)


def _same(one: Tokenizer, other: Tokenizer) -> bool:
    """Return whether two tokenizers give every text the same ids."""
    return one is other or (
        (one.kind, one.normalization) == (other.kind, other.normalization)
        and one.vocabulary == other.vocabulary
        and one.to_bytes() == other.to_bytes()
    )


def singles(models: Iterable[TextClassifier]) -> Iterator[TextClassifier]:
    """Yield classifiers one by one: in an ensemble's place, its members."""
    for model in models:
        if isinstance(model, Ensemble):
            yield from singles(model.members)
        else:
            yield model
