"""fastText's own way from a text to rows: words, their character n-grams, and n-grams of words.

A text is cut at ASCII white space and ends with the word `</s>`. Words that the model does not know
have no row, and are left out but for their n-grams. N-grams have buckets that a hash chooses; a
pruned model has rows for some of them.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import FileFormatError
from embzip.files.records import Fields, parse_json
from embzip.tokenizers.base import check_ids
from embzip.tokenizers.foreign import ForeignTokenizer
from embzip.vocabulary import Vocabulary, compress, decode_tokens, decompress, encode_tokens

PAD, UNK, _FIRST = 0, 1, 2
_EOS = "</s>"
_SPACE = re.compile("[ \n\r\t\v\f\0]+")
_FACTOR, _WIDE = 116049371, (1 << 64) - 1
_MET = 1 << 16  # words whose n-grams are kept


class FastTextTokenizer(ForeignTokenizer):
    """Text -> ids by a model of fastText; 0 is padding, 1 is never given, then words, then n-grams.

    Parameters
    ----------
    words
        In the order of their rows.
    minn, maxn
        Lengths of character n-grams; 0 without any.
    word_ngrams
        How many words a word n-gram has at most.
    places
        The row of each bucket behind the words, (buckets,), -1 for none.

    Examples
    --------
    >>> tokenizer = FastTextTokenizer(["</s>", "sea"])
    >>> tokenizer.encode(["sea ship"]), list(tokenizer.vocabulary)
    ([[3, 2]], ['<PAD>', '<UNK>', '</s>', 'sea'])
    """

    kind = "fasttext"

    def __init__(
        self,
        words: Sequence[str],
        minn: int = 0,
        maxn: int = 0,
        word_ngrams: int = 1,
        places: NDArray[np.int64] | None = None,
    ) -> None:
        self._options = (minn, maxn, word_ngrams)
        self._places = np.zeros(0, np.int64) if places is None else places
        self._words = tuple(words)
        grams = int(self._places.max(initial=-1)) + 1
        first = _FIRST + len(words)
        names = ["<PAD>", "<UNK>", *words, *(f"<n-gram {i}>" for i in range(grams))]
        self.vocabulary = Vocabulary(
            names, special_ids=range(first, first + grams), pad_id=PAD, unk_id=UNK
        )
        self._met: dict[str, list[int]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return FastTextTokenizer, (self._words, *self._options, self._places)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of the ids, joined by spaces."""
        checked = check_ids(ids, len(self.vocabulary))
        return " ".join(self.vocabulary.token(index) for index in checked)

    def _ids(self, text: str) -> list[int]:
        words = [*(word for word in _SPACE.split(text) if word), _EOS]
        if _EOS in words[:-1]:  # fastText ends a line there
            words = words[: words.index(_EOS) + 1]
        found: list[int] = []
        for word in words:
            found += self._of_word(word)
        longest = self._options[2]
        if longest > 1 and len(self._places):
            hashes = [_signed(_hash(word.encode())) & _WIDE for word in words]
            for at in range(len(hashes)):
                hashed = hashes[at]
                for other in hashes[at + 1 : at + longest]:
                    hashed = (hashed * _FACTOR + other) & _WIDE
                    found += self._bucket(hashed % len(self._places))
        return found

    def _of_word(self, word: str) -> list[int]:
        if word in self._met:
            return self._met[word]
        known = self.vocabulary.get(word)
        found = [] if known is None else [known]
        minn, maxn, _ = self._options
        if maxn and word != _EOS and len(self._places):
            framed = f"<{word}>"
            for at in range(len(framed)):
                for length in range(1, min(maxn, len(framed) - at) + 1):
                    edge = length == 1 and (at == 0 or at + 1 == len(framed))
                    if length >= minn and not edge:
                        hashed = _hash(framed[at : at + length].encode())
                        found += self._bucket(hashed % len(self._places))
        if len(self._met) < _MET:
            self._met[word] = found
        return found

    def _bucket(self, bucket: int) -> list[int]:
        place = int(self._places[bucket])
        return [] if place < 0 else [_FIRST + len(self._words) + place]

    def to_bytes(self) -> bytes:
        """Return words, options and places as compact bytes."""
        minn, maxn, word_ngrams = self._options
        words = encode_tokens(self._words)
        record = {
            "minn": minn, "maxn": maxn, "word_ngrams": word_ngrams, "words": len(self._words),
            "bytes": len(words), "buckets": len(self._places),
        }  # fmt: skip
        places = np.diff(self._places, prepend=-1).astype("<i8")  # all 1 where none was pruned
        return json.dumps(record).encode() + b"\n" + words + compress(places.tobytes())

    @staticmethod
    def from_bytes(content: bytes, rows: int) -> "FastTextTokenizer":
        """Undo `to_bytes`; `rows` is the size of the vocabulary.

        Raises
        ------
        FileFormatError
            For bytes that are cut short or damaged, or of another size.
        """
        line, _, rest = content[: 1 << 12].partition(b"\n")
        record = Fields.of(parse_json(line, "the fastText tokenizer"), "the fastText tokenizer")
        most = {"minn": 100, "maxn": 100, "word_ngrams": 100, "words": rows, "bytes": len(content)}
        taken = {name: record.whole(name, least=0, most=top) for name, top in most.items()}
        buckets = record.whole("buckets", least=0, most=2**31)
        rest = content[len(line) + 1 :]
        words = list(decode_tokens(rest[: taken["bytes"]], taken["words"]))
        plain = decompress(rest[taken["bytes"] :], 8 * buckets)
        if len(plain) != 8 * buckets:
            raise FileFormatError(f"expected {buckets} places of n-grams: the file is damaged")
        places = np.cumsum(np.frombuffer(plain, "<i8"), dtype=np.int64) - 1
        grams = rows - _FIRST - len(words)
        if grams != int(places.max(initial=-1)) + 1 or places.min(initial=0) < -1:
            raise FileFormatError(f"the places of n-grams do not fit {rows} rows")
        options = (taken["minn"], taken["maxn"], taken["word_ngrams"])
        return FastTextTokenizer(words, *options, places)


def _hash(coded: bytes) -> int:
    """Return FNV-1a in 32 bits, of bytes that count as signed."""
    hashed = 2166136261
    for byte in coded:
        hashed = ((hashed ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return hashed


def _signed(hashed: int) -> int:
    return hashed - (1 << 32) if hashed >= 1 << 31 else hashed
