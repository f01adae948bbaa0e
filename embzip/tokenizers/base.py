"""What every tokenizer is: a normalization, a vocabulary, and text -> ids.

A tokenizer is what a model was trained with, so it travels inside the model's file; it is never
trained again to recover its ids.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, get_args

from embzip.errors import InputTypeError, TokenizerError
from embzip.vocabulary import Vocabulary

UnicodeForm = Literal["NFC", "NFKC", "NFD", "NFKD", "none"]
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Normalization:
    """What happens to a text before it is tokenized.

    Attributes
    ----------
    lowercase
        Whether `str.lower` is applied, after the unicode form.
    unicode
        The unicode normal form, or `none`.

    Examples
    --------
    >>> Normalization().apply("Cafe\\u0301")
    'café'
    """

    lowercase: bool = True
    unicode: UnicodeForm = "NFC"

    def apply(self, text: str) -> str:
        """Return the normalized text; lone surrogates become U+FFFD."""
        if _SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self.unicode != "none":
            text = unicodedata.normalize(self.unicode, text)
        if self.lowercase:
            text = text.lower()
            if self.unicode != "none":  # lower-casing can leave the normal form
                text = unicodedata.normalize(self.unicode, text)
        return text

    def to_json(self) -> dict[str, object]:
        """Return the record that stands in tokenizer files."""
        return asdict(self)

    @staticmethod
    def from_json(record: object, where: str) -> "Normalization":
        """Read a record, naming `where` it stood if it is not valid.

        Raises
        ------
        TokenizerError
            For anything but a lowercase flag and a known unicode form.
        """
        if (
            isinstance(record, dict)
            and isinstance(record.get("lowercase"), bool)
            and record.get("unicode") in get_args(UnicodeForm)
        ):
            return Normalization(lowercase=record["lowercase"], unicode=record["unicode"])
        raise TokenizerError(
            f"{where}: expected a normalization with 'lowercase' (true or false) and 'unicode' "
            f"({', '.join(get_args(UnicodeForm))}), found {json.dumps(record)[:200]}"
        )


class Tokenizer(Protocol):
    """Text -> ids. Implementations hold no open resources and may be pickled."""

    @property
    def kind(self) -> str:
        """`words` or `bpe`: how the file's tokenizer bytes are to be read."""

    @property
    def normalization(self) -> Normalization:
        """What happens to a text first."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens in id order."""

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text; unknown tokens become `vocabulary.unk_id`."""

    def to_bytes(self) -> bytes:
        """Return the compact bytes that stand in a .embz file."""


def check_texts(texts: Iterable[str]) -> Sequence[str]:
    """Return texts as a sequence.

    Raises
    ------
    InputTypeError
        For a single string, or anything in it that is not a string; names the type.
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
