"""A classifier in NumPy: an embedding, an encoder with its arrays, a dense layer, softmax.

This is the definition against which the Keras model and every export are tested. Classifiers are
trained in `embzip.tf`, and rebuilt on other tables in `embzip.classifier.rebuilding`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.answering import Head, probabilities_of
from embzip.classifier.blocks import dense_shapes
from embzip.classifier.encoder import Encoder
from embzip.classifier.storage import rounded, storage, to_tensor
from embzip.classifier.training_record import TrainingRecord
from embzip.errors import (
    EmbzipError,
    FileFormatError,
    InputError,
    MismatchError,
    NotFiniteError,
)
from embzip.files.limits import LARGEST_WEIGHT, MOST_NUMBERS, MOST_RECORD, check_size
from embzip.files.reading import digest
from embzip.prediction import TextClassifier
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix

if TYPE_CHECKING:  # serving a .tflite does not load the codecs
    from embzip.embedding import CompressedEmbedding


@dataclass(frozen=True, eq=False)
class Classifier(TextClassifier):
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
        Those of the encoder, `dense.kernel` (features, classes) and `dense.bias` (classes,);
        float32.
    ranks
        The ranks of factorized layers, which have a `<layer>.reduce.kernel` (rows, rank) besides
        a `<layer>.kernel` (rank, columns); see `embzip.classifier.factorizing`.
    kernels
        How a file stores the kernels: `float32`, `float16`, or `int8`, `int4` or `int2` with a
        scale for each output column; other arrays are float16 with all but the first. `arrays` are
        rounded accordingly at once, and stay float32.
    training
        How it was trained, and digests of the texts it has seen; empty where that is not known.

    Examples
    --------
    >>> from embzip.classifier import CnnConfig
    >>> from embzip.compression import compress
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4), tokenizer=words), "int8")
    >>> eye, zero = np.eye(4, dtype=np.float32), np.zeros(2, np.float32)
    >>> arrays = {"conv.0.kernel": eye[None, :, 2:], "conv.0.bias": zero}
    >>> arrays |= {"dense.kernel": 3 * eye[:2, :2], "dense.bias": zero}
    >>> config = CnnConfig(columns=4, max_length=9, filters=2, windows=(1,))
    >>> model = Classifier(table, ("sport", "politics"), config, arrays)
    >>> model.predict(["The vote is tonight."])[0].label
    'politics'
    >>> model
    <Classifier: cnn, 2 labels, over int8, 4 rows of 4>
    """

    embedding: "CompressedEmbedding"
    labels: tuple[str, ...]
    config: Encoder
    arrays: dict[str, Matrix]
    ranks: Mapping[str, int] = field(default_factory=dict)
    kernels: str = "float32"
    digests: Mapping[str, str] = field(default_factory=dict, repr=False)
    training: TrainingRecord = field(default_factory=TrainingRecord)

    def __post_init__(self) -> None:
        if self.embedding.pad_id is None or self.embedding.unk_id is None:
            raise MismatchError(
                "a classifier's table needs a padding row and an unknown row, and this one lacks "
                "one: add them with with_special_rows before compressing"
            )
        columns = self.embedding.dim + self.config.indicator
        if columns != self.config.columns:
            raise MismatchError(
                f"the classifier reads {self.config.columns} columns, but the table has {columns}"
            )
        expected = head_shapes(self.config, len(self.labels), self.ranks)
        found = {name: array.shape for name, array in self.arrays.items()}
        if found != expected:
            raise MismatchError(f"a classifier of this shape needs {expected}, found {found}")
        object.__setattr__(self, "kernels", storage(self.kernels).name)
        if self.kernels != "float32":
            object.__setattr__(self, "arrays", rounded(self.arrays, self.kernels))

    def __repr__(self) -> str:
        table = self.embedding
        return (
            f"<Classifier: {self.config.kind}, {len(self.labels)} labels, over "
            f"{table.codec.spec}, {table.rows:,} rows of {table.dim}>"
        )

    def save(
        self,
        path: str | Path,
        *,
        counts: bool = False,
        pack: bool = False,
        meta: Mapping[str, str] | None = None,
    ) -> None:
        """Write the classifier with its embedding and tokenizer; see `embzip.save`."""
        from embzip.embz.format import save

        save(self, path, counts=counts, pack=pack, meta=meta)

    def head_tensors(self) -> list[dict[str, NDArray[Any]]]:
        """Return the tensors that a file stores for this classifier besides its embedding."""
        return [self.tensors({})]

    def verify(self) -> None:
        """Compare the mapped arrays with the digests in the file.

        Raises
        ------
        FileFormatError
            If a tensor differs; the message names the first one.
        """
        from embzip.checking import located  # a .tflite needs no codecs

        self.embedding.verify()
        with located(self.embedding.mapped):
            ordered = (self.arrays[name].reshape(-1) for name in sorted(self.arrays))
            parts = (array.view(np.uint8).data for array in ordered)
            if "arrays" in self.digests and digest(*parts) != self.digests["arrays"]:
                raise FileFormatError(
                    "the arrays of a classifier do not match their digest: the file is damaged"
                )
            check_weights(self.arrays)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that turns texts into ids."""
        if self.embedding.tokenizer is None:
            raise InputError(
                "this classifier's table has no tokenizer, so it cannot encode text: pass token "
                "ids to probabilities_of_ids"
            )
        return self.embedding.tokenizer

    @property
    def max_length(self) -> int:
        """Tokens of a text that are read."""
        return self.config.max_length

    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """Return (texts, classes) float32 probabilities of tokenized texts."""
        return probabilities_of(self.embedding, [self.head], ids)[0]

    @cached_property
    def head(self) -> Head:
        """The part of the classifier above the table."""
        return Head(self.config, self.arrays)

    def tensors(self, extra: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the arrays and the configuration; `extra` is added to its record.

        Raises
        ------
        NotFiniteError, InputError
            For weights or labels that readers refuse.
        """
        check_weights(self.arrays, NotFiniteError)
        record = {"labels": self.labels, **self.config.to_record(), **extra}
        if self.kernels != "float32":
            record["kernels"] = self.kernels
        if self.ranks:
            record["ranks"] = dict(self.ranks)
        if self.training.runs:
            record["training"] = self.training.to_json()
        text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        config = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
        if len(config) > MOST_RECORD:
            raise InputError(
                f"a classifier's labels and options take at most {MOST_RECORD:,} bytes, received "
                f"{len(config):,}: shorten the labels"
            )
        return {"arrays": to_tensor(self.arrays, self.kernels), "config": config}


def check_weights(arrays: Mapping[str, Matrix], error: type[EmbzipError] = FileFormatError) -> None:
    """Raise `error` for arrays whose products are certain to overflow, or that are no numbers."""
    for name, array in arrays.items():
        largest = max(array.max(initial=0), -array.min(initial=0))
        if not largest <= LARGEST_WEIGHT:  # neither is NaN
            raise error(
                f"tensor {name!r} of a classifier must hold numbers up to 2^63 in magnitude, found "
                f"{largest}: the classifier's answers would not be finite"
            )


def head_shapes(
    config: Encoder, classes: int, ranks: Mapping[str, int] | None = None
) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every array of a classifier."""
    check_size("labels", classes)
    shapes = config.shapes() | dense_shapes("dense", config.features, classes)
    numbers = sum(math.prod(shape) for shape in shapes.values())
    if numbers > MOST_NUMBERS:
        raise InputError(
            f"a classifier has at most {MOST_NUMBERS:,} numbers beside its table, and this shape "
            f"{numbers:,}: take fewer filters, or less width"
        )
    for layer, rank in (ranks or {}).items():
        whole = shapes.get(f"{layer}.kernel", ())
        if len(whole) != 2 or type(rank) is not int or not 1 <= rank <= min(whole):
            raise MismatchError(
                f"a rank must lie in 1..the smaller side of a dense kernel, found {rank!r} for the "
                f"layer {layer!r} of shape {whole}"
            )
        shapes[f"{layer}.reduce.kernel"] = (whole[0], rank)
        shapes[f"{layer}.kernel"] = (rank, whole[1])
    return shapes
