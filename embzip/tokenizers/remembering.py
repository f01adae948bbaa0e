"""Tokenizes texts whose words come again and again, such as mutilated copies of training texts."""

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from embzip.engine import spans
from embzip.tokenizers.base import Tokenizer

# What these read of a text is what they read of each part between spaces.
_BY_PARTS = {"words", "words+stems", "words+aliases", "bpe"}
_TEXTS = 4096  # at a time
_MOST = 1 << 18  # parts


class RememberingTokenizer:
    """Text -> ids as of another tokenizer, which is asked once of each part between two spaces.

    A part is remembered whether its words are known or not: only for texts that can be trusted, as
    those of a training can.

    Examples
    --------
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> words = RememberingTokenizer(WordTokenizer(["cat", "the"], Normalization()))
    >>> [ids.tolist() for ids in words.encode([["The", "cat"], ["the", "dog"]])]
    [[3, 2], [3, 1]]
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._forget()

    def _forget(self) -> None:
        self._number = _Numbers()
        self._ids = np.empty(0, np.int32)  # of all parts, one after the other
        self._starts = np.zeros(1, np.int64)  # of each, and the end of the last

    def encode(self, texts: Sequence[Sequence[str]]) -> list[Sequence[int]]:
        """Return the ids of each text, which is given as its parts."""
        if self._tokenizer.kind not in _BY_PARTS:
            return [*self._tokenizer.encode([" ".join(parts) for parts in texts])]
        return [ids for some in spans(len(texts), _TEXTS) for ids in self._encoded(texts[some])]

    def _encoded(self, texts: Sequence[Sequence[str]]) -> list[Any]:
        if len(self._number) > _MOST:
            self._forget()
        numbers = map(self._number.__getitem__, chain.from_iterable(texts))
        parts = np.fromiter(numbers, np.int64)
        self._remember()
        starts = self._starts[parts]
        lengths = self._starts[parts + 1] - starts
        ends = np.cumsum(lengths)
        flat = self._ids[np.arange(lengths.sum()) + np.repeat(starts - ends + lengths, lengths)]
        ends_of_texts = np.concatenate([[0], ends])[np.cumsum([len(parts) for parts in texts])]
        return np.split(flat, ends_of_texts[:-1])

    def _remember(self) -> None:
        """Tokenize the parts that have a number, and no ids yet."""
        encoded = self._tokenizer.encode([*islice(self._number, len(self._starts) - 1, None)])
        lengths = np.cumsum([len(ids) for ids in encoded], dtype=np.int64)
        self._starts = np.concatenate([self._starts, self._starts[-1] + lengths])
        ids = np.fromiter(chain.from_iterable(encoded), np.int32)
        self._ids = np.concatenate([self._ids, ids])


class _Numbers(dict[str, int]):
    """Numbers strings as they are met, from 0."""

    def __missing__(self, part: str) -> int:
        self[part] = number = len(self)
        return number
