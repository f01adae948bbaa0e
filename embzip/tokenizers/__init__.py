"""Tokenizers: what they are (base), whole words (words), byte-pair pieces (bpe), and their making.

See each module; this one only finds the right one for a file. The making, `building`, is imported
by whoever makes one: serving a model does without.
"""

from pathlib import Path

from embzip.errors import TokenizerError
from embzip.files import existing_file
from embzip.tokenizers.aliases import AliasedWords
from embzip.tokenizers.base import Normalization, Tokenizer, UnicodeForm, check_texts
from embzip.tokenizers.bpe import BpeTokenizer, parse_bpe
from embzip.tokenizers.words import WordTokenizer, parse_words
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
    """Read a tokenizer file, of whole words or of byte-pair pieces, whichever it is.

    Raises
    ------
    MissingFileError
        Where there is no such file.
    TokenizerError
        For a file that is neither, or is damaged.
    """
    content = existing_file(path).read_bytes()
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
        `words`, `words+aliases` or `bpe`, as `Tokenizer.kind` said.
    content
        The bytes.
    rows
        The size of the vocabulary, with special ids.
    normalization
        As `Tokenizer.normalization` said.

    Raises
    ------
    FileFormatError
        For damaged bytes.
    TokenizerError
        For an unknown kind, or a tokenizer of another size.
    """
    if kind == "words":
        return WordTokenizer.from_bytes(content, rows, normalization)
    if kind == AliasedWords.kind:
        return AliasedWords.from_bytes(content, rows, normalization)
    if kind == "bpe":
        tokenizer = BpeTokenizer.from_bytes(content, normalization)
        if len(tokenizer.vocabulary) != rows:
            raise TokenizerError(
                f"expected a BPE model of {rows} pieces, found {len(tokenizer.vocabulary)}"
            )
        return tokenizer
    raise TokenizerError(
        f"a tokenizer is of kind 'words', 'words+aliases' or 'bpe', received {kind!r}"
    )
