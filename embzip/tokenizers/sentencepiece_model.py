"""Tokenizers of sentencepiece, from their .model file, run by their own library.

The file is kept whole. Begin and end ids are not added to texts.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from embzip.errors import MissingPackageError, TokenizerError
from embzip.files.writing import write_bytes
from embzip.tokenizers.base import Normalization, check_ids, check_texts
from embzip.vocabulary import Vocabulary, compress, decompress

_MOST_BYTES = 1 << 27
_AS_IT_IS = Normalization(lowercase=False, unicode="none")


class SentencePieceTokenizer:
    """Text -> ids by a sentencepiece model.

    A row for padding is added at the end where the model has none; no text gives its id.

    Parameters
    ----------
    content
        The bytes of the .model file.
    where
        Its name in messages.

    Raises
    ------
    MissingPackageError
        Without sentencepiece.
    TokenizerError
        For what the library cannot read.
    """

    kind = "sentencepiece"

    def __init__(self, content: bytes, where: str = "the sentencepiece model") -> None:
        self.content = content
        self._where = where
        self._made = _read(content, where)
        count = int(self._made.get_piece_size())
        special = {
            index
            for index in range(count)
            if self._made.is_control(index) or self._made.is_unused(index)
        }
        names = [self._made.id_to_piece(index) or f"<unused {index}>" for index in range(count)]
        pad_id = int(self._made.pad_id())
        if pad_id < 0:
            pad_id = len(names)
            names.append("<PAD>")
        unk_id = int(self._made.unk_id())
        self._vocabulary = Vocabulary(names, special_ids=special, pad_id=pad_id, unk_id=unk_id)

    def __reduce__(self) -> tuple[Any, ...]:
        return SentencePieceTokenizer, (self.content, self._where)

    @property
    def normalization(self) -> Normalization:
        """What happens before: nothing, since the model says what its own is."""
        return _AS_IT_IS

    @property
    def vocabulary(self) -> Vocabulary:
        """The pieces in id order."""
        return self._vocabulary

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text, without begin and end.

        Raises
        ------
        InputTypeError
            If `texts` is not an iterable of str.
        """
        # Texts are encoded one by one: a batch would start threads, which do not survive a fork.
        encode, apply = self._made.encode_as_ids, _AS_IT_IS.apply
        return [list(encode(apply(text))) for text in check_texts(texts)]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids, as the library gives it."""
        checked = check_ids(ids, len(self._vocabulary))
        known = int(self._made.get_piece_size())
        return str(self._made.decode([index for index in checked if index < known]))

    def to_bytes(self) -> bytes:
        """Return the model, compressed."""
        return compress(self.content)

    @staticmethod
    def from_bytes(content: bytes, rows: int) -> "SentencePieceTokenizer":
        """Undo `to_bytes`; `rows` is the size of the vocabulary.

        Raises
        ------
        FileFormatError
            For bytes that are cut short or damaged.
        TokenizerError
            For a model of another size, or none.
        """
        made = SentencePieceTokenizer(decompress(content, _MOST_BYTES))
        if len(made.vocabulary) != rows:
            raise TokenizerError(
                f"expected a sentencepiece model of {rows} pieces, as many as the table has rows, "
                f"found {len(made.vocabulary)}"
            )
        return made

    def save(self, path: str | Path) -> None:
        """Write the model as it was read.

        Raises
        ------
        OutputError
            If it cannot be written; an existing file is left unchanged.
        """
        write_bytes(path, self.content)


def _read(content: bytes, where: str) -> Any:  # sentencepiece carries no types
    try:
        import sentencepiece
    except ImportError as error:
        raise MissingPackageError(
            "sentencepiece models need sentencepiece, which is not installed: `pip install "
            "'sentencepiece>=0.2'`, or `uv sync --extra texts` in a checkout"
        ) from error
    made = sentencepiece.SentencePieceProcessor()
    try:
        made.load_from_serialized_proto(content)
    except RuntimeError as error:
        raise TokenizerError(
            f"{where}: sentencepiece cannot read this ({str(error)[:200]}): obtain the file again"
        ) from error
    if made.get_piece_size() < 1 or made.unk_id() < 0:
        raise TokenizerError(f"{where}: expected pieces with an unknown one, found none")
    return made
