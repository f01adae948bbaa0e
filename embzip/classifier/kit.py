"""A kit: several classifiers over one embedding, in one file; and reading what a file holds."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.answering import probabilities_of
from embzip.classifier.model import Classifier
from embzip.classifier.registry import encoder_class
from embzip.classifier.storage import from_tensors, to_tensors
from embzip.errors import FileFormatError, InputError, MismatchError
from embzip.files import digest, existing_file
from embzip.litert import LiteRtKit, is_tflite, load_litert
from embzip.prediction import TextClassifier, TextKit
from embzip.types import Matrix

if TYPE_CHECKING:  # a .tflite answers without the codecs
    from embzip.embedding import CompressedEmbedding

_NAME_ONE = "name one of them (--head)"


@dataclass(frozen=True, eq=False)
class Kit(TextKit):
    """Several classifiers over one embedding: a text is tokenized and looked up once for all.

    Attributes
    ----------
    embedding
        The table that all read.
    classifiers
        By name, in the order of the file; each keeps its labels and its encoder.

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
                raise InputError(f"a classifier's name is printable text, received {name!r}")
            if classifier.embedding is not self.embedding:
                raise MismatchError(
                    f"the classifier {name!r} has a table of its own: make kits with Kit.of"
                )

    def __repr__(self) -> str:
        table = self.embedding
        names = ", ".join(self.classifiers)
        return f"<Kit: {names}, over {table.codec.spec}, {table.rows:,} rows of {table.dim}>"

    @classmethod
    def of(cls, classifiers: Mapping[str, Classifier] | Iterable[tuple[str, Classifier]]) -> "Kit":
        """Put classifiers over one table, which must be the same in all, byte for byte.

        Of an iterable, one classifier with a table of its own is held at a time.

        Raises
        ------
        MismatchError
            For tables or tokenizers that differ; says how to get to one table.
        InputError
            For no classifier, or a name given twice.
        """
        pairs = classifiers.items() if isinstance(classifiers, Mapping) else classifiers
        shared: dict[str, Classifier] = {}
        for name, classifier in pairs:
            if name in shared:
                raise InputError(f"two classifiers of a kit are called {name!r}: name them apart")
            for first, other in list(shared.items())[:1]:
                apart = difference(other.embedding, classifier.embedding)
                if apart is not None:
                    raise MismatchError(
                        f"the classifiers {first!r} and {name!r} read different tables: {apart}. "
                        "A kit shares one: put each on it with `embzip rebuild MODEL.embz "
                        "--embedding TABLE.embz`, or train each on it with `embzip train ... "
                        "--vectors TABLE.embz --frozen`"
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

    def probabilities_of_ids(self, ids: Sequence[Sequence[int]]) -> dict[str, Matrix]:
        """Return the (texts, classes) float32 probabilities of each classifier, by its name."""
        heads = [classifier.head for classifier in self.classifiers.values()]
        return dict(
            zip(self.classifiers, probabilities_of(self.embedding, heads, ids), strict=True)
        )

    def verify(self) -> None:
        """Compare what was mapped with the digests of its file; see `Classifier.verify`."""
        for classifier in self.classifiers.values():
            classifier.verify()

    def save(self, path: str | Path, *, counts: bool = False, pack: bool = False) -> None:
        """Write the kit with its embedding and tokenizer; see `embzip.save`."""
        from embzip.embz.format import save

        save(self, path, counts=counts, pack=pack)

    def head_tensors(self) -> list[dict[str, NDArray[Any]]]:
        """Return what a file holds of each classifier beside the embedding."""
        return [each.tensors({"name": name}) for name, each in self.classifiers.items()]


def read(path: str | Path, *, mmap: bool = False) -> Classifier | Kit:
    """Read a classifier or a kit from a .embz file, and only from one."""
    if is_tflite(existing_file(path)):
        raise FileFormatError(
            f"{path}: a .tflite answers, but its table and kernels are not read from it: "
            "pass the .embz file that it was exported from"
        )
    from embzip.embz.format import read as read_file

    loaded = read_file(path, mmap=mmap)
    if not loaded.heads:
        raise FileFormatError(
            f"{path}: holds an embedding but no classifier: train one with `embzip train`"
        )
    named: dict[str, Classifier] = {}
    try:
        for index, head in enumerate(loaded.heads):
            name, classifier = _read(loaded.embedding, index, head)
            if name is None and len(loaded.heads) == 1:
                return classifier
            if name is None or name in named:
                raise ValueError(
                    f"the classifiers of a kit need names of their own, found {name!r}"
                )
            named[name] = classifier
        return Kit(loaded.embedding, named)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{path}: the classifier does not fit: {error}") from error


def load_classifier(path: str | Path, *, head: str | None = None, mmap: bool = False) -> Classifier:
    """Read one classifier of a .embz file.

    Parameters
    ----------
    head
        Its name, where the file is a kit.

    Raises
    ------
    MismatchError
        For a kit without `head`, or a name that is not there; lists what is.
    MissingFileError, FileFormatError
        As in `Classifier.load`.
    """
    loaded = read(path, mmap=mmap)
    names = [] if isinstance(loaded, Classifier) else list(loaded.classifiers)
    if isinstance(loaded, Classifier):
        if head is None:
            return loaded
        raise MismatchError(f"{path}: holds one classifier without a name, not {head!r}")
    if head is None or head not in names:
        asked = _NAME_ONE if head is None else f"none is called {head!r}"
        raise MismatchError(f"{path}: a kit of the classifiers {', '.join(names)}: {asked}")
    return loaded.classifiers[head]


def load_one(path: str | Path, *, head: str | None = None) -> TextClassifier:
    """Read what answers for one classifier: as `load_classifier`, or an exported .tflite."""
    if not is_tflite(existing_file(path)):
        return load_classifier(path, head=head)
    loaded = load_litert(path, head)
    if isinstance(loaded, LiteRtKit):
        names = ", ".join(loaded.labels)
        raise MismatchError(f"{path}: a kit of the classifiers {names}: {_NAME_ONE}")
    return loaded


def describe(path: str | Path) -> list[dict[str, Any]]:
    """List the classifiers of a file: name (None without one), encoder, labels, bytes, options."""
    loaded = read(path, mmap=True)
    named: dict[str | None, Classifier] = {}
    if isinstance(loaded, Classifier):
        named[None] = loaded
    else:
        named.update(loaded.classifiers.items())
    return [
        {
            "name": name,
            "encoder": each.config.kind,
            "labels": list(each.labels),
            "bytes": sum(a.nbytes for a in to_tensors(each.arrays, each.kernels).values()),
            "kernels": each.kernels,
            "options": {k: v for k, v in each.config.to_record().items() if k != "kind"},
        }
        for name, each in named.items()
    ]


def difference(one: "CompressedEmbedding", other: "CompressedEmbedding") -> str | None:
    """Return what tells two tables apart, or None for equal ones; counts do not matter."""
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


def _read(
    embedding: "CompressedEmbedding", index: int, tensors: Mapping[str, NDArray[Any]]
) -> tuple[str | None, Classifier]:
    """Return the name and classifier of the tensors of a head."""
    # A mapped array stays mapped; as a plain one it is faster to compute with.
    stored = {name: np.asarray(array) for name, array in tensors.items()}
    record = json.loads(stored.pop("config").tobytes())
    arrays, kernels = from_tensors(stored)
    labels = tuple(str(label) for label in record.pop("labels"))
    name = record.pop("name", None)
    ranks = dict(record.pop("ranks", {}))
    config = encoder_class(record.pop("kind")).from_record(record)
    prefix = f"heads.{index}."
    digests = {
        tensor.removeprefix(prefix): stated
        for tensor, stated in embedding.digests.items()
        if tensor.startswith(prefix)
    }
    for tensor in [n for n in digests if n in stored and arrays.get(n) is not stored[n]]:
        # What is decoded here cannot be verified later.
        if digest(np.ascontiguousarray(stored[tensor]).tobytes()) != digests.pop(tensor):
            raise ValueError(f"tensor {prefix}{tensor} does not match its digest")
    return name, Classifier(embedding, labels, config, arrays, ranks, kernels, digests)
