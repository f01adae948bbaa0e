"""Vectors: float32 rows with a vocabulary; checked, read and written.

The table of a foreign model keeps its row order and count. .embz files are `embzip.embz`'s matter.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError, InputTypeError, MismatchError
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix
from embzip.vectors.matrix import checked_counts, checked_matrix, mean_row
from embzip.vectors.reading import Format, read_rows
from embzip.vectors.writing import write_rows
from embzip.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Vectors:
    """A table of vectors and what its rows stand for.

    Attributes
    ----------
    vocabulary
        The token of each row; its special rows, if any, are named by it.
    matrix
        float32, (rows, dim). float16, float64 and other byte orders are rounded to float32; a
        C-ordered float32 array is used as it is, not copied, and may be mapped from a file.
    counts
        How often each row's token stood in the corpus, (rows,); None where that is not known.
    tokenizer
        What turns texts into rows; None in foreign tables.

    Raises
    ------
    InputTypeError
        For a matrix that is not of floats, or a vocabulary that is none.
    InputError
        For a shape that is not (rows, dim), a number that is not finite in float32 (names the
        row), or negative counts.
    MismatchError
        Where the parts differ in the number of rows.

    Examples
    --------
    >>> vectors = Vectors(Vocabulary(["sea", "ship"]), np.eye(2, 3))
    >>> vectors.matrix.dtype, vectors.rows, vectors.dim
    (dtype('float32'), 2, 3)
    """

    vocabulary: Vocabulary
    matrix: Matrix
    counts: NDArray[np.int64] | None = None
    tokenizer: Tokenizer | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.vocabulary, Vocabulary):
            raise InputTypeError(
                f"vocabulary must be a Vocabulary, received {type(self.vocabulary).__name__}: "
                "pass Vocabulary([token, token, ...])"
            )
        object.__setattr__(self, "matrix", checked_matrix(self.matrix, self.vocabulary))
        if self.counts is not None:
            object.__setattr__(self, "counts", checked_counts(self.counts, self.vocabulary))
        if self.tokenizer is not None and self.tokenizer.vocabulary != self.vocabulary:
            raise MismatchError(
                f"the tokenizer's vocabulary ({len(self.tokenizer.vocabulary)} tokens) is not the "
                f"table's ({len(self.vocabulary)}): pass the tokenizer the vectors were made with"
            )

    @property
    def rows(self) -> int:
        """The number of rows, special ones included."""
        return int(self.matrix.shape[0])

    @property
    def dim(self) -> int:
        """The number of columns."""
        return int(self.matrix.shape[1])

    def ordinary_ids(self) -> NDArray[np.int64]:
        """Return the ids of the rows that are not special, rising."""
        mask = np.ones(self.rows, bool)
        mask[list(self.vocabulary.special_ids)] = False
        return np.flatnonzero(mask)


class Decodable(Protocol):
    """A compressed table, as `embzip.load` returns it."""

    @property
    def vocabulary(self) -> Vocabulary | None: ...
    @property
    def tokenizer(self) -> Tokenizer | None: ...
    @property
    def counts(self) -> NDArray[np.int64] | None: ...
    def decode(self) -> Matrix:
        """Return all rows, (rows, dim)."""


Table = Vectors | Decodable


def vectors_of(table: Table) -> Vectors:
    """Return a table's rows as float32 vectors; `Vectors` are returned as they are.

    Raises
    ------
    InputError
        For a table without a vocabulary.
    """
    if isinstance(table, Vectors):
        return table
    if table.vocabulary is None:
        raise InputError("this table holds no tokens, and vectors need one a row")
    return Vectors(table.vocabulary, table.decode(), table.counts, table.tokenizer)


def read_vectors(
    path: str | Path, *, words: str | Path | None = None, format: Format = "auto"
) -> Vectors:
    """Read word2vec text or binary, GloVe, fastText .vec, or .npy.

    Row order and count are kept. A .npy file of float32 in C order is mapped, not read: while it
    is in use, replace it by renaming only.

    Parameters
    ----------
    path
        The file; its kind is told by its content.
    words
        The tokens of a .npy file, UTF-8, one a line.
    format
        Overrides what the content suggests, where that is not clear.

    Raises
    ------
    MissingFileError
        For a file that is not there, or a directory.
    InputError
        For a pickle (which is never loaded), a file that is cut short or too long, a duplicate or
        empty token or one with a space in it, a number that is not finite; names the row.
    MismatchError
        Where a .npy file and its words differ in number.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "glove.txt")
    >>> _ = path.write_text("sea 0.5 -1\\nship 2 0.25\\n")
    >>> vectors = read_vectors(path)
    >>> list(vectors.vocabulary), vectors.matrix.tolist()
    (['sea', 'ship'], [[0.5, -1.0], [2.0, 0.25]])
    """
    tokens, matrix = read_rows(path, words=words, format=format)
    try:
        return Vectors(Vocabulary(tokens), matrix)
    except InputError as error:
        raise InputError(f"{path}, {error}") from error


def write_vectors(vectors: Table, path: str | Path, *, binary: bool = False) -> None:
    """Write the rows that are not special as word2vec text or binary.

    Padding and unknown tokens have no text, and these formats cannot mark a row as special;
    `with_special_rows` makes such rows again. Text holds 9 digits, which read back exactly.

    Raises
    ------
    InputError
        For a token with ASCII white space in it, or where every row is special.
    OutputError
        Where the file cannot be written; what stood there before is untouched.
    """
    vectors = vectors_of(vectors)
    ids = vectors.ordinary_ids()
    if not len(ids):
        raise InputError(f"{path}: every row is special, so there is no vector to write")
    write_rows(
        path,
        [vectors.vocabulary.token(i) for i in ids.tolist()],
        vectors.matrix if len(ids) == vectors.rows else vectors.matrix[ids],
        binary=binary,
    )


def with_special_rows(vectors: Vectors) -> Vectors:
    """Return vectors with a padding row and an unknown row, adding what is missing in front.

    The padding row is zero, the unknown row the mean of the rows that are not special. Vectors
    that have both are returned as they are.

    Examples
    --------
    >>> table = with_special_rows(Vectors(Vocabulary(["sea", "ship"]), np.eye(2)))
    >>> list(table.vocabulary), table.matrix.tolist()
    (['<PAD>', '<UNK>', 'sea', 'ship'], [[0.0, 0.0], [0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])
    """
    old = vectors.vocabulary
    pad_id, unk_id = old.pad_id, old.unk_id
    names: list[str] = []
    rows: list[Matrix] = []
    if pad_id is None:
        names.append("<PAD>")
        rows.append(np.zeros(vectors.dim, np.float32))
    if unk_id is None:
        names.append("<UNK>")
        rows.append(mean_row(vectors.matrix, vectors.ordinary_ids()))
    added = len(names)
    if not added:
        return vectors
    vocabulary = Vocabulary(
        [*names, *old],
        special_ids=(i + added for i in old.special_ids),
        pad_id=0 if pad_id is None else pad_id + added,
        unk_id=added - 1 if unk_id is None else unk_id + added,
    )
    counts = vectors.counts
    if counts is not None:
        counts = np.concatenate([np.zeros(added, np.int64), counts])
    matrix = np.concatenate([np.stack(rows), vectors.matrix])
    return Vectors(vocabulary, matrix, counts, vectors.tokenizer)
