"""Reads tokens and float32 rows from foreign files, plain or compressed, told by their content.

A text file has a `rows dim` header, which GloVe leaves out, then one line
`token number number ...` per row. A binary word2vec file has the same header, then for each row the
token, a space, and `dim` little-endian float32. A .npy file contains only numbers; its tokens are
in a separate words file.

Every file is treated as damaged or hostile: nothing is unpickled, nothing is allocated for what a
header merely declares, and no row is skipped unless that is accepted. Duplicate tokens are checked
in `base`. Messages count rows from 0 and lines from 1.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from embzip.choices import chosen
from embzip.errors import InputError, MismatchError, MissingFileError, TokenizerError
from embzip.files.locations import file_at
from embzip.files.names import is_url
from embzip.files.remote import local_file
from embzip.files.signatures import signature_of
from embzip.files.streams import bounded, compression_of, seekable
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.hugging_face import HuggingFaceTokenizer
from embzip.vectors.binary_rows import read_binary
from embzip.vectors.changes import Accepted, Changes, Gathered
from embzip.vectors.fasttext import opened_fasttext
from embzip.vectors.npy import chosen_rows, read_npy, with_words
from embzip.vectors.npz import read_npz
from embzip.vectors.recognizing import format_of
from embzip.vectors.tensors import read_safetensors
from embzip.vectors.text_rows import read_text
from embzip.vocabulary import Vocabulary

Format = Literal["auto", "text", "binary", "npy"]
Kind = Literal["text", "binary", "npy", "npz", "safetensors", "fasttext"]

_HEAD = 1 << 16  # bytes that tell the format
_WITH_TOKENS = ("npz", "safetensors")  # formats that may hold tokens, or have them beside
# Where the table of a folder stands: of model2vec, of sentence-transformers' StaticEmbedding.
_IN_FOLDERS = ("model.safetensors", "0_StaticEmbedding/model.safetensors")


@dataclass(frozen=True, eq=False)
class Rows:
    """What a file of vectors holds.

    Attributes
    ----------
    tokens
        The token of each row; or the vocabulary of the tokenizer.
    matrix
        (rows, dim); float32, or, of arrays, memory-mapped in the dtype that they have.
    changes
        What was left out or changed.
    counts
        How often each token was seen, if the file says it.
    tokenizer
        The tokenizer whose ids the rows are, if one stands beside.
    """

    tokens: list[str] | Vocabulary
    matrix: NDArray[np.floating]
    changes: Changes = field(default_factory=Changes)
    counts: NDArray[np.int64] | None = None
    tokenizer: Tokenizer | None = None


def read_rows(
    path: str | Path,
    *,
    words: str | Path | None = None,
    format: Format = "auto",
    tensor: str | None = None,
    accepted: Accepted | None = None,
) -> Rows:
    """Return the tokens of a vector file and its matrix.

    Raises
    ------
    MissingFileError
        If a file does not exist, or a folder holds no table.
    InputError
        For an incomplete or invalid file. The message names the row.
    MismatchError
        If a table has another number of rows than its words file has tokens.
    """
    format = cast(Format, chosen(format, get_args(Format), "format"))
    accepted = accepted or Accepted()
    name = file_at(path)
    with local_file(name if is_url(name) else _table_in(Path(name))) as here:
        return _rows_of(here, words, format, tensor, accepted)


def _rows_of(
    path: Path,
    words: str | Path | None,
    format: Format,
    tensor: str | None,
    accepted: Accepted,
) -> Rows:
    with _opened(path) as (file, _):
        head = file.read(_HEAD)
    looks = format_of(path, head)
    _check_options(path, looks, words=words, format=format, tensor=tensor)
    if looks in ("npy", *_WITH_TOKENS, "fasttext"):
        with seekable(path) as whole:
            if looks == "fasttext":
                return _fasttext(whole, accepted)
            if looks == "npy":
                with whole.open("rb") as file:
                    return Rows(*read_npy(whole, file, str(words), accepted))
            if looks == "npz":
                matrix, tokens = read_npz(whole, tensor)
            else:
                matrix, tokens = read_safetensors(whole, tensor), None
        return _with_tokens(path, matrix, tokens, words, accepted)
    way = read_binary if "binary" in (looks, format) else read_text
    with _opened(path) as (file, size):
        return Rows(*way(path, file, size, accepted))


def _check_options(
    path: Path,
    looks: Kind | None,
    *,
    words: str | Path | None,
    format: Format,
    tensor: str | None,
) -> None:
    if looks is not None and format not in ("auto", looks):
        told = looks if looks in get_args(Format) else "auto"
        raise InputError(
            f"{path}: expected vectors as {format}, found {looks}: pass --format {told} "
            f"(format={told!r})"
        )
    if words is None and looks == "npy":
        raise InputError(
            f"{path}: a .npy file contains no tokens: pass --words FILE (words=), with one token "
            "per line"
        )
    for option, given, fitting in (
        ("words", words, ("npy", *_WITH_TOKENS)), ("tensor", tensor, _WITH_TOKENS)
    ):  # fmt: skip
        if given is not None and looks not in fitting:
            files = " and ".join(f".{each}" for each in fitting)
            raise InputError(
                f"{path}: --{option} ({option}=) is for {files} files only, found "
                f"{looks or 'text'} vectors, which contain their tokens: leave it out"
            )


def _table_in(path: Path) -> Path:
    """Return the file of a folder's table; a file is returned as it is."""
    if not path.is_dir():
        return path
    for name in _IN_FOLDERS:
        if (path / name).is_file():
            return path / name
    raise MissingFileError(
        f"{path}: expected a file, or a folder of model2vec or of a StaticEmbedding, found a "
        "directory without model.safetensors"
    )


def _with_tokens(
    path: Path,
    matrix: NDArray[np.floating],
    tokens: Sequence[str] | None,
    words: str | Path | None,
    accepted: Accepted,
) -> Rows:
    """Return a table with the tokens of a words file, of its own, or of what stands beside it."""
    if words is not None:
        return Rows(*with_words(path, matrix, words, accepted))
    if tokens is not None:
        return Rows(*chosen_rows(str(path), tokens, matrix, accepted))
    folders = (path.parent, path.parent.parent) if path.parent.name.startswith("0_") else (
        path.parent,
    )  # fmt: skip
    for folder in folders:
        if (folder / "tokenizer.json").is_file():
            return _with_tokenizer(path, matrix, folder / "tokenizer.json", accepted)
        if (folder / "vocab.txt").is_file():
            return Rows(*with_words(path, matrix, folder / "vocab.txt", accepted))
    raise InputError(
        f"{path}: expected the tokens of its rows in tokenizer.json or vocab.txt beside it, found "
        "neither: pass --words FILE (words=), with one token per line"
    )


def _with_tokenizer(
    path: Path, matrix: NDArray[np.floating], beside: Path, accepted: Accepted
) -> Rows:
    try:
        tokenizer = HuggingFaceTokenizer(beside.read_bytes(), str(beside))
    except TokenizerError as error:
        raise TokenizerError(
            f"{error}: pass the tokens of {path} by --words FILE (words=), one a line"
        ) from error
    if tokenizer.own_rows != len(matrix):
        raise MismatchError(
            f"{beside} must have one token per row, found {tokenizer.own_rows} tokens, and "
            f"{len(matrix)} rows in {path}: pass --words FILE (words=), with one token per line"
        )
    if accepted.limit is not None and accepted.limit < len(matrix):  # fewer rows than ids
        tokens = [tokenizer.vocabulary.token(row) for row in range(len(matrix))]
        return Rows(*chosen_rows(str(beside), tokens, matrix, accepted))
    added = len(tokenizer.vocabulary) - len(matrix)
    if added:
        matrix = np.concatenate([matrix, np.zeros((added, matrix.shape[1]), matrix.dtype)])
    return Rows(tokenizer.vocabulary, matrix, tokenizer=tokenizer)


def _fasttext(path: Path, accepted: Accepted) -> Rows:
    """Return the words of a fastText model, their subwords composed."""
    with opened_fasttext(path) as model:
        whole = accepted.limit if accepted.duplicates == "error" else None
        gathered, kept = Gathered(accepted), []
        for row, word in enumerate(model.words[:whole]):
            if not gathered.full and gathered.add(word, lambda: f"{path}, row {row}"):  # noqa: B023
                kept.append(row)
        matrix = model.vectors(whole)
        if not kept:
            raise InputError(f"{path}: expected words, found none")
        if len(kept) < len(matrix):
            matrix = matrix[kept]
        return Rows(gathered.tokens, matrix, gathered.changes, model.counts[kept])


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open a file, decompressed; its size is None where it is compressed.

    A .npz file is a zip, and no compressed file of another kind.
    """
    with path.open("rb") as file:
        kind = compression_of(file.read(16))
    if kind == "zip" and signature_of(path).kind == "npz":
        with path.open("rb") as file:
            yield file, path.stat().st_size
        return
    with bounded(path) as file:
        yield file, path.stat().st_size if kind is None else None
