"""A kit: several classifiers over one embedding, in one file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.answering import probabilities_of
from embzip.classifier.model import Classifier
from embzip.errors import InputError, MismatchError
from embzip.prediction import TextKit
from embzip.types import Matrix

if TYPE_CHECKING:  # serving a .tflite does not load the codecs
    from embzip.embedding import CompressedEmbedding


@dataclass(frozen=True, eq=False)
class Kit(TextKit):
    """Several classifiers over one embedding: each text is tokenized and looked up only once.

    Attributes
    ----------
    embedding
        The table that all classifiers read.
    classifiers
        The classifiers by name, in the order of the file; each has its own labels and encoder.

    Examples
    --------
    >>> from embzip.classifier import MeanConfig
    >>> from embzip.compression import compress
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4), tokenizer=words), "int8")
    >>> arrays = {"dense.kernel": np.eye(4, 2, -2), "dense.bias": np.zeros(2)}
    >>> topic = Classifier(table, ("sport", "politics"), MeanConfig(4, 9), arrays)
    >>> mood = Classifier(table, ("glad", "sad"), MeanConfig(4, 9), arrays)
    >>> kit = Kit.of({"topic": topic, "mood": mood})
    >>> {name: found.label for name, found in kit.predict(["The vote"])[0].items()}
    {'topic': 'politics', 'mood': 'sad'}
    >>> kit
    <Kit: topic, mood, over int8, 4 rows of 4>
    """

    embedding: "CompressedEmbedding"
    classifiers: Mapping[str, Classifier]

    def __post_init__(self) -> None:
        if not self.classifiers:
            raise InputError("a kit holds at least one classifier, received none")
        for name, classifier in self.classifiers.items():
            if not name or not name.isprintable():
                raise InputError(f"a classifier's name must be printable text, received {name!r}")
            if classifier.embedding is not self.embedding:
                raise MismatchError(
                    f"all classifiers of a kit must share its table, and {name!r} has another: "
                    "make kits with Kit.of"
                )

    def __repr__(self) -> str:
        table = self.embedding
        names = ", ".join(self.classifiers)
        return f"<Kit: {names}, over {table.codec.spec}, {table.rows:,} rows of {table.dim}>"

    @classmethod
    def of(cls, classifiers: Mapping[str, Classifier] | Iterable[tuple[str, Classifier]]) -> "Kit":
        """Make a kit of classifiers whose tables are equal, byte for byte.

        With an iterable, at most one classifier with its own copy of the table is in memory.

        Raises
        ------
        MismatchError
            For tables or tokenizers that differ.
        InputError
            If there is no classifier, or if a name is given twice.
        """
        pairs = classifiers.items() if isinstance(classifiers, Mapping) else classifiers
        shared: dict[str, Classifier] = {}
        for name, classifier in pairs:
            if name in shared:
                raise InputError(
                    f"the classifiers of a kit need different names, and two are called {name!r}"
                )
            for first, other in list(shared.items())[:1]:
                apart = difference(other.embedding, classifier.embedding)
                if apart is not None:
                    raise MismatchError(
                        "all classifiers of a kit must share one table, and those of "
                        f"{first!r} and {name!r} differ: {apart}. Rebuild each on one table with "
                        "`embzip rebuild MODEL.embz --embedding TABLE.embz`, or train each on it "
                        "with `embzip train ... --vectors TABLE.embz --frozen`"
                    )
                classifier = replace(classifier, embedding=other.embedding, digests={})
            shared[name] = classifier
        embedding = next((each.embedding for each in shared.values()), None)
        if embedding is None:
            raise InputError("a kit holds at least one classifier, received none")
        return cls(embedding, shared)

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """The labels of each classifier, by its name."""
        return {name: classifier.labels for name, classifier in self.classifiers.items()}

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text."""
        return self.embedding.encode(texts)

    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> dict[str, Matrix]:
        """Return the (texts, classes) float32 probabilities of each classifier, by its name."""
        heads = [classifier.head for classifier in self.classifiers.values()]
        return dict(
            zip(self.classifiers, probabilities_of(self.embedding, heads, ids), strict=True)
        )

    def verify(self) -> None:
        """Compare the mapped arrays with the digests in the file; see `Classifier.verify`."""
        for classifier in self.classifiers.values():
            classifier.verify()

    def save(
        self,
        path: str | Path,
        *,
        counts: bool = False,
        pack: bool = False,
        meta: Mapping[str, str] | None = None,
    ) -> None:
        """Write the kit with its embedding and tokenizer; see `embzip.save`."""
        from embzip.embz.format import save

        save(self, path, counts=counts, pack=pack, meta=meta)

    def head_tensors(self) -> list[dict[str, NDArray[Any]]]:
        """Return the tensors that a file stores for each classifier besides the embedding."""
        return [each.tensors({"name": name}) for name, each in self.classifiers.items()]


def difference(one: "CompressedEmbedding", other: "CompressedEmbedding") -> str | None:
    """Return how two tables differ, or None if they are equal; counts are not compared."""
    if one is other:
        return None
    if (one.codec.spec, one.shape) != (other.codec.spec, other.shape):
        return (
            f"{one.codec.spec}, {one.rows:,} rows of {one.dim}, and "
            f"{other.codec.spec}, {other.rows:,} rows of {other.dim}"
        )
    for what, mine, theirs in (
        ("codes", one.codes, other.codes),
        ("params", one.params, other.params),
    ):
        for name, array in mine.items():
            if not np.array_equal(array, theirs[name]):
                return f"their {what} {name!r} differ"
    if one.vocabulary != other.vocabulary or _tokenizer(one) != _tokenizer(other):
        return "their tokenizers differ"
    return None


def _tokenizer(embedding: "CompressedEmbedding") -> object:
    tokenizer = embedding.tokenizer
    return None if tokenizer is None else (tokenizer.to_bytes(), tokenizer.normalization)
