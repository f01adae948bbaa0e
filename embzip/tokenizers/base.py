"""The interface of every tokenizer: a normalization, a vocabulary, and text -> ids.

A model works only with the tokenizer it was trained with. So the tokenizer is stored in the model's
file, and never trained again to recover its ids.
"""

import operator
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, cast, get_args

from embzip.choices import chosen
from embzip.errors import IdRangeError, InputTypeError, TokenizerError
from embzip.files.records import Fields
from embzip.vocabulary import Vocabulary

UnicodeForm = Literal["NFC", "NFKC", "NFD", "NFKD", "none"]
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Normalization:
    """How a text is normalized before it is tokenized.

    Attributes
    ----------
    lowercase
        Whether `str.lower` is applied, after Unicode normalization.
    unicode
        The Unicode normalization form, or `none`.

    Examples
    --------
    >>> Normalization().apply("Cafe\\u0301")
    'café'
    """

    lowercase: bool = True
    unicode: UnicodeForm = "NFC"

    def apply(self, text: str) -> str:
        """Return the normalized text; lone surrogates become U+FFFD."""
        if text.isascii():  # ASCII is in every normalization form
            return text.lower() if self.lowercase else text
        if _SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self.unicode != "none":
            text = unicodedata.normalize(self.unicode, text)
        if self.lowercase:
            text = text.lower()
            if self.unicode != "none":  # the lower-cased text may no longer be normalized
                text = unicodedata.normalize(self.unicode, text)
        return text

    @staticmethod
    def of(lowercase: bool, unicode: str) -> "Normalization":
        """Return the normalization of options; raises TokenizerError for an unknown form."""
        form = chosen(unicode, get_args(UnicodeForm), "normal form", TokenizerError)
        return Normalization(lowercase, cast(UnicodeForm, form))

    def to_json(self) -> dict[str, object]:
        """Return the record that tokenizer files contain."""
        return asdict(self)

    @staticmethod
    def from_json(record: Fields) -> "Normalization":
        """Read a record; raises its error without a lowercase flag or a known Unicode form."""
        unicode: Any = record.choice("unicode", get_args(UnicodeForm))
        return Normalization(lowercase=record.take("lowercase", bool), unicode=unicode)


class Tokenizer(Protocol):
    """Text -> ids. Implementations may be pickled."""

    @property
    def kind(self) -> str:
        """The format of `to_bytes`: `words`, `words+stems`, `words+aliases` or `bpe`."""

    @property
    def normalization(self) -> Normalization:
        """How a text is normalized before it is tokenized."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens in id order."""

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text; unknown tokens become `vocabulary.unk_id`."""

    def to_bytes(self) -> bytes:
        """Return the tokenizer as compact bytes, for a .embz file."""


def check_texts(texts: Iterable[str]) -> Sequence[str]:
    """Return texts as a sequence.

    Raises
    ------
    InputTypeError
        For a single string, or an item that is not a string. The message names its type.
    """
    if isinstance(texts, str | bytes):
        raise InputTypeError(
            f"texts must be an iterable of str, received one {type(texts).__name__}: "
            "put it in a list"
        )
    if not isinstance(texts, Iterable):
        raise InputTypeError(f"texts must be an iterable of str, received {type(texts).__name__}")
    checked = texts if isinstance(texts, list | tuple) else list(texts)
    for index, text in enumerate(checked):
        if not isinstance(text, str):
            raise InputTypeError(f"text {index}: expected str, received {type(text).__name__}")
    return checked


def check_ids(ids: Iterable[int], rows: int) -> list[int]:
    """Return token ids as a list of int; NumPy integers are accepted.

    Raises
    ------
    IdRangeError
        For an id outside 0..rows-1.
    InputTypeError
        If `ids` is not an iterable of integers.

    Examples
    --------
    >>> check_ids([0, 2], 3)
    [0, 2]
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InputTypeError(f"ids must be an iterable of int, received {type(ids).__name__}")
    checked: list[int] = []
    for place, received in enumerate(ids):
        try:
            index = operator.index(received)
        except TypeError as error:
            raise InputTypeError(
                f"id {place}: expected an integer, received {type(received).__name__}"
            ) from error
        if not 0 <= index < rows:
            raise IdRangeError(f"id {place}: expected 0..{rows - 1}, received {index}")
        checked.append(index)
    return checked
