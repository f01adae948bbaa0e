"""A word tokenizer with further words, for tables that get further rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.tokenizers.aliases import AliasedWords
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.word_pattern import word_pattern
from embzip.tokenizers.words import WordTokenizer


def with_words(tokenizer: Tokenizer, words: Sequence[str]) -> tuple[Tokenizer, NDArray[np.int64]]:
    """Return the tokenizer of more words, and the row of each of its ids.

    Rows are counted through the old ids and then the words, since words stand in code point order
    and so get ids between the old ones.

    Raises
    ------
    InputError
        For a tokenizer of pieces, and for a word that the tokenizer would never find in a text.

    Examples
    --------
    >>> from embzip.tokenizers import Normalization
    >>> more, rows = with_words(WordTokenizer(["cat", "the"], Normalization()), ["sea"])
    >>> list(more.vocabulary), rows.tolist()
    (['<PAD>', '<UNK>', 'cat', 'sea', 'the'], [0, 1, 2, 4, 3])
    """
    if not isinstance(tokenizer, WordTokenizer | AliasedWords):
        raise InputError(
            f"a table of {tokenizer.kind} pieces takes no further rows, because its pieces are "
            "built from one another: train the tokenizer and the table anew"
        )
    for word in words:
        seen = tokenizer.normalization.apply(word)
        if word_pattern(seen).findall(seen) != [word]:
            raise InputError(
                f"the table's tokenizer would never find {word!r} in a text, as it reads "
                f"{word_pattern(seen).findall(seen)} there: leave the word out"
            )
    special = len(tokenizer.vocabulary.special_ids)
    every = [*list(tokenizer.vocabulary)[special:], *words]
    order = np.array(sorted(range(len(every)), key=every.__getitem__), np.int64)
    rows = np.concatenate([np.arange(special), special + order])
    stems = tokenizer.words.stems if isinstance(tokenizer, AliasedWords) else tokenizer.stems
    more = WordTokenizer([every[i] for i in order], tokenizer.normalization, stems=stems)
    if isinstance(tokenizer, WordTokenizer):
        return more, rows
    place = np.argsort(rows)
    kept = {a: int(place[row]) for a, row in tokenizer.aliases.items() if a not in more.vocabulary}
    return AliasedWords(more, kept), rows
