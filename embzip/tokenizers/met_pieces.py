"""Ids of words as they are met: frequent ones are remembered, unknown ones may read as a stem."""

from bisect import bisect_left
from functools import lru_cache

from embzip.tokenizers.word_pattern import word_pattern
from embzip.vocabulary import Vocabulary

PAD, UNK, SPECIAL = 0, 1, 2  # ids, and how many there are that are no words

# By Zipf's law, a few thousand pieces make up most of any text.
_MET, _LONGEST = 16_384, 64

# Words with one stem begin with so many equal characters or more, and have at most so many others.
_STEM, _ENDING = 5, 2


class MetPieces(dict[str, tuple[int, ...]]):
    """A cache of the ids of pieces: of the strings between white space, as they are first met.

    No word contains white space, so the words of a text are those of its pieces. A piece with an
    unknown word is not cached, so that untrusted texts cannot fill the cache; what unknown words
    read as is remembered apart, the last ones met.
    """

    def __init__(self, vocabulary: Vocabulary, stems: bool) -> None:
        super().__init__()
        self._vocabulary, self._stems = vocabulary, stems
        self._remembered = lru_cache(_MET)(self._found)

    def __reduce__(self) -> tuple[object, ...]:
        return MetPieces, (self._vocabulary, self._stems)

    def __missing__(self, piece: str) -> tuple[int, ...]:
        get, unknown = self._vocabulary.get, self._of_stem if self._stems else _unknown
        # No word has id 0: that is padding.
        words = word_pattern(piece).findall(piece)
        found = tuple([get(word) or unknown(word) for word in words])
        known = UNK not in found and (not self._stems or all(map(get, words)))
        if known and len(self) < _MET and len(piece) <= _LONGEST:
            self[piece] = found
        return found

    def _of_stem(self, word: str) -> int:
        """Return the id of the word before or behind this one in order, if its stem is the same."""
        if len(word) < _STEM:
            return UNK
        return (self._remembered if len(word) <= _LONGEST else self._found)(word)

    def _found(self, word: str) -> int:
        token, rows = self._vocabulary.token, len(self._vocabulary)
        at = bisect_left(range(rows), word, lo=SPECIAL, key=token)
        for index in range(max(at - 1, SPECIAL), min(at + 1, rows)):
            near = token(index)
            stem = max(_STEM, len(word) - _ENDING, len(near) - _ENDING)
            if len(near) >= _STEM and word[:stem] == near[:stem]:
                return index
        return UNK


def _unknown(word: str) -> int:
    return UNK
