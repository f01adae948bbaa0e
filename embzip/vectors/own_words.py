"""A tokenizer for a foreign table: its own tokens as words."""

import numpy as np

from embzip.tokenizers.base import Normalization
from embzip.tokenizers.words import WordTokenizer
from embzip.vectors.base import Vectors, with_special_rows
from embzip.vectors.foreign_tokens import is_lowercase
from embzip.vectors.matrix import mean_row


def with_tokenizer(table: Vectors, *, lowercase: bool | None = None) -> Vectors:
    """Return vectors with a padding row, an unknown row and a tokenizer; missing ones are added.

    A foreign table gets a word tokenizer with its own tokens, whose order its rows are sorted into.
    Texts are lower-cased if `lowercase` says so; where it is None, if the table's words are in
    small letters, as `is_lowercase` has it.
    """
    if table.tokenizer is not None:
        return with_special_rows(table)
    ordinary = [(table.vocabulary.token(i), i) for i in table.ordinary_ids().tolist()]
    ordinary.sort()
    words = [token for token, _ in ordinary]
    ids = np.array([index for _, index in ordinary], np.int64)
    unk_id = table.vocabulary.unk_id
    counts = None
    if table.counts is not None:
        unknown_count = 0 if unk_id is None else table.counts[unk_id]
        counts = np.concatenate([[0, unknown_count], table.counts[ids]])
    case = is_lowercase(words) if lowercase is None else lowercase
    tokenizer = WordTokenizer(words, Normalization(lowercase=case), counts)
    unknown = mean_row(table.matrix, ids) if unk_id is None else table.matrix[unk_id]
    matrix = np.zeros((len(words) + 2, table.dim), np.float32)
    matrix[1] = unknown
    matrix[2:] = table.matrix[ids]
    return Vectors(tokenizer.vocabulary, matrix, counts, tokenizer)
