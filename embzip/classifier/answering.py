"""Computes the probabilities of tokenized texts: padding, one look-up for all heads, softmax."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.encoder import Encoder, linear
from embzip.types import Arrays, Matrix

if TYPE_CHECKING:  # serving a .tflite does not load the codecs
    from embzip.embedding import CompressedEmbedding

_CELLS = 2048  # padded tokens per batch: bounds the memory, and fits into the caches
_GROUPED = 64  # batches, divided by the number of heads


@dataclass(frozen=True, eq=False)
class Head:
    """The part of a classifier above the table: an encoder, the dense layer, softmax."""

    config: Encoder
    arrays: Arrays

    @cached_property
    def _prepared(self) -> Arrays:
        return self.config.prepare(self.arrays)

    def seen(self, rows: Matrix, shown: Matrix) -> Matrix:
        """Return what the encoder reads of decoded rows (..., dim), which are not modified."""
        if self.config.indicator:
            rows = np.concatenate([rows, shown[..., None]], axis=-1)
        return self.config.seen(rows, self._prepared)

    def features(self, seen: Matrix, shown: Matrix) -> Matrix:
        """Return (texts, features) of what was seen of their tokens, (texts, length, ...)."""
        return self.config.encode(seen, shown, self._prepared)


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
    for batch, found in _encoded(embedding, heads, ids):
        for head, answer, features in zip(heads, answers, found, strict=True):
            answer[batch] = linear(features, head.arrays, "dense")
    return answers


def features_of(
    embedding: "CompressedEmbedding", head: Head, ids: Sequence[Sequence[int]]
) -> Matrix:
    """Return the (texts, features) that the dense layer of a head reads."""
    found = np.empty((len(ids), head.config.features), np.float32)
    for batch, (features,) in _encoded(embedding, [head], ids):
        found[batch] = features
    return found


def _encoded(
    embedding: "CompressedEmbedding", heads: Sequence[Head], ids: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], list[Matrix]]]:
    """Yield (indices of texts, the features of each head) in batches.

    Of several batches, each token is decoded and seen once: it stands in many texts.
    """
    limits = [head.config.max_length for head in heads]
    batches = _batches(ids, [head.config for head in heads], embedding.pad_id or 0)
    while group := list(islice(batches, max(1, _GROUPED // len(heads)))):
        if alone := len(group) == 1:
            known = group[0][1]
        else:
            known = np.unique(np.concatenate([padded.ravel() for _, padded in group]))
        tokens = (known != embedding.pad_id).astype(np.float32)
        rows = embedding[known]
        seen = [head.seen(rows, tokens) for head in heads]
        for batch, padded in group:
            at = ... if alone else np.searchsorted(known, padded)
            shown = tokens[at]
            yield (
                batch,
                [
                    head.features(each[at][:, :limit], shown[:, :limit])
                    for head, each, limit in zip(heads, seen, limits, strict=True)
                ],
            )


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
