"""Rows near to a row, by cosine: a compressed table is decoded in blocks, and never whole."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.engine import spans
from embzip.errors import InputError, InputTypeError, UnknownTokenError
from embzip.types import Matrix
from embzip.vocabulary import Vocabulary

_BLOCK = 1 << 18  # numbers decoded at a time: they stay in the caches
Query = str | int | ArrayLike


class Rows(Protocol):
    """A (rows, dim) table of which some rows are asked for."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, dim)."""

    def __getitem__(self, rows: slice, /) -> Matrix:
        """Return a block of rows."""


@dataclass(frozen=True)
class Near:
    """A token near to what was asked for, and the cosine of their rows."""

    token: str
    cosine: float


class Searchable(ABC):
    """A table with tokens, whose rows can be compared."""

    @abstractmethod
    def _searched(self) -> tuple[Rows, Vocabulary | None]:
        """Return the rows and their tokens."""

    def nearest(self, query: Query, k: int = 10, *, without: Iterable[int] = ()) -> list[Near]:
        """Return the tokens whose rows point in the direction of another's, the nearest first.

        Equal cosines stand in the order of ids. Special rows and rows of zeros are near to nothing.

        Parameters
        ----------
        query
            A token, an id, or a vector (dim,). A token or an id is not its own neighbour.
        k
            How many.
        without
            Ids that are left out.

        Raises
        ------
        UnknownTokenError
            For a token that the table does not have.
        InputError
            For a vector of another shape, one that is not finite or all zeros, or k below 1; for a
            table without a vocabulary.

        Examples
        --------
        >>> from embzip.vectors.base import Vectors
        >>> matrix = np.array([[1, 0], [1, 1], [0, 1]], np.float32)
        >>> Vectors(Vocabulary(["sea", "coast", "land"]), matrix).nearest("sea", k=1)[0].token
        'coast'
        """
        if k < 1:
            raise InputError(f"k must be at least 1, received {k}")
        rows, vocabulary = self._named()
        vector, own = _vector_of(rows, vocabulary, query)
        scores = cosines(rows, vector)
        scores[[*vocabulary.special_ids, *without, *own]] = -np.inf
        k = min(k, len(scores))
        # All that are as near as the k-th, so that equal ones are told apart by their ids.
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        found = np.flatnonzero((scores >= least) & np.isfinite(scores))
        found = found[np.argsort(-scores[found], kind="stable")][:k]
        return [Near(vocabulary.token(row), float(scores[row])) for row in found.tolist()]

    def similarity(self, first: Query, second: Query) -> float:
        """Return the cosine of two rows, -1 to 1.

        Raises
        ------
        UnknownTokenError, InputError
            As `nearest` does.

        Examples
        --------
        >>> from embzip.vectors.base import Vectors
        >>> matrix = np.array([[1, 0], [0, 2]], np.float32)
        >>> Vectors(Vocabulary(["sea", "land"]), matrix).similarity("sea", "land")
        0.0
        """
        rows, vocabulary = self._named()
        one, other = (_unit(_vector_of(rows, vocabulary, each)[0]) for each in (first, second))
        return float(one @ other)

    def most_similar(
        self, positive: Sequence[Query] = (), negative: Sequence[Query] = (), k: int = 10
    ) -> list[Near]:
        """Return what is near to some tokens and far from others, as gensim's method does.

        The sum of the rows, each of length 1, those of `negative` turned round, is looked for.

        Raises
        ------
        UnknownTokenError, InputError
            As `nearest` does; for no token at all.

        Examples
        --------
        >>> from embzip.vectors.base import Vectors
        >>> matrix = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1]], np.float32)
        >>> table = Vectors(Vocabulary(["king", "man", "woman", "queen"]), matrix)
        >>> table.most_similar(["king", "woman"], ["man"], k=1)[0].token
        'queen'
        """
        if isinstance(positive, str | bytes) or isinstance(negative, str | bytes):
            raise InputTypeError("positive and negative are lists of tokens: put one in a list")
        rows, vocabulary = self._named()
        total, without = np.zeros(rows.shape[1]), list[int]()
        for queries, sign in ((positive, 1.0), (negative, -1.0)):
            for query in queries:
                vector, own = _vector_of(rows, vocabulary, query)
                total += sign * _unit(vector)
                without += own
        if not len(positive) + len(negative):
            raise InputError("most_similar needs at least one token, received none")
        return self.nearest(total, k, without=without)

    def _named(self) -> tuple[Rows, Vocabulary]:
        rows, vocabulary = self._searched()
        if vocabulary is None:
            raise InputError("this table has no vocabulary, so its rows have no names")
        return rows, vocabulary


def cosines(rows: Rows, vector: Matrix) -> NDArray[np.float32]:
    """Return the cosine of each row with a vector, (rows,); -inf for rows of zeros."""
    count, dim = rows.shape
    unit = _unit(vector).astype(np.float32)
    found = np.empty(count, np.float32)
    for part in spans(count, max(1, _BLOCK // dim)):
        block = rows[part]
        squares = np.einsum("ij,ij->i", block, block)
        products = block @ unit
        # Beyond these, and for zeros, squares in float32 are no measure.
        odd = np.flatnonzero(~((squares > 1e-30) & (squares < 1e30)))
        squares[odd] = 1
        found[part] = products / np.sqrt(squares)
        if len(odd):
            found[part][odd] = _wide_cosines(block[odd], unit)
    return found


def directions(matrix: Matrix) -> NDArray[np.float32]:
    """Return the rows of a matrix with a length of 1; those of zeros stay so."""
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=1, keepdims=True)
    return (matrix / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def near_rows(matrix: Matrix, k: int) -> NDArray[np.int64]:
    """Return (rows, at most k) which other rows point most nearly in the direction of each.

    The nearest come first, equally near ones in any order. No row is all zeros.

    >>> near_rows(np.array([[1, 0], [2, 3], [0, 1], [3, 1]], np.float32), 2).tolist()
    [[3, 1], [2, 3], [1, 3], [0, 1]]
    """
    count, dim = matrix.shape
    k = min(k, max(count - 1, 0))
    units = directions(matrix)
    found = np.empty((count, k), np.int64)
    for part in spans(count, max(1, _BLOCK // max(count, dim))) if k else ():
        far = -(units[part] @ units.T)
        own = np.arange(part.start, part.stop)
        far[own - part.start, own] = np.inf
        nearest = np.argpartition(far, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(far, nearest, axis=1), axis=1)
        found[part] = np.take_along_axis(nearest, order, axis=1)
    return found


def _wide_cosines(rows: Matrix, unit: Matrix) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1)
    return np.where(lengths > 0, wide @ unit / np.where(lengths > 0, lengths, 1), -np.inf)


def _unit(vector: Matrix) -> NDArray[np.float64]:
    wide = np.asarray(vector, np.float64)
    return wide / np.linalg.norm(wide)


def _vector_of(rows: Rows, vocabulary: Vocabulary, query: Query) -> tuple[Matrix, list[int]]:
    """Return the vector that is asked for, and the id that it has in the table."""
    if isinstance(query, str):
        found = vocabulary.get(query)
        if found is None:
            raise UnknownTokenError(f"the vocabulary has no token {query!r}")
        query = found
    own: list[int] = []
    if isinstance(query, int | np.integer) and not isinstance(query, bool):
        own = [int(query)]
        if not 0 <= own[0] < len(vocabulary):
            raise InputError(f"an id must lie in 0..{len(vocabulary) - 1}, received {query}")
        vector = rows[own[0] : own[0] + 1][0]
    else:
        vector, dim = np.asarray(query), rows.shape[1]
        if vector.shape != (dim,) or vector.dtype.kind not in "fiu":
            raise InputError(f"a vector must be {dim} numbers, received shape {vector.shape}")
    if not np.isfinite(vector).all() or not np.any(vector):
        what = f"row {own[0]}" if own else "the vector"
        raise InputError(f"{what} is all zeros, or not finite, so it is near to nothing")
    return vector, own
