"""What tokenizers of other programs share: they read texts as they are, and own their ids."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from embzip.errors import TokenizerError
from embzip.files.writing import write_bytes
from embzip.tokenizers.base import Normalization, check_texts
from embzip.vocabulary import Vocabulary, compress, decompress

MOST_BYTES = 1 << 27  # of a tokenizer's file
_AS_IT_IS = Normalization(lowercase=False, unicode="none")


class ForeignTokenizer(ABC):
    """Text -> ids as another program gives them; a subclass says how one text is read.

    Attributes
    ----------
    kind
        The format of `to_bytes`.
    vocabulary
        The tokens in id order.
    """

    kind: ClassVar[str]
    vocabulary: Vocabulary

    @property
    def normalization(self) -> Normalization:
        """What happens before: nothing, since the tokenizer says what its own is."""
        return _AS_IT_IS

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text.

        Raises
        ------
        InputTypeError
            If `texts` is not an iterable of str.
        """
        # Texts are encoded one by one: a batch would start threads, which do not survive a fork.
        return [self._ids(_AS_IT_IS.apply(text)) for text in check_texts(texts)]

    @abstractmethod
    def _ids(self, text: str) -> list[int]:
        """Return the ids of one text."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids.

        Raises
        ------
        IdRangeError
            For an id outside the vocabulary.
        InputTypeError
            If an id is not an integer.
        """

    @abstractmethod
    def to_bytes(self) -> bytes:
        """Return the tokenizer as compact bytes, for a .embz file."""


class KeptFile(ForeignTokenizer):
    """A tokenizer whose file is kept whole, and run by the library that owns it.

    A subclass is made of the file's bytes, and their name in messages.

    Attributes
    ----------
    content
        The bytes of the file.
    """

    content: bytes

    @abstractmethod
    def __init__(self, content: bytes, where: str) -> None:
        """Have the library read the file; raises TokenizerError where it cannot."""

    def _keep(self, content: bytes, where: str) -> None:
        """Note the file; raises TokenizerError where it is too large."""
        if len(content) > MOST_BYTES:
            raise TokenizerError(
                f"{where}: a tokenizer has at most {MOST_BYTES:,} bytes, found {len(content):,}"
            )
        self.content, self._where = content, where

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.content, self._where)

    def to_bytes(self) -> bytes:
        """Return the file, compressed."""
        return compress(self.content)

    @classmethod
    def from_bytes(cls, content: bytes, rows: int, where: str = "the tokenizer") -> Self:
        """Undo `to_bytes`; `rows` is the size of the vocabulary.

        Raises
        ------
        FileFormatError
            For bytes that are cut short or damaged.
        TokenizerError
            For a tokenizer of another size, or none.
        """
        made = cls(decompress(content, MOST_BYTES), where)
        if len(made.vocabulary) != rows:
            raise TokenizerError(
                f"{where}: expected {rows} tokens, as many as the table has rows, found "
                f"{len(made.vocabulary)}"
            )
        return made

    def save(self, path: str | Path) -> None:
        """Write the file as it was read.

        Raises
        ------
        OutputError
            If it cannot be written; an existing file is left unchanged.
        """
        write_bytes(path, self.content)
