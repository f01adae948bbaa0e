"""Vectors: float32 rows with a vocabulary; checks, reads and writes them.

A foreign table keeps the number and order of its rows. Files of type .embz are read and written in
`embzip.embz`, not here.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from embzip.errors import DuplicateError, InputError, InputTypeError, MismatchError
from embzip.files.lines import Errors
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix
from embzip.vectors.changes import Accepted, Duplicates
from embzip.vectors.keyed import Keyed, is_keyed, parts_of
from embzip.vectors.matrix import checked_counts, checked_matrix, mean_row
from embzip.vectors.neighbours import Rows, Searchable
from embzip.vectors.reading import Format, read_rows
from embzip.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Vectors(Searchable):
    """A table of vectors with the token of each row.

    Attributes
    ----------
    vocabulary
        The token of each row; it also says which rows are special.
    matrix
        float32, (rows, dim). Other float types and byte orders are converted to float32; a
        C-ordered float32 array is used without a copy, and may be memory-mapped.
    counts
        How often each row's token occurs in the corpus, (rows,); None if that is not known.
    tokenizer
        The tokenizer whose ids are the rows; None for foreign tables.
    changed
        How many rows or tokens of the file were left out or changed, by what was odd about them;
        see `embzip.vectors.changes.Changes`.

    Raises
    ------
    InputTypeError
        For a matrix that does not hold floats, or a vocabulary that is not a `Vocabulary`.
    InputError
        For a shape other than (rows, dim), a number that is not finite in float32 (the message
        names its row), or negative counts.
    MismatchError
        If vocabulary, matrix, counts and tokenizer differ in the number of rows.

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
    changed: Mapping[str, int] = field(default_factory=dict)

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
                "the tokenizer and the table must have the same vocabulary, found "
                f"{len(self.tokenizer.vocabulary)} and {len(self.vocabulary)} tokens: pass the "
                "tokenizer that the vectors were trained with"
            )

    @property
    def rows(self) -> int:
        """The number of rows, special ones included."""
        return int(self.matrix.shape[0])

    @property
    def dim(self) -> int:
        """The number of columns."""
        return int(self.matrix.shape[1])

    @property
    def unknown_rate(self) -> float | None:
        """The share of the corpus' tokens that are unknown, 0 to 1; None without counts.

        >>> words = Vocabulary(["<UNK>", "sea"], unk_id=0)
        >>> Vectors(words, np.eye(2), np.array([1, 3])).unknown_rate
        0.25
        """
        if self.counts is None:
            return None
        unk_id = self.vocabulary.unk_id
        return 0.0 if unk_id is None else float(self.counts[unk_id] / max(1, self.counts.sum()))

    def _searched(self) -> tuple[Rows, Vocabulary]:
        return self.matrix, self.vocabulary

    def ordinary_ids(self) -> NDArray[np.int64]:
        """Return the ids of the rows that are not special, in ascending order."""
        mask = np.ones(self.rows, bool)
        mask[list(self.vocabulary.special_ids)] = False
        return np.flatnonzero(mask)

    def by_falling_count(self) -> NDArray[np.int64]:
        """Return the ids of `ordinary_ids`, the most frequent first; as they are without counts.

        >>> table = Vectors(Vocabulary(["sea", "ship", "sun"]), np.eye(3), np.array([1, 5, 1]))
        >>> table.by_falling_count().tolist()
        [1, 0, 2]
        """
        ids = self.ordinary_ids()
        if self.counts is None:
            return ids
        return ids[np.argsort(-self.counts[ids], kind="stable")]


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


Table = Vectors | Decodable | Keyed


def vectors_of(table: Table) -> Vectors:
    """Return a table's rows as float32 vectors; `Vectors` are returned as they are.

    `KeyedVectors` of gensim, or a model with them, are taken with their counts.

    Raises
    ------
    InputError
        For a table without a vocabulary.
    """
    if isinstance(table, Vectors):
        return table
    if is_keyed(table):
        tokens, rows, counts = parts_of(table)
        return Vectors(Vocabulary(tokens), rows, counts)
    table = cast(Decodable, table)
    if table.vocabulary is None:
        raise InputError("vectors need a token for each row, and this table has no vocabulary")
    return Vectors(table.vocabulary, table.decode(), table.counts, table.tokenizer)


def read_vectors(
    path: str | Path,
    *,
    words: str | Path | None = None,
    format: Format = "auto",
    tensor: str | None = None,
    skip_bad: bool = False,
    limit: int | None = None,
    duplicates: Duplicates = "error",
    errors: Errors = "strict",
) -> Vectors:
    """Read word2vec text or binary, GloVe, fastText .vec, .bin and .ftz, .npy, .npz or safetensors.

    The number and order of rows are kept, and so is each token as it stands: in text, it is all
    before the last `dim` fields of its line, which end at blanks, tabs or commas. Files may be
    compressed by gzip, bzip2, xz or zstd, or stand alone in a zip archive. Of fastText's own files,
    the row of a word is the mean of its own and those of its character n-grams. An array of float32
    in C order is memory-mapped: while it is in use, replace it only by renaming another file.

    Parameters
    ----------
    path
        The file, or its URL, of which a copy is read; its format is recognized by its content. A
        folder of model2vec, or of sentence-transformers with a StaticEmbedding, is a table with its
        tokenizer.
    words
        A file with the tokens of a .npy file: UTF-8, one per line. .npz and safetensors files may
        hold them, in an array of text, or have them beside, in tokenizer.json or vocab.txt.
    tensor
        Of .npz and safetensors: the table's name, where they hold several.
    format
        The format, if the content does not make it clear.
    skip_bad
        Whether rows are left out that cannot be read: those of an empty token, of another length,
        or with numbers that are not finite. A header may then declare more or fewer rows.
    limit
        How many rows are read, the first ones; by default all.
    duplicates
        `first` keeps the first row of a token that stands several times.
    errors
        `replace` puts U+FFFD in the place of invalid UTF-8.

    Warns
    -----
    UserWarning
        In one line, of all that was left out or changed; `Vectors.changed` has the numbers.

    Raises
    ------
    MissingFileError
        If a file does not exist or is a directory.
    InputError
        For a pickle (which is never loaded), a file that is cut short or too long, a token that
        is empty or occurs twice, a row of another length, or a number that is not finite. The
        message names the row, and the option that accepts it.
    MismatchError
        If a .npy file has another number of rows than its words file has tokens.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "glove.txt")
    >>> _ = path.write_text("sea 0.5 -1\\nnew york 2 0.25\\n")
    >>> vectors = read_vectors(path)
    >>> list(vectors.vocabulary), vectors.matrix.tolist()
    (['sea', 'new york'], [[0.5, -1.0], [2.0, 0.25]])
    """
    accepted = Accepted(skip_bad, limit, duplicates, errors)
    read = read_rows(path, words=words, format=format, tensor=tensor, accepted=accepted)
    if str(read.changes):
        warnings.warn(f"{path}: {read.changes}", stacklevel=2)
    try:
        tokens = read.tokens
        vocabulary = tokens if isinstance(tokens, Vocabulary) else Vocabulary(tokens)
        changed = read.changes.to_json()
        return Vectors(vocabulary, read.matrix, read.counts, read.tokenizer, changed)
    except DuplicateError as error:
        raise DuplicateError(
            f"{path}, {error}, or pass --duplicates first (duplicates='first') to keep the first"
        ) from error
    except InputError as error:
        raise InputError(f"{path}, {error}") from error


def with_special_rows(vectors: Vectors) -> Vectors:
    """Return vectors with a padding row and an unknown row; missing ones are added at the front.

    The new padding row is zero, the new unknown row is the mean of the rows that are not special.
    Vectors that have both are returned unchanged.

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
