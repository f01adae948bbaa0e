"""Checks the numbers of a table: finite float32, (rows, dim), and one count per row.

The vocabulary is used only to name tokens in messages.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.engine import spans
from embzip.errors import InputError, InputTypeError, MismatchError
from embzip.types import Matrix
from embzip.vocabulary import Vocabulary

_NUMBERS = 1 << 20  # checked at a time, so that a mapped table needs little memory


def checked_matrix(matrix: ArrayLike, vocabulary: Vocabulary) -> Matrix:
    """Return a table as C-ordered float32, copied only if it is not already.

    Raises
    ------
    InputTypeError
        For anything but floats.
    InputError
        For a shape other than (rows, dim), or numbers that are not finite in float32.
    MismatchError
        If the vocabulary has another number of rows.

    Examples
    --------
    >>> checked_matrix(np.eye(1, 2, dtype=">f8"), Vocabulary(["sea"]))
    array([[1., 0.]], dtype=float32)
    """
    given = np.asarray(matrix)
    if given.dtype.kind != "f":
        raise InputTypeError(
            f"the matrix must hold floats, received {given.dtype}: convert it, for example with "
            "matrix.astype('float32')"
        )
    if given.ndim != 2 or 0 in given.shape:
        raise InputError(
            "the matrix must have shape (rows, dim), with at least one row and one column, "
            f"received shape {given.shape}"
        )
    if len(given) != len(vocabulary):
        raise MismatchError(
            "the vocabulary must have one token per row of the matrix, received "
            f"{len(vocabulary)} tokens and {len(given)} rows"
        )
    with np.errstate(over="ignore"):  # numbers too large become infinite, and are refused below
        converted: Matrix = np.ascontiguousarray(given, np.float32)
    for part in spans(len(converted), max(1, _NUMBERS // converted.shape[1])):
        start, finite = part.start, np.isfinite(converted[part])
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            raise InputError(
                f"row {start + row} ({vocabulary.token(start + row)!r}): expected finite float32 "
                f"numbers, found {given[start + row, column]} in column {column}: remove the row "
                "or correct it"
            )
    return converted


def checked_counts(counts: ArrayLike, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return counts as int64, (rows,).

    Raises
    ------
    InputError
        For counts that are not whole numbers, or are negative.
    MismatchError
        If the vocabulary has another number of rows.
    """
    given = np.asarray(counts)
    if given.shape != (len(vocabulary),):
        raise MismatchError(
            f"expected {len(vocabulary)} counts, one per row, received shape {given.shape}"
        )
    if given.dtype.kind not in "iu" or (given < 0).any():
        found = given.min() if given.dtype.kind in "iu" else given.dtype
        raise InputError(f"counts must be whole numbers of at least 0, received {found}")
    return given.astype(np.int64, copy=False)


def mean_row(matrix: Matrix, ids: NDArray[np.int64]) -> Matrix:
    """Return the mean of some rows, (dim,), summed in float64; zeros if `ids` is empty."""
    total = np.zeros(matrix.shape[1])
    for part in spans(len(ids), max(1, _NUMBERS // matrix.shape[1])):
        total += matrix[ids[part]].sum(axis=0, dtype=np.float64)
    return (total / max(len(ids), 1)).astype(np.float32)
