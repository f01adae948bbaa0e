"""Tokenizers: the interface (base), whole words (words), byte pairs (bpe), and building them.

This module only finds the right reader for a file. `building` is not imported here, because
serving a model does not need it.
"""

from pathlib import Path

from embzip.errors import FileFormatError, TokenizerError
from embzip.files.places import TOKENIZER
from embzip.files.records import Fields, shown
from embzip.tokenizers.aliases import AliasedWords
from embzip.tokenizers.base import Normalization, Tokenizer, UnicodeForm, check_texts
from embzip.tokenizers.bpe import BpeTokenizer, parse_bpe
from embzip.tokenizers.fasttext import FastTextTokenizer
from embzip.tokenizers.hugging_face import HuggingFaceTokenizer
from embzip.tokenizers.sentencepiece_model import SentencePieceTokenizer
from embzip.tokenizers.text_vectorization import TextVectorizationTokenizer
from embzip.tokenizers.words import STEMMED, WordTokenizer, parse_words
from embzip.tokenizers.yttm_model import YttmModel

__all__ = [
    "AliasedWords",
    "BpeTokenizer",
    "FastTextTokenizer",
    "HuggingFaceTokenizer",
    "Normalization",
    "SentencePieceTokenizer",
    "TextVectorizationTokenizer",
    "Tokenizer",
    "UnicodeForm",
    "WordTokenizer",
    "YttmModel",
    "check_texts",
    "load_tokenizer",
    "stored_tokenizer",
    "tokenizer_from_bytes",
]


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a tokenizer file of any kind, whatever its name.

    Whole words or byte pairs, as we write them; a tokenizer.json of Hugging Face; a .model of
    sentencepiece, where that is installed; a .embz file, which holds its table's own; a .keras file
    with a TextVectorization layer, or the layer's configuration as JSON.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    TokenizerError
        For a file that is of no such kind, or is damaged.
    """
    kind = TOKENIZER.kind_of(path, TokenizerError)
    if kind == "embz":
        return _of_embz(Path(path))
    content = b"" if kind == "keras" else Path(path).read_bytes()
    if kind in ("keras", "json"):  # imported here: serving reads neither
        from embzip.tokenizers.keras_files import is_configuration, of_configuration, of_keras_file

        if kind == "keras":
            return of_keras_file(Path(path))
        if is_configuration(content):
            return of_configuration(content, Path(path))
    if kind == "sentencepiece":
        return SentencePieceTokenizer(content, str(path))
    if kind == "hf-tokenizer":
        return HuggingFaceTokenizer(content, str(path))
    if content.startswith(b"{"):
        return parse_words(content, str(path))
    return parse_bpe(content, str(path))


def _of_embz(path: Path) -> Tokenizer:
    """Return the tokenizer of a table or a classifier; no row of it is read."""
    from embzip.embz.container import read_header, read_tensor, reading

    with path.open("rb") as file, reading(path):
        header = read_header(file, path)
        if "tokenizer" not in header.specs:
            raise FileFormatError(
                f"{path}: expected a .embz file with a tokenizer, found a table of another "
                "program: make a tokenizer of texts with `embzip build-words` or `build-bpe`"
            )
        content = read_tensor(file, path, header, "tokenizer", mmap=False).tobytes()
        return stored_tokenizer(header.record, content, header.record.whole("rows", least=1))


def stored_tokenizer(record: Fields, content: bytes, rows: int) -> Tokenizer:
    """Return the tokenizer of a .embz file, of its record, the tensor's bytes, and its rows."""
    normalization = Normalization.from_json(record.fields("normalization"))
    return tokenizer_from_bytes(record.take("tokenizer", str), content, rows, normalization)


def tokenizer_from_bytes(
    kind: str, content: bytes, rows: int, normalization: Normalization
) -> Tokenizer:
    """Undo `Tokenizer.to_bytes`.

    Parameters
    ----------
    kind
        `words`, `words+stems`, `words+aliases`, `bpe`, `hugging-face`,
        `sentencepiece`, `text-vectorization` or `fasttext`: the tokenizer's `kind`.
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
    if kind == FastTextTokenizer.kind:
        return FastTextTokenizer.from_bytes(content, rows)
    if kind == TextVectorizationTokenizer.kind:
        return TextVectorizationTokenizer.from_bytes(content, rows)
    if kind == SentencePieceTokenizer.kind:
        return SentencePieceTokenizer.from_bytes(content, rows)
    if kind == HuggingFaceTokenizer.kind:
        return HuggingFaceTokenizer.from_bytes(content, rows)
    raise TokenizerError(
        f"a tokenizer's kind must be one that embzip knows, found {shown(kind)}: was "
        "the file written by a newer embzip?"
    )
