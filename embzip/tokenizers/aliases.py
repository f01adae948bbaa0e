"""A word tokenizer in which some words share the id of another, as pruning with `remap` makes it.

Splitting texts into words is done in `words.py`.
"""

import struct
from collections.abc import Iterable, Mapping

import numpy as np

from embzip.errors import FileFormatError, TokenizerError
from embzip.tokenizers.base import Normalization, check_texts
from embzip.tokenizers.met_pieces import UNK
from embzip.tokenizers.word_pattern import word_pattern
from embzip.tokenizers.words import WordTokenizer
from embzip.vocabulary import (
    Vocabulary,
    compress,
    decode_tokens,
    decompress,
    encode_tokens,
    limit_of,
)

_HEADER = struct.Struct("<II")  # words and aliases together; bytes of their names


class AliasedWords:
    """Text -> ids of whole words; a word without a row of its own may use the row of another.

    Parameters
    ----------
    words
        The tokenizer of the words that have rows of their own.
    aliases
        Further words, and the id of the row that each uses; never a special id.

    Raises
    ------
    TokenizerError
        For an alias that has a row of its own, or an id that belongs to no word.

    Examples
    --------
    >>> words = WordTokenizer(["cat", "the"], Normalization())
    >>> tokenizer = AliasedWords(words, {"kitten": 2})
    >>> tokenizer.encode(["The kitten sat"]), len(tokenizer.vocabulary)
    ([[3, 2, 1]], 4)
    """

    kind = "words+aliases"

    def __init__(self, words: WordTokenizer, aliases: Mapping[str, int]) -> None:
        first = len(words.vocabulary.special_ids)
        for word, index in aliases.items():
            if word in words.vocabulary:
                raise TokenizerError(
                    f"the alias {word!r} is also a word with a row of its own: remove one of them"
                )
            if not first <= index < len(words.vocabulary):
                raise TokenizerError(
                    f"the alias {word!r} must have an id in {first}..{len(words.vocabulary) - 1}, "
                    f"received {index}"
                )
        self.words = words
        self.aliases = dict(aliases)

    @property
    def normalization(self) -> Normalization:
        """How a text is normalized before it is tokenized."""
        return self.words.normalization

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens with rows of their own, in id order; without the aliases."""
        return self.words.vocabulary

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text; none for an empty text.

        Raises
        ------
        InputTypeError
            If `texts` is not an iterable of str.
        """
        get, alias = self.vocabulary.get, self.aliases.get
        return [
            [
                alias(word, UNK) if (index := get(word)) is None else index
                for word in word_pattern(text).findall(text)
            ]
            for text in map(self.normalization.apply, check_texts(texts))
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of the given ids, as `WordTokenizer.decode` does."""
        return self.words.decode(ids)

    def to_bytes(self) -> bytes:
        """Return all words, aliases included, and the ids of the aliases as compact bytes."""
        own = list(self.vocabulary)[len(self.vocabulary.special_ids) :]
        names = sorted([*own, *self.aliases])
        # Names may be many more than rows, and readers know the rows only.
        packed = encode_tokens(names, limit=limit_of(len(self.vocabulary)))
        ids = np.array([self.aliases.get(name, 0) for name in names], "<u4")
        # Stored as byte planes, because the upper bytes of ids are nearly all zero.
        planes = ids.view(np.uint8).reshape(-1, 4).T
        return _HEADER.pack(len(names), len(packed)) + packed + compress(planes.tobytes())

    @staticmethod
    def from_bytes(content: bytes, rows: int, normalization: Normalization) -> "AliasedWords":
        """Undo `to_bytes`; `rows` is the size of the vocabulary, two special ids included.

        Raises
        ------
        FileFormatError
            For bytes that are cut short or damaged.
        TokenizerError
            For words out of order, or ids outside the vocabulary.
        """
        if len(content) < _HEADER.size:
            raise FileFormatError(
                f"words with aliases take at least {_HEADER.size} bytes, found {len(content)}: "
                "the file is cut short"
            )
        count, length = _HEADER.unpack_from(content)
        end = _HEADER.size + length
        most = limit_of(rows)
        if count > most:
            raise FileFormatError(f"{rows} rows have at most {most:,} names, found {count:,}")
        every = decode_tokens(content[_HEADER.size : end], count, limit=most)
        planes = np.frombuffer(decompress(content[end:], 4 * count), np.uint8)
        if len(planes) != 4 * count:
            raise FileFormatError(
                f"expected {count} ids of aliases, 4 bytes each, found {len(planes)} bytes: the "
                "file is damaged"
            )
        ids = np.ascontiguousarray(planes.reshape(4, count).T).view("<u4").reshape(-1)
        own = int(np.count_nonzero(ids == 0))
        if own != rows - 2:
            raise FileFormatError(
                f"expected {rows - 2} words with rows of their own, found {own}: the file is "
                "damaged"
            )
        row = every.first_misplaced()
        if row is not None or int(ids.max(initial=0)) >= rows:
            raise FileFormatError(
                "words with aliases must be distinct, in code point order, and read rows below "
                f"{rows}: the file is damaged"
            )
        pairs = list(zip(every, ids.tolist(), strict=True))
        words = WordTokenizer([name for name, index in pairs if not index], normalization)
        return AliasedWords(words, {name: index for name, index in pairs if index})
