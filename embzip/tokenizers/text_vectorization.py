"""Keras' TextVectorization as a tokenizer: the ids that the layer gives, without Keras.

Texts are standardized and split as TensorFlow does it: only ASCII letters become small, and words
end at ASCII white space. Nothing is padded or cut, as a layer with `output_sequence_length` does
behind this.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from embzip.errors import TokenizerError
from embzip.files.records import Fields, parse_json
from embzip.tokenizers.base import check_ids
from embzip.tokenizers.foreign import ForeignTokenizer
from embzip.vocabulary import Vocabulary, decode_tokens, encode_tokens

PAD, UNK, _FIRST = 0, 1, 2
STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation", "")
SPLIT = ("whitespace", "character", "")
_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_PUNCTUATION = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")
_SPACE = re.compile("[ \t\n\v\f\r]+")
_LARGEST = 100  # of the n-grams


class TextVectorizationTokenizer(ForeignTokenizer):
    """Text -> ids by the options and the vocabulary of a TextVectorization layer.

    Id 0 is padding and the empty token, 1 is every unknown token, as in the layer.

    Parameters
    ----------
    tokens
        The vocabulary in id order, without those two.
    standardize
        `lower_and_strip_punctuation`, `lower`, `strip_punctuation`, or an empty string for none.
    split
        `whitespace`, `character`, or an empty string: then a text is one token.
    ngrams
        How many parts a token is joined of, in the order in which such tokens follow one another;
        empty where parts are tokens.

    Raises
    ------
    DuplicateError
        For a token that stands twice.

    Examples
    --------
    >>> tokenizer = TextVectorizationTokenizer(["sea", "the"])
    >>> tokenizer.encode(["The sea, the ship!"])
    [[3, 2, 3, 1]]
    """

    kind = "text-vectorization"

    def __init__(
        self,
        tokens: Iterable[str],
        standardize: str = STANDARDIZE[0],
        split: str = SPLIT[0],
        ngrams: Sequence[int] = (),
    ) -> None:
        self._options = (standardize, split, tuple(ngrams))
        self.vocabulary = Vocabulary(["<PAD>", "[UNK]", *tokens], pad_id=PAD, unk_id=UNK)

    def __reduce__(self) -> tuple[Any, ...]:
        return TextVectorizationTokenizer, (list(self.vocabulary)[_FIRST:], *self._options)

    def _ids(self, text: str) -> list[int]:
        standardize, split, ngrams = self._options
        if standardize.startswith("lower"):
            text = text.translate(_UPPER)
        if standardize.endswith("strip_punctuation"):
            text = _PUNCTUATION.sub("", text)
        if split == "whitespace":
            parts = [part for part in _SPACE.split(text) if part]
        else:
            parts = list(text) if split else [text]
        if ngrams:
            parts = [
                " ".join(parts[at : at + size])
                for size in ngrams
                for at in range(len(parts) - size + 1)
            ]
        get = self.vocabulary.get
        # No token has id 0: that is padding, and a text that is empty as a whole.
        return [get(part) or UNK if part else PAD for part in parts]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the tokens of the ids, joined by spaces."""
        checked = check_ids(ids, len(self.vocabulary))
        return " ".join(self.vocabulary.token(index) for index in checked)

    def to_bytes(self) -> bytes:
        """Return options and vocabulary as compact bytes."""
        standardize, split, ngrams = self._options
        record = {"standardize": standardize, "split": split, "ngrams": ngrams}
        return json.dumps(record).encode() + b"\n" + encode_tokens(list(self.vocabulary)[_FIRST:])

    @staticmethod
    def from_bytes(content: bytes, rows: int) -> "TextVectorizationTokenizer":
        """Undo `to_bytes`; `rows` is the size of the vocabulary.

        Raises
        ------
        FileFormatError
            For bytes that are cut short or damaged.
        TokenizerError
            For fewer rows than padding and unknown tokens have.
        """
        where = "the TextVectorization tokenizer"
        line, _, tokens = content.partition(b"\n")
        record = Fields.of(parse_json(line[: 1 << 12], where), where)
        if rows < _FIRST:
            raise TokenizerError(f"{where} has at least {_FIRST} rows, found {rows}")
        return TextVectorizationTokenizer(
            decode_tokens(tokens, rows - _FIRST),
            record.choice("standardize", STANDARDIZE),
            record.choice("split", SPLIT),
            record.wholes("ngrams", most=_LARGEST),
        )


def of_config(config: Fields, vocabulary: Sequence[str] | None) -> TextVectorizationTokenizer:
    """Return the tokenizer of a layer's configuration.

    Parameters
    ----------
    vocabulary
        What the layer learned: its tokens in id order, padding and unknown first; None where they
        stand in the configuration.

    Raises
    ------
    TokenizerError
        For options that only the layer itself can follow, and without a vocabulary.
    """
    own = config.values.get("vocabulary")
    tokens = own if isinstance(own, list) and own else vocabulary
    if not isinstance(tokens, list | tuple) or not all(isinstance(each, str) for each in tokens):
        raise TokenizerError(
            f"{config.where}: expected a TextVectorization with its vocabulary, found none: adapt "
            "it before it is saved, or write `get_vocabulary()` to vocabulary.txt beside"
        )
    mode, encoding = config.values.get("output_mode", "int"), config.values.get("encoding", "utf-8")
    if mode != "int" or str(encoding).lower() not in ("utf-8", "utf8"):
        raise TokenizerError(
            f"{config.where}: a TextVectorization must give ids of UTF-8 text (output_mode='int'), "
            f"found output_mode={mode!r} and encoding={encoding!r}"
        )
    standardize, split = _named(config, "standardize", STANDARDIZE), _named(config, "split", SPLIT)
    ngrams = config.values.get("ngrams")
    sizes = list(range(1, ngrams + 1)) if type(ngrams) is int else ngrams or []
    if not isinstance(sizes, list) or not all(
        type(size) is int and 1 <= size <= _LARGEST for size in sizes
    ):
        raise TokenizerError(f"{config.where}: ngrams must be whole numbers up to {_LARGEST}")
    special = ("", "[UNK]")
    first = 2 if tuple(tokens[:2]) == special else int(tuple(tokens[:1]) == special[1:])
    return TextVectorizationTokenizer(tokens[first:], standardize, split, sizes)


def _named(config: Fields, name: str, known: Sequence[str]) -> str:
    """Return an option that is one of a few names, or none."""
    value = config.values.get(name, known[0])
    value = "" if value is None else value
    if isinstance(value, str) and value in known:
        return value
    raise TokenizerError(
        f"{config.where}: {name} must be one of {', '.join(known[:-1])} or none, found a function "
        "or another name, which only the layer itself can follow"
    )
