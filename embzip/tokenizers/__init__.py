"""Tokenizers: the interface (base), whole words (words), byte pairs (bpe), and building them.

This module only finds the right reader for a file. `building` is not imported here, because
serving a model does not need it.
"""

from pathlib import Path

from embzip.errors import TokenizerError
from embzip.files.places import TOKENIZER
from embzip.files.records import shown
from embzip.tokenizers.aliases import AliasedWords
from embzip.tokenizers.base import Normalization, Tokenizer, UnicodeForm, check_texts
from embzip.tokenizers.bpe import BpeTokenizer, parse_bpe
from embzip.tokenizers.words import STEMMED, WordTokenizer, parse_words
from embzip.tokenizers.yttm_model import YttmModel

__all__ = [
    "AliasedWords",
    "BpeTokenizer",
    "Normalization",
    "Tokenizer",
    "UnicodeForm",
    "WordTokenizer",
    "YttmModel",
    "check_texts",
    "load_tokenizer",
    "tokenizer_from_bytes",
]


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a tokenizer file of either kind, whatever its name: whole words or byte pairs.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    TokenizerError
        For a file that is of neither kind, or is damaged.
    """
    TOKENIZER.kind_of(path, TokenizerError)
    content = Path(path).read_bytes()
    if content.startswith(b"{"):
        return parse_words(content, str(path))
    return parse_bpe(content, str(path))


def tokenizer_from_bytes(
    kind: str, content: bytes, rows: int, normalization: Normalization
) -> Tokenizer:
    """Undo `Tokenizer.to_bytes`.

    Parameters
    ----------
    kind
        `words`, `words+stems`, `words+aliases` or `bpe`: the tokenizer's `kind`.
    content
        The bytes.
    rows
        The size of the vocabulary, special ids included.
    normalization
        The tokenizer's `normalization`.

    Raises
    ------
    FileFormatError
        For damaged bytes.
    TokenizerError
        For an unknown kind, or a vocabulary of another size.
    """
    if kind in ("words", STEMMED):
        return WordTokenizer.from_bytes(content, rows, normalization, stems=kind == STEMMED)
    if kind == AliasedWords.kind:
        return AliasedWords.from_bytes(content, rows, normalization)
    if kind == "bpe":
        return BpeTokenizer.from_bytes(content, rows, normalization)
    raise TokenizerError(
        f"a tokenizer's kind must be 'words', 'words+stems', 'words+aliases' or 'bpe', found "
        f"{shown(kind)}: was the file written by a newer embzip?"
    )
