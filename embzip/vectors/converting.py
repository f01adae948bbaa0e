"""Tables written in the formats of other programs, decoded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embzip.choices import chosen
from embzip.errors import InputError
from embzip.vectors.base import Table, vectors_of
from embzip.vectors.writing import WRITTEN, write_table

_ARRAYS = ("npy", "safetensors")


def convert(table: Table, path: str | Path, format: str = "text") -> list[Path]:
    """Write a table, decoded, and return the files that were written.

    Parameters
    ----------
    table
        `Vectors`, a compressed table, or gensim's KeyedVectors.
    path
        The file.
    format
        `text` or `binary` of word2vec, `glove`: the most frequent tokens first, without special
        rows. `npy` or `safetensors`: all rows in the order of their ids, with the tokens in a file
        beside, one a line: `table.npy` has them in `table.words.txt`.

    Raises
    ------
    SpecError
        For another format.
    InputError
        For a token that the format cannot hold, or if no row is left.
    OutputError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from embzip.vectors.base import Vectors
    >>> from embzip.vocabulary import Vocabulary
    >>> path = Path(tempfile.mkdtemp(), "table.txt")
    >>> _ = convert(Vectors(Vocabulary(["sea"]), np.array([[1, 0.5]])), path, "glove")
    >>> path.read_text()
    'sea 1 0.5\\n'
    """
    format = chosen(format, WRITTEN, "format")
    vectors = vectors_of(table)
    if format in _ARRAYS:
        return write_table(path, tuple(vectors.vocabulary), vectors.matrix, format)
    ids = vectors.by_falling_count()
    if not len(ids):
        raise InputError(
            f"{path}: special rows are not written, and every row of this table is special"
        )
    tokens: Sequence[str] = [vectors.vocabulary.token(i) for i in ids.tolist()]
    ordered = np.array_equal(ids, np.arange(vectors.rows))
    return write_table(path, tokens, vectors.matrix if ordered else vectors.matrix[ids], format)


def write_vectors(vectors: Table, path: str | Path, *, binary: bool = False) -> None:
    """Write the rows that are not special as word2vec text or binary.

    The most frequent tokens stand first where counts are known, as in the files of other programs;
    equal counts keep their order. The counts themselves have no place in these formats. Nor can
    they mark a row as special, so the rows for padding and unknown tokens are left out;
    `with_special_rows` adds them again. Text files have 9 digits per number, which restore every
    float32 exactly.

    Raises
    ------
    InputError
        For a token that contains ASCII white space, or if every row is special.
    OutputError
        If the file cannot be written; an existing file is left unchanged.
    """
    convert(vectors, path, "binary" if binary else "text")
