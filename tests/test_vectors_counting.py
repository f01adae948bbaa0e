"""Counts of a table's rows in texts."""

import numpy as np
import pytest

from embzip.errors import InputError
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.counting import counts_in, row_counts
from embzip.vocabulary import Vocabulary


def test_by_the_tables_tokenizer() -> None:
    words = WordTokenizer(["cat", "the"], Normalization())
    counts = counts_in(["The cat", "the sea"], words.vocabulary, words)
    np.testing.assert_array_equal(counts, [0, 0, 1, 2])  # unknown words are nobody's


def test_a_foreign_table_finds_words_as_written_then_lower_cased() -> None:
    words = Vocabulary(["Paris", "in", "rain"])
    np.testing.assert_array_equal(counts_in(["Rain IN Paris"], words), [1, 1, 1])


def test_tokens_without_counts_have_none() -> None:
    np.testing.assert_array_equal(row_counts(Vocabulary(["a", "b"]), {"b": 2}), [0, 2])


def test_nothing_known_is_refused() -> None:
    with pytest.raises(InputError, match="none of the table's 1 tokens"):
        counts_in(["дождь"], Vocabulary(["rain"]))
