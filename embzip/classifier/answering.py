"""From tokenized texts to the answers of one or several heads: padding, one look-up, softmax."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.encoder import Encoder, linear
from embzip.types import Arrays, Matrix

if TYPE_CHECKING:  # a .tflite answers without the codecs
    from embzip.embedding import CompressedEmbedding

_CELLS = 4096  # padded tokens computed at once: bounds memory, and fits the caches


@dataclass(frozen=True, eq=False)
class Head:
    """What stands on the rows of a table: an encoder, the dense layer, softmax."""

    config: Encoder
    arrays: Arrays

    @cached_property
    def _prepared(self) -> Arrays:
        return self.config.prepare(self.arrays)

    def probabilities(self, rows: Matrix, shown: Matrix) -> Matrix:
        """Return (texts, classes) of decoded rows (texts, length, dim), which are not changed."""
        limit = self.config.max_length
        columns, shown = rows[:, :limit], shown[:, :limit]
        if self.config.indicator:
            columns = np.concatenate([columns, shown[..., None]], axis=-1)
        logits = linear(self.config.encode(columns, shown, self._prepared), self.arrays, "dense")
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        probabilities: Matrix = powers / powers.sum(axis=1, keepdims=True)
        return probabilities


def probabilities_of(
    embedding: "CompressedEmbedding", heads: Sequence[Head], ids: Sequence[Sequence[int]]
) -> list[Matrix]:
    """Return what each head says of tokenized texts; rows are looked up once for all heads."""
    answers = [np.empty((len(ids), len(head.arrays["dense.bias"])), np.float32) for head in heads]
    for batch, padded in _batches(ids, [head.config for head in heads], embedding.pad_id or 0):
        rows = embedding[padded]
        shown = (padded != embedding.pad_id).astype(np.float32)
        for head, answer in zip(heads, answers, strict=True):
            answer[batch] = head.probabilities(rows, shown)
    return answers


def _batches(
    ids: Sequence[Sequence[int]], configs: Sequence[Encoder], pad_id: int
) -> Iterator[tuple[list[int], NDArray[np.int32]]]:
    """Yield (indices of texts, their ids padded) of all texts, the longest first.

    Each is padded to at most its length and the encoders' `padding`: beyond that, padding changes
    nothing.
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
