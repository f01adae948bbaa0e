"""Stores labelled texts as ids in the smallest sufficient integer types; makes padded batches.

This needs no TensorFlow, and is here because only training uses it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.classifier import Encoder
from embzip.corpus import Example
from embzip.embedding import CompressedEmbedding
from embzip.engine import spans
from embzip.errors import InputError, MismatchError
from embzip.labelled.splits import split_examples
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix
from embzip.vectors.base import Vectors

Ids = NDArray[np.unsignedinteger[Any]]

POOL = 50  # batches whose texts are sorted by length together


@dataclass(frozen=True, eq=False)
class Batches:
    """Texts with their labels.

    Attributes
    ----------
    ids
        (tokens,) of all texts, one after the other, in the smallest unsigned type that holds the
        table's rows: padded to the longest, texts of unlike length would take several times more.
    lengths
        The number of tokens of each text, at most max_length.
    labels
        (texts,) indices of the labels; an unknown label has the number of labels as its index.
    max_length
        The most tokens of a text in a batch, those of its padding among them.
    padding
        The number of padding tokens that every text keeps, as far as `max_length` allows.
    pad_id
        The row of a padding token.
    targets
        (texts, classes) probabilities to learn instead of the labels, or None.
    """

    ids: Ids
    lengths: NDArray[np.int32]
    labels: Ids
    max_length: int
    padding: int = 0
    pad_id: int = 0
    targets: Matrix | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """Where each text ends in `ids`."""
        return np.cumsum(self.lengths, dtype=np.int64)

    def balance(self, classes: int) -> Matrix:
        """Return (classes,) weights by which all labels count alike, and a text 1 on the mean.

        A label with so many texts has the weight `texts / (classes * its texts)`; of targets, the
        sum of its probabilities is how many. King and Zeng 2001, as in scikit-learn's "balanced".
        """
        counts = np.bincount(self.labels, minlength=classes).astype(np.float32)
        if self.targets is not None:
            counts = self.targets.sum(axis=0)
        with np.errstate(divide="ignore"):  # a label without texts is never weighed
            weights = np.where(counts > 0, len(self) / (classes * counts), 0)
        return weights.astype(np.float32)

    def cut(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return int32 (ids, labels) of some texts, without unnecessary padding.

        >>> made = Batches(np.array([7, 8, 9], np.uint8), np.array([1, 2]), np.array([0, 1]), 5, 1)
        >>> made.cut(np.array([1, 0]))
        (array([[8, 9, 0],
               [7, 0, 0]], dtype=int32), array([1, 0], dtype=int32))
        """
        lengths, ends = self.lengths[chosen], self._ends[chosen]
        width = min(int(lengths.max()) + self.padding, self.max_length)
        ids = np.full((len(chosen), width), self.pad_id, np.int32)
        for row, length, end in zip(ids, lengths.tolist(), ends.tolist(), strict=True):
            row[:length] = self.ids[end - length : end]
        return ids, self.labels[chosen].astype(np.int32)

    def shuffled(
        self, batch_size: int, rng: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32] | Matrix]]:
        """Yield (ids, labels) of every text once, in random batches of texts of similar length.

        Where there are targets, they stand in the labels' place.

        A batch is padded to its longest text. So random texts are drawn for `POOL` batches at a
        time and sorted by length; then all batches are shuffled.
        """
        order = rng.permutation(len(self))
        batches: list[NDArray[np.int64]] = []
        for pool in spans(len(order), POOL * batch_size):
            drawn = order[pool]
            by_length = drawn[np.argsort(self.lengths[drawn], kind="stable")]
            batches += (by_length[part] for part in spans(len(by_length), batch_size))
        for index in rng.permutation(len(batches)).tolist():
            ids, labels = self.cut(batches[index])
            yield ids, labels if self.targets is None else self.targets[batches[index]]


def smallest_type(largest: int) -> np.dtype[Any]:
    """Return the smallest unsigned integer type that holds 0..largest.

    >>> smallest_type(30_000)
    dtype('uint16')
    """
    return np.min_scalar_type(largest)


def tokenizer_of(table: Vectors | CompressedEmbedding) -> Tokenizer:
    """Return the tokenizer of a table; raises MismatchError without one."""
    if table.tokenizer is None:
        raise MismatchError(
            "encoding the examples needs a tokenizer, and this table has none: use a table that "
            "was trained with one (`embzip train-vectors`)"
        )
    return table.tokenizer


def encode(table: Vectors | CompressedEmbedding, examples: Sequence[Example]) -> list[list[int]]:
    """Return the ids of each example's text."""
    return tokenizer_of(table).encode([example.text for example in examples])


def batches_of(
    examples: Sequence[Example],
    labels: Sequence[str],
    table: Vectors | CompressedEmbedding,
    config: Encoder,
    encoded: Sequence[Sequence[int]] | None = None,
) -> Batches:
    """Encode texts, unless `encoded` is given, and cut them to `config.max_length`."""
    if encoded is None:
        encoded = encode(table, examples)
    place = {label: index for index, label in enumerate(labels)}
    found = [place.get(example.label, len(labels)) for example in examples]
    return batches_of_ids(encoded, np.array(found, smallest_type(len(labels))), table, config)


def batches_of_ids(
    encoded: Sequence[Sequence[int]],
    labels: Ids,
    table: Vectors | CompressedEmbedding,
    config: Encoder,
) -> Batches:
    """Cut the ids of texts to `config.max_length`; `labels` are their indices."""
    longest = config.max_length
    lengths = np.array([min(len(ids), longest) for ids in encoded], np.int32)
    tokens = chain.from_iterable(islice(ids, longest) for ids in encoded)
    ids = np.fromiter(tokens, smallest_type(table.rows - 1), int(lengths.sum()))
    pad_id = None if table.vocabulary is None else table.vocabulary.pad_id
    return Batches(ids, lengths, labels, longest, config.padding, pad_id or 0)


def joined(parts: Sequence[Batches]) -> Batches:
    """Return batches one after the other; they are of the same table and encoder.

    >>> one = Batches(np.ones(4, np.uint8), np.array([3, 1]), np.zeros(2, np.uint8), 3)
    >>> len(joined([one, one]))
    4
    """
    targets = [part.targets for part in parts if part.targets is not None]
    return replace(
        parts[0],
        ids=np.concatenate([part.ids for part in parts]),
        lengths=np.concatenate([part.lengths for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        targets=np.concatenate(targets) if targets else None,
    )


def training_and_dev(
    examples: Sequence[Example], dev: Sequence[Example] | None
) -> tuple[list[Example], list[Example]]:
    """Return (training, dev); without `dev`, `split_examples` holds out a tenth.

    If none are held out, the training examples themselves are also the dev examples.

    Raises
    ------
    InputError
        If `dev` is empty.
    """
    if dev is not None:
        if not dev:
            raise InputError(
                "dev must contain examples, received none: pass None to hold out a tenth of the "
                "training examples"
            )
        return list(examples), list(dev)
    kept, held_out = split_examples(examples)
    return kept, held_out or kept


def default_max_length(lengths: Sequence[int], *, least: int, most: int) -> int:
    """Return the 99th percentile of the lengths in tokens, limited to least..most."""
    return min(most, max(least, int(np.percentile(lengths, 99, method="higher"))))
