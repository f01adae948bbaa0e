"""Exported classifiers and kits: texts -> labels, with LiteRT and the attached tokenizer."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embzip.errors import MismatchError
from embzip.files.reading import existing_file
from embzip.litert.attachment import read_attachment
from embzip.litert.runtime import LiteRtModel
from embzip.prediction import TextClassifier, TextKit
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix


class LiteRtClassifier(TextClassifier):
    """A classifier that `embzip export` wrote, run by LiteRT.

    The file is memory-mapped, so that processes share it. It must not be moved: a pickle stores
    only its path.

    Parameters
    ----------
    model
        The opened file; `load_litert` opens it.
    output
        The index of the model's output to use.
    """

    def __init__(self, model: LiteRtModel, output: int = 0) -> None:
        self.model = model
        self.output = output
        self.labels = model.attachment.labels[output]

    def __reduce__(self) -> tuple[Any, ...]:
        names = self.model.attachment.heads
        return (load_litert, (self.model.path, names[self.output] if names else None))

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that turns texts into ids."""
        return self.model.attachment.tokenizer

    @property
    def max_length(self) -> int:
        """Tokens of a text that are read."""
        return self.model.attachment.max_length

    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """Return (texts, classes) float32 probabilities of tokenized texts."""
        return self.model.answers(ids)[self.output]

    def answers_to(self, texts: Iterable[str]) -> Matrix:
        """Return (texts, classes) float32 probabilities."""
        return self.model.answers_to(self.tokenizer.encode(texts))[self.output]


class LiteRtKit(TextKit):
    """A kit that `embzip export` wrote, run by LiteRT: one look-up, one output per classifier."""

    def __init__(self, model: LiteRtModel) -> None:
        self.model = model

    def __reduce__(self) -> tuple[Any, ...]:
        return (load_litert, (self.model.path,))

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """The labels of each classifier, by its name."""
        attachment = self.model.attachment
        return dict(zip(attachment.heads, attachment.labels, strict=True))

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text, cut to the largest `max_length` of the classifiers."""
        limit = self.model.attachment.max_length
        return [ids[:limit] for ids in self.model.attachment.tokenizer.encode(texts)]

    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> dict[str, Matrix]:
        """Return the (texts, classes) float32 probabilities of each classifier, by its name."""
        return dict(zip(self.model.attachment.heads, self.model.answers(ids), strict=True))

    def answers_to(self, texts: Iterable[str]) -> dict[str, Matrix]:
        """Return the (texts, classes) float32 probabilities of each classifier."""
        attachment = self.model.attachment
        answers = self.model.answers_to(attachment.tokenizer.encode(texts))
        return dict(zip(attachment.heads, answers, strict=True))


def load_litert(path: str | Path, head: str | None = None) -> LiteRtClassifier | LiteRtKit:
    """Open an exported .tflite file.

    Parameters
    ----------
    head
        The name of one classifier of a kit; None for the kit, or the only classifier.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    FileFormatError
        For a file that is cut short or damaged, or that another tool wrote.
    MissingPackageError
        If ai-edge-litert is not installed.
    MismatchError
        If the file has no classifier of that name. The message lists those it has.
    """
    path = existing_file(path).resolve()
    model = LiteRtModel(path, read_attachment(path))
    names = model.attachment.heads
    if head is None:
        return LiteRtKit(model) if names else LiteRtClassifier(model)
    if head not in names:
        found = f"the classifiers {', '.join(names)}" if names else "one classifier without a name"
        raise MismatchError(f"{path}: no classifier is named {head!r}; the file contains {found}")
    return LiteRtClassifier(model, names.index(head))
