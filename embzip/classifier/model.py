"""A classifier: an embedding, an encoder with its arrays, a dense layer, softmax; in NumPy.

This is the definition that Keras and every export are tested against. Training is done in
`embzip.tf`, regenerating the embedding in `embzip.rebuilding`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip import fileformat
from embzip.classifier.blocks import dense_shapes
from embzip.classifier.encoder import Encoder, Matrix, Weights, linear
from embzip.classifier.registry import encoder_class
from embzip.embedding import CompressedEmbedding
from embzip.errors import FileFormatError, MismatchError

_CELLS = 4096  # padded tokens computed at once: bounds memory, and fits the caches


@dataclass(frozen=True)
class Prediction:
    """A label and its probability."""

    label: str
    probability: float


@dataclass(frozen=True, eq=False)
class Classifier:
    """A text classifier over a compressed embedding.

    Attributes
    ----------
    embedding
        The table, with its tokenizer.
    labels
        The classes in the order of the output columns.
    config
        The encoder: the shape of the network.
    arrays
        The encoder's own, `dense.kernel` (features, classes) and `dense.bias` (classes,); float32.

    Examples
    --------
    >>> from embzip.classifier import CnnConfig
    >>> from embzip.embedding import compress
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4), tokenizer=words), "int8")
    >>> eye, zero = np.eye(4, dtype=np.float32), np.zeros(2, np.float32)
    >>> arrays = {"conv.0.kernel": eye[None, :, 2:], "conv.0.bias": zero}
    >>> arrays |= {"dense.kernel": 3 * eye[:2, :2], "dense.bias": zero}
    >>> config = CnnConfig(columns=4, max_length=9, filters=2, windows=(1,))
    >>> model = Classifier(table, ("sport", "politics"), config, arrays)
    >>> model.predict(["The vote is tonight."])[0].label
    'politics'
    """

    embedding: CompressedEmbedding
    labels: tuple[str, ...]
    config: Encoder
    arrays: dict[str, Matrix]

    def __post_init__(self) -> None:
        if self.embedding.pad_id is None or self.embedding.unk_id is None:
            raise MismatchError("a classifier's table needs a padding row and an unknown row")
        columns = self.embedding.dim + self.config.indicator
        if columns != self.config.columns:
            raise MismatchError(
                f"the classifier reads {self.config.columns} columns, the table has {columns}"
            )
        expected = head_shapes(self.config, len(self.labels))
        found = {name: array.shape for name, array in self.arrays.items()}
        if found != expected:
            raise MismatchError(f"a classifier of this shape holds {expected}, found {found}")

    @classmethod
    def load(cls, path: str | Path, *, mmap: bool = False) -> "Classifier":
        """Read a classifier from a .embz file.

        Raises
        ------
        MissingFileError
            For a file that is not there.
        FileFormatError
            For a damaged file, or one that holds only an embedding.
        """
        loaded = fileformat.read(path, mmap=mmap)
        if not loaded.heads:
            raise FileFormatError(
                f"{path}: holds an embedding but no classifier: train one with `embzip train`"
            )
        head = dict(loaded.heads[0])
        try:
            record = json.loads(head.pop("config").tobytes())
            labels = tuple(str(label) for label in record.pop("labels"))
            config = encoder_class(record.pop("kind")).from_record(record)
            return cls(loaded.embedding, labels, config, head)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(f"{path}: the classifier does not fit: {error}") from error

    def save(self, path: str | Path, *, counts: bool = False) -> None:
        """Write the classifier with its embedding and tokenizer; see `embzip.save`."""
        fileformat.save(self, path, counts=counts)

    def head_tensors(self) -> list[dict[str, NDArray[Any]]]:
        """Return what a file holds of this classifier beside its embedding."""
        record = {"labels": self.labels, **self.config.to_record()}
        text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        config = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
        return [{**self.arrays, "config": config}]

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text, cut to `max_length`."""
        return [ids[: self.config.max_length] for ids in self.embedding.encode(texts)]

    def predict(self, texts: Iterable[str]) -> list[Prediction]:
        """Return the most probable label of each text; equal ones go to the first label.

        An empty text is padding only, and gets the prediction the biases give.

        Raises
        ------
        InputTypeError
            For a single string, or anything but strings.
        """
        probabilities = self.probabilities(texts)
        return [
            Prediction(self.labels[best], float(row[best]))
            for row, best in zip(probabilities, probabilities.argmax(axis=1), strict=True)
        ]

    def probabilities(self, texts: Iterable[str]) -> Matrix:
        """Return (texts, classes) float32 probabilities."""
        return self.probabilities_of_ids(self.encode(texts))

    def probabilities_of_ids(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """Return (texts, classes) float32 probabilities of tokenized texts.

        Each is padded to at most its length and the encoder's `padding`: beyond that, padding
        changes nothing.
        """
        limit, padding = self.config.max_length, self.config.padding
        probabilities = np.empty((len(ids), len(self.labels)), np.float32)
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        while order:
            longest = min(limit, len(ids[order[-1]]) + padding)
            batch = order[-max(1, _CELLS // longest) :]
            del order[-len(batch) :]
            padded = np.full((len(batch), longest), self.embedding.pad_id, np.int32)
            for row, index in enumerate(batch):
                cut = ids[index][:limit]
                padded[row, : len(cut)] = cut
            probabilities[batch] = self._forward(padded)
        return probabilities

    @cached_property
    def _prepared(self) -> Weights:
        return self.config.prepare(self.arrays)

    def _forward(self, ids: NDArray[np.int32]) -> Matrix:
        columns = self.embedding[ids]
        shown = (ids != self.embedding.pad_id).astype(np.float32)
        if self.config.indicator:
            columns = np.concatenate([columns, shown[..., None]], axis=-1)
        logits = linear(self.config.encode(columns, shown, self._prepared), self.arrays, "dense")
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        probabilities: Matrix = powers / powers.sum(axis=1, keepdims=True)
        return probabilities


def load_classifier(path: str | Path, *, mmap: bool = False) -> Classifier:
    """Read the only classifier of a .embz file; the errors are those of `Classifier.load`."""
    return Classifier.load(path, mmap=mmap)


def head_shapes(config: Encoder, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every array of a classifier."""
    return config.shapes() | dense_shapes("dense", config.features, classes)
