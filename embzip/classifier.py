"""What a classifier is: a configuration and named arrays -> probabilities, in NumPy.

This is the definition that Keras and every export are tested against. The model is the shallow
CNN of Kim (2014): embedding, parallel convolutions, ReLU, maximum over time, dropout (in training
only), softmax. Training is done in `embzip.tf`, regenerating the embedding in `embzip.rebuilding`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip import fileformat
from embzip.embedding import CompressedEmbedding
from embzip.errors import FileFormatError, InputError, MismatchError

Matrix = NDArray[np.float32]
_CELLS = 4096  # padded tokens computed at once: bounds memory, and fits the caches


@dataclass(frozen=True)
class CnnConfig:
    """The shape of a shallow CNN.

    Attributes
    ----------
    filters
        Filters of each convolution.
    windows
        Width in tokens of each convolution.
    dropout
        Share of features dropped in training.
    max_length
        Tokens of a text that are read; at least the widest window.
    columns
        Columns that enter the convolutions: the table's dim, and one more with `indicator`.
    indicator
        Whether a column that is 1 for tokens and 0 for padding is appended; folding a mean needs
        it.
    """

    columns: int
    max_length: int
    filters: int = 128
    windows: tuple[int, ...] = (1, 1, 2, 3)
    dropout: float = 0.5
    indicator: bool = False

    def __post_init__(self) -> None:
        if not self.windows or min(self.windows) < 1:
            raise InputError(f"windows must be whole numbers from 1, received {self.windows}")
        if min(self.filters, self.columns) < 1:
            raise InputError(f"filters must be at least 1, received {self.filters}")
        if self.max_length < max(self.windows):
            raise InputError(
                f"max_length must be at least the widest window ({max(self.windows)}), "
                f"received {self.max_length}"
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must lie in [0, 1), received {self.dropout}")


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
        The shape of the network.
    arrays
        `conv.<i>.kernel` (window, columns, filters), `conv.<i>.bias` (filters,),
        `dense.kernel` (filters * number of windows, classes), `dense.bias` (classes,); float32.

    Examples
    --------
    >>> from embzip.compression import compress
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
    config: CnnConfig
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
            if record.pop("kind") != "cnn":
                raise ValueError("only the kind 'cnn' is known")
            config = CnnConfig(**{**record, "windows": tuple(record["windows"])})
            return cls(loaded.embedding, labels, config, head)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(f"{path}: the classifier does not fit: {error}") from error

    def save(self, path: str | Path, *, counts: bool = False) -> None:
        """Write the classifier with its embedding and tokenizer; see `embzip.save`."""
        fileformat.save(self, path, counts=counts)

    def head_tensors(self) -> list[dict[str, NDArray[Any]]]:
        """Return what a file holds of this classifier beside its embedding."""
        record = {"kind": "cnn", "labels": self.labels, **asdict(self.config)}
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

        Each is padded to at most its length plus the widest window: beyond that, padding changes
        nothing, because one window of nothing but padding is already seen.
        """
        limit, widest = self.config.max_length, max(self.config.windows)
        probabilities = np.empty((len(ids), len(self.labels)), np.float32)
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        while order:
            longest = min(limit, len(ids[order[-1]]) + widest)
            batch = order[-max(1, _CELLS // longest) :]
            del order[-len(batch) :]
            padded = np.full((len(batch), longest), self.embedding.pad_id, np.int32)
            for row, index in enumerate(batch):
                cut = ids[index][:limit]
                padded[row, : len(cut)] = cut
            probabilities[batch] = self._forward(padded)
        return probabilities

    @cached_property
    def _taps(self) -> Matrix:
        """All kernels' taps side by side, (columns, taps * filters): one product serves all."""
        windows = range(len(self.config.windows))
        taps = [tap for i in windows for tap in self.arrays[f"conv.{i}.kernel"]]
        return np.concatenate(taps, axis=1)

    def _forward(self, ids: NDArray[np.int32]) -> Matrix:
        inputs = self.embedding[ids]
        if self.config.indicator:
            shown = (ids != self.embedding.pad_id).astype(np.float32)
            inputs = np.concatenate([inputs, shown[..., None]], axis=-1)
        texts, length, _ = inputs.shape
        filters = self.config.filters
        products = (inputs.reshape(texts * length, -1) @ self._taps).reshape(texts, length, -1)
        features = np.empty((texts, filters * len(self.config.windows)), np.float32)
        first = 0
        for index, window in enumerate(self.config.windows):
            places = length - window + 1
            total = products[:, :places, first : first + filters]
            for tap in range(1, window):
                at = first + tap * filters
                total = total + products[:, tap : tap + places, at : at + filters]
            # The bias is the same everywhere and ReLU is monotone: both may follow the maximum.
            best = total.max(axis=1) + self.arrays[f"conv.{index}.bias"]
            features[:, index * filters : (index + 1) * filters] = np.maximum(best, 0)
            first += window * filters
        logits = features @ self.arrays["dense.kernel"] + self.arrays["dense.bias"]
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        probabilities: Matrix = powers / powers.sum(axis=1, keepdims=True)
        return probabilities


def head_shapes(config: CnnConfig, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every array of a classifier."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, window in enumerate(config.windows):
        shapes[f"conv.{index}.kernel"] = (window, config.columns, config.filters)
        shapes[f"conv.{index}.bias"] = (config.filters,)
    shapes["dense.kernel"] = (config.filters * len(config.windows), classes)
    shapes["dense.bias"] = (classes,)
    return shapes
