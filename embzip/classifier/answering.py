"""Computes the probabilities of tokenized texts: padding, one look-up for all heads, softmax."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.encoder import Encoder, linear
from embzip.types import Arrays, Matrix

if TYPE_CHECKING:  # serving a .tflite does not load the codecs
    from embzip.embedding import CompressedEmbedding

_CELLS = 4096  # padded tokens per batch: bounds the memory, and fits into the caches


@dataclass(frozen=True, eq=False)
class Head:
    """The part of a classifier above the table: an encoder, the dense layer, softmax."""

    config: Encoder
    arrays: Arrays

    @cached_property
    def _prepared(self) -> Arrays:
        return self.config.prepare(self.arrays)

    def features(self, rows: Matrix, shown: Matrix) -> Matrix:
        """Return (texts, features) for decoded rows, which are not modified."""
        limit = self.config.max_length
        columns, shown = rows[:, :limit], shown[:, :limit]
        if self.config.indicator:
            columns = np.concatenate([columns, shown[..., None]], axis=-1)
        return self.config.encode(columns, shown, self._prepared)

    def logits(self, rows: Matrix, shown: Matrix) -> Matrix:
        """Return (texts, classes) for decoded rows (texts, length, dim), which are not modified."""
        return linear(self.features(rows, shown), self.arrays, "dense")


def probabilities_of(
    embedding: "CompressedEmbedding", heads: Sequence[Head], ids: Sequence[Sequence[int]]
) -> list[Matrix]:
    """Return the (texts, classes) of each head; rows are looked up once for all heads."""
    answers = logits_of(embedding, heads, ids)
    for answer in answers:  # in place
        answer -= answer.max(axis=1, keepdims=True)
        np.exp(answer, out=answer)
        answer /= answer.sum(axis=1, keepdims=True)
    return answers


def logits_of(
    embedding: "CompressedEmbedding", heads: Sequence[Head], ids: Sequence[Sequence[int]]
) -> list[Matrix]:
    """Return the (texts, classes) of each head before softmax."""
    answers = [np.empty((len(ids), len(head.arrays["dense.bias"])), np.float32) for head in heads]
    for batch, rows, shown in _looked_up(embedding, heads, ids):
        for head, answer in zip(heads, answers, strict=True):
            answer[batch] = head.logits(rows, shown)
    return answers


def features_of(
    embedding: "CompressedEmbedding", head: Head, ids: Sequence[Sequence[int]]
) -> Matrix:
    """Return the (texts, features) that the dense layer of a head reads."""
    found = np.empty((len(ids), head.config.features), np.float32)
    for batch, rows, shown in _looked_up(embedding, [head], ids):
        found[batch] = head.features(rows, shown)
    return found


def _looked_up(
    embedding: "CompressedEmbedding", heads: Sequence[Head], ids: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], Matrix, Matrix]]:
    """Yield (indices of texts, their rows, which of those are tokens) in batches."""
    for batch, padded in _batches(ids, [head.config for head in heads], embedding.pad_id or 0):
        yield batch, embedding[padded], (padded != embedding.pad_id).astype(np.float32)


def _batches(
    ids: Sequence[Sequence[int]], configs: Sequence[Encoder], pad_id: int
) -> Iterator[tuple[list[int], NDArray[np.int32]]]:
    """Yield (indices of texts, their padded ids) in batches, the longest texts first.

    A batch is padded to the length of its longest text plus the encoders' `padding`, at most to
    `max_length`: more padding would change nothing.
    """
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    while order:
        tokens = len(ids[order[-1]])
        longest = max(min(config.max_length, tokens + config.padding) for config in configs)
        batch = order[-max(1, _CELLS // longest) :]
        del order[-len(batch) :]
        padded = np.full((len(batch), longest), pad_id, np.int32)
        for row, index in enumerate(batch):
            cut = ids[index][:longest]
            padded[row, : len(cut)] = cut
        yield batch, padded
