"""Prepares the table of a training run: special rows, a tokenizer, and the right dtype."""

from dataclasses import replace

import numpy as np

from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import MismatchError
from embzip.tokenizers.base import Normalization
from embzip.tokenizers.words import WordTokenizer
from embzip.vectors.base import Vectors, with_special_rows
from embzip.vectors.matrix import mean_row


def table_of(
    vectors: Vectors | CompressedEmbedding, trainable: bool, random_seed: int | None
) -> Vectors | CompressedEmbedding:
    """Return trainable `Vectors`, or a frozen table; with special rows and a tokenizer."""
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
    vectors = with_tokenizer(vectors)
    if random_seed is not None:
        vectors = redrawn(vectors, random_seed)
    return vectors if trainable else compress(vectors, "float32")


def with_tokenizer(table: Vectors) -> Vectors:
    """Return vectors with a padding row, an unknown row and a tokenizer; missing ones are added.

    A foreign table gets a word tokenizer with its own tokens, which lower-cases texts if no token
    has an upper-case letter. Its rows are sorted into the order of that tokenizer.
    """
    if table.tokenizer is not None:
        return with_special_rows(table)
    ordinary = [(table.vocabulary.token(i), i) for i in table.ordinary_ids().tolist()]
    ordinary.sort()
    words = [token for token, _ in ordinary]
    tokenizer = WordTokenizer(
        words, Normalization(lowercase=all(word == word.lower() for word in words))
    )
    ids = np.array([index for _, index in ordinary], np.int64)
    unk_id = table.vocabulary.unk_id
    unknown = mean_row(table.matrix, ids) if unk_id is None else table.matrix[unk_id]
    matrix = np.zeros((len(words) + 2, table.dim), np.float32)
    matrix[1] = unknown
    matrix[2:] = table.matrix[ids]
    return Vectors(tokenizer.vocabulary, matrix, tokenizer=tokenizer)


def redrawn(table: Vectors, seed: int) -> Vectors:
    """Return random rows with the table's standard deviation, as a baseline for training."""
    ids = table.ordinary_ids()
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal(table.matrix.shape, np.float32)
    matrix *= np.float32(table.matrix[ids].std(dtype=np.float64))
    matrix[table.vocabulary.pad_id] = 0
    return replace(table, matrix=matrix)
