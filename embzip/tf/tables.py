"""Prepares the table of a training run: special rows, a tokenizer, and the right dtype."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import MismatchError
from embzip.tokenizers.reach import (
    Reach,
    unknown_rate,
    unreachable,
    warn_unknown,
    warn_unreachable,
)
from embzip.vectors.base import Vectors, vectors_of
from embzip.vectors.keyed import is_keyed
from embzip.vectors.own_words import with_tokenizer


def table_of(
    vectors: Vectors | CompressedEmbedding,
    trainable: bool,
    random_seed: int | None,
    lowercase: bool | None = None,
) -> Vectors | CompressedEmbedding:
    """Return trainable `Vectors`, or a frozen table; with special rows and a tokenizer.

    `lowercase` is what `with_tokenizer` takes.
    """
    if is_keyed(vectors):
        vectors = vectors_of(vectors)
    if lowercase is not None and vectors.tokenizer is not None:
        raise MismatchError(
            "lowercase (--lowercase, --no-lowercase) is for tables without a tokenizer, and this "
            "one has its own, which says whether texts are lower-cased: leave it out"
        )
    if isinstance(vectors, CompressedEmbedding):
        if vectors.vocabulary is None:
            raise MismatchError(
                "training needs a table with a vocabulary, and this one has none: compress "
                "Vectors, not a bare array"
            )
        if not trainable and random_seed is None:
            if None in (vectors.pad_id, vectors.unk_id) or vectors.tokenizer is None:
                raise MismatchError(
                    "a frozen compressed table needs a padding row, an unknown row and a "
                    "tokenizer, and this one lacks some: train on the float32 vectors it was made "
                    "from, or with trainable=True (--trainable)"
                )
            return vectors
        vectors = Vectors(vectors.vocabulary, vectors.decode(), vectors.counts, vectors.tokenizer)
    vectors = with_tokenizer(vectors, lowercase=lowercase)
    if random_seed is not None:
        vectors = redrawn(vectors, random_seed)
    return vectors if trainable else compress(vectors, "float32")


def redrawn(table: Vectors, seed: int) -> Vectors:
    """Return random rows with the table's standard deviation, as a baseline for training."""
    ids = table.ordinary_ids()
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal(table.matrix.shape, np.float32)
    matrix *= np.float32(table.matrix[ids].std(dtype=np.float64))
    matrix[table.vocabulary.pad_id] = 0
    return replace(table, matrix=matrix)


def reach_of(
    table: Vectors | CompressedEmbedding, encoded: Sequence[Sequence[int]], *, foreign: bool
) -> Reach:
    """Return how a table's tokenizer fits the training texts, and warn where it does not.

    Of a foreign table, which came without a tokenizer, it is also seen what of it is never read.
    """
    if table.tokenizer is None:
        return Reach(0.0)
    case = "lower-cased" if table.tokenizer.normalization.lowercase else "not lower-cased"
    by_hand = f"texts are {case}, which --lowercase or --no-lowercase (lowercase=) decides by hand"
    remedy = "train vectors on texts like these, over more of their words (build-words --min-count)"
    rate = unknown_rate(encoded, table.tokenizer.vocabulary.unk_id)
    warn_unknown(rate, "the training texts", f"{remedy}; {by_hand}" if foreign else remedy)
    if not foreign:
        return Reach(rate)
    lost = tuple(unreachable(table.tokenizer))
    tokens = table.rows - len(table.tokenizer.vocabulary.special_ids)
    form = table.tokenizer.normalization.unicode
    warn_unreachable(lost, tokens, f"texts are cut at punctuation and brought to {form}; {by_hand}")
    return Reach(rate, lost, tokens)
