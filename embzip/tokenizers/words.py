"""The word tokenizer: whole words and single punctuation marks, one id each.

`word_pattern` says what a word is. One outside the vocabulary gets the unknown id, or with `stems`
that of a known word with the same beginning. It is not split into pieces; `bpe.py` does that.
"""

import json
import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.errors import TokenizerError
from embzip.files.reading import existing_file
from embzip.files.records import Fields, parse_json, shown
from embzip.files.writing import write_bytes
from embzip.tokenizers.base import (
    Normalization,
    check_ids,
    check_texts,
)
from embzip.tokenizers.met_pieces import PAD, UNK, MetPieces
from embzip.vocabulary import TokenList, Vocabulary, decode_tokens, encode_tokens

STEMMED = "words+stems"
_SPECIAL = TokenList.of(["<PAD>", "<UNK>"])
_FORMAT, _VERSION = "embzip-words", 1


class WordTokenizer:
    """Text -> ids of whole words; 0 is padding, 1 unknown, then the words in code point order.

    Parameters
    ----------
    words
        Distinct, in code point order, so that a saved file needs no permutation.
    normalization
        What happens to a text first; the words must be in that form to be found.
    counts
        How often each id occurs in the corpus, `len(words) + 2` numbers: padding (0), unknown,
        then the words. None if that is not known.
    stems
        Whether an unknown word reads as its neighbour in code point order where both begin with
        the same 5 characters or more, and have at most 2 others.

    Raises
    ------
    TokenizerError
        For words that are not distinct and in order, or another number of counts.

    Examples
    --------
    >>> tokenizer = WordTokenizer(["!", "cat", "the"], Normalization())
    >>> tokenizer.encode(["The cat sat!"])
    [[4, 3, 1, 2]]
    >>> tokenizer.decode([4, 3, 1])
    'the cat <UNK>'
    >>> stemmed = WordTokenizer(["distil", "plant"], Normalization(), stems=True)
    >>> stemmed.decode(stemmed.encode(["distill plants planters"])[0])
    'distil plant <UNK>'
    """

    def __init__(
        self,
        words: Iterable[str],
        normalization: Normalization,
        counts: ArrayLike | None = None,
        *,
        stems: bool = False,
    ) -> None:
        packed = TokenList.of(words)
        row = packed.first_misplaced()
        if row is not None:
            raise TokenizerError(
                f"id {row + 2}: words must be distinct and in code point order, but "
                f"{packed[row]!r} follows {packed[row - 1]!r}: pass sorted(set(words))"
            )
        self._normalization = normalization
        every = _SPECIAL + packed
        del words, packed  # frees their memory before the counts are read
        self._vocabulary = Vocabulary(every, pad_id=PAD, unk_id=UNK)
        self._met = MetPieces(self._vocabulary, stems)
        self.stems = stems
        self.counts: NDArray[np.int64] | None = None
        if counts is not None:
            self.counts = np.asarray(counts, np.int64)
            if self.counts.shape != (len(self._vocabulary),):
                raise TokenizerError(
                    f"expected {len(self._vocabulary)} counts, one per id, received an array of "
                    f"shape {self.counts.shape}"
                )

    @property
    def kind(self) -> str:
        """The format of `to_bytes`, which does not say whether there are stems."""
        return STEMMED if self.stems else "words"

    @property
    def normalization(self) -> Normalization:
        """How a text is normalized before it is tokenized."""
        return self._normalization

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens in id order."""
        return self._vocabulary

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text; none for an empty text.

        Raises
        ------
        InputTypeError
            If `texts` is not an iterable of str.
        """
        met, apply = self._met.__getitem__, self._normalization.apply
        return [
            list(chain.from_iterable(map(met, apply(text).split()))) for text in check_texts(texts)
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of the ids, joined by spaces; special ids become `<PAD>`, `<UNK>`.

        Raises
        ------
        IdRangeError
            For an id outside the vocabulary.
        InputTypeError
            If an id is not an integer.
        """
        checked = check_ids(ids, len(self._vocabulary))
        return " ".join(self._vocabulary.token(index) for index in checked)

    def to_bytes(self) -> bytes:
        """Return the words as compact bytes, without their counts and the normalization."""
        return encode_tokens(list(self._vocabulary)[len(_SPECIAL) :])

    @staticmethod
    def from_bytes(
        content: bytes, rows: int, normalization: Normalization, *, stems: bool = False
    ) -> "WordTokenizer":
        """Undo `to_bytes`; `rows` is the size of the vocabulary, two special ids included.

        Raises
        ------
        FileFormatError
            If the bytes do not hold `rows - 2` words.
        TokenizerError
            For words out of order.
        """
        if rows < len(_SPECIAL):
            raise TokenizerError(
                f"a word vocabulary has at least 2 rows, padding and unknown, received {rows}"
            )
        words = decode_tokens(content, rows - len(_SPECIAL))
        return WordTokenizer(words, normalization, stems=stems)

    def save(self, path: str | Path) -> None:
        """Write UTF-8 text: one JSON line, then one `token<TAB>count` line per id from 0.

        Raises
        ------
        OutputError
            If the file cannot be written; an existing file is left unchanged.
        """
        rows = len(self._vocabulary)
        counts = [0] * rows if self.counts is None else self.counts.tolist()
        record = {
            "format": _FORMAT,
            "version": _VERSION,
            "rows": rows,
            "counted": self.counts is not None,
            "stems": self.stems,
            **self._normalization.to_json(),
        }
        lines = [json.dumps(record, sort_keys=True)]
        rows_in_order = zip(self._vocabulary, counts, strict=True)
        lines += (f"{token}\t{count}" for token, count in rows_in_order)
        write_bytes(path, ("\n".join(lines) + "\n").encode())

    @staticmethod
    def load(path: str | Path) -> "WordTokenizer":
        """Read a file that `save` wrote.

        Raises
        ------
        MissingFileError
            If the file does not exist.
        TokenizerError
            For another file, or a damaged one. The message names the line.
        """
        return parse_words(existing_file(path).read_bytes(), str(path))


def parse_words(content: bytes, where: str) -> WordTokenizer:
    """Return the tokenizer in the bytes of a `.words.tsv` file; `where` names it in messages.

    Raises
    ------
    TokenizerError
        For other bytes, or damaged ones. The message names the line.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise TokenizerError(
            f"{where}, line {row}, offset {error.start}: expected UTF-8, found {error.reason}"
        ) from error
    lines = text.split("\n")
    record = _words_record(lines[0], where)
    rows = record.whole("rows")
    if lines.pop() != "" or len(lines) - 1 != rows:
        raise TokenizerError(
            f"{where}: line 1 declares {rows} rows, found {len(lines) - 1} complete "
            "ones: the file is cut short or was edited; build it again with `embzip build-words`"
        )
    tokens: list[str] = []
    counts: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        token, tab, digits = line.partition("\t")
        # A count has at most 18 digits, so it fits into 64 bits.
        if not (token and tab and re.fullmatch("[0-9]{1,18}", digits)):
            raise TokenizerError(
                f"{where}, line {number}: expected token<TAB>count, found {line[:80]!r}"
            )
        tokens.append(token)
        counts.append(int(digits))
    if tokens[: len(_SPECIAL)] != list(_SPECIAL):
        raise TokenizerError(
            f"{where}, line 2: the first two rows must be <PAD> and <UNK>, found {tokens[:2]}"
        )
    normalization = Normalization.from_json(record)
    counted = counts if record.take("counted", bool, True) else None
    stems = record.take("stems", bool, False)
    try:
        return WordTokenizer(tokens[len(_SPECIAL) :], normalization, counted, stems=stems)
    except TokenizerError as error:
        raise TokenizerError(f"{where}: {error}") from error


def _words_record(line: str, where: str) -> Fields:
    where = f"{where}, line 1"
    record = parse_json(line, where, error=TokenizerError) if line.startswith("{") else None
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise TokenizerError(
            f"{where}: expected the JSON line of an {_FORMAT} file, found {line[:80]!r}"
        )
    fields = Fields(record, where, TokenizerError)
    if fields.take("version", int) != _VERSION:
        raise TokenizerError(
            f"{where}: this embzip reads version {_VERSION} of words files, found version "
            f"{shown(record['version'])}: install a newer embzip"
        )
    return fields
