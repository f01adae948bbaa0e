"""What every tokenizer is: a normalization, a vocabulary, and text -> ids.

A tokenizer is what a model was trained with, so it travels inside the model's file; it is never
trained again to recover its ids.
"""

import json
import operator
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from embzip.corpus import Paths, paths_of
from embzip.errors import IdRangeError, InputTypeError, TokenizerError
from embzip.types import Progress
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
        if text.isascii():  # which is in every normal form
            return text.lower() if self.lowercase else text
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


def check_ids(ids: Iterable[int], rows: int) -> list[int]:
    """Return token ids as a list of int; NumPy integers are accepted.

    Raises
    ------
    IdRangeError
        For an id outside 0..rows-1.
    InputTypeError
        For anything that is no iterable of integers.

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


def reported(texts: Iterable[str], corpus: Paths, progress: Progress | None) -> Iterator[str]:
    """Yield texts, reporting every megabyte how many bytes of the corpus were read.

    The total is that of the files; where it is not known (standard input, compressed files), it
    grows with what was read.
    """
    if progress is None:
        yield from texts
        return
    known = [Path(path) for path in paths_of(corpus)]
    total = sum(path.stat().st_size for path in known if path.is_file())
    done = shown = 0
    for text in texts:
        yield text
        done += len(text.encode("utf-8", "surrogatepass")) + 1
        if done - shown >= 1 << 20:
            shown = done
            progress(done, max(done, total))
    progress(max(done, total), max(done, total))
