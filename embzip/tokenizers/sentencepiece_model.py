"""Tokenizers of sentencepiece, from their .model file, run by their own library.

The file is kept whole. Begin and end ids are not added to texts.
"""

from collections.abc import Iterable
from typing import Any

from embzip.errors import MissingPackageError, TokenizerError
from embzip.tokenizers.base import check_ids
from embzip.tokenizers.foreign import KeptFile
from embzip.vocabulary import Vocabulary


class SentencePieceTokenizer(KeptFile):
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
        self._keep(content, where)
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
        self.vocabulary = Vocabulary(names, special_ids=special, pad_id=pad_id, unk_id=unk_id)

    def _ids(self, text: str) -> list[int]:
        return list(self._made.encode_as_ids(text))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids, as the library gives it."""
        checked = check_ids(ids, len(self.vocabulary))
        known = int(self._made.get_piece_size())
        return str(self._made.decode([index for index in checked if index < known]))


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
