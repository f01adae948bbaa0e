"""The largest singular values of a sparse matrix, by random projection; knows nothing of tokens."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embzip.engine import map_parts, sum_rows
from embzip.errors import MissingPackageError
from embzip.types import Matrix, Progress

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ITERATIONS = 4
_NUMBERS = 1 << 20  # of the sparse rows that are multiplied at a time
_MORE = 10  # columns that are projected to beside those that are asked for
# Of the largest squared length: below it a direction is what float32 has rounded.
_LEAST = 1e-10


def projected_bytes(rows: int, rank: int) -> int:
    """Return how many bytes `left_singular` takes beside its matrix and that one's transpose."""
    return 4 * 4 * rows * (rank + _MORE)


def left_singular(
    matrix: "csr_array[Any]", rank: int, *, seed: int = 0, progress: Progress | None = None
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return the left singular vectors of the largest singular values, and the values.

    A random block of `rank + 10` columns is multiplied by the matrix and its transpose, and made
    orthonormal after each product, five times. Equal input and seed give equal bytes on one
    machine, whatever its number of cores: dense products run in one thread of the BLAS, and sparse
    ones have no other. Sparse products go to the workers of `embzip.on_cluster`, in blocks of rows,
    with the same bytes.

    Parameters
    ----------
    matrix
        float32, (rows, columns).
    rank
        How many values; at least 1.
    seed
        Of the random block.
    progress
        Called with (iterations done, iterations), first with 0.

    Returns
    -------
    tuple
        float32, (rows, rank), and float64, (rank,), falling. Of each vector the largest number is
        positive. Where the matrix has a lower rank, the rest is zero.

    Raises
    ------
    MissingPackageError
        Without threadpoolctl.

    References
    ----------
    Halko, Martinsson, Tropp: Finding Structure with Randomness. SIAM Review 2011, algorithms 4.4
    and 5.1.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> diagonal = csr_array(np.diag(np.float32([3, 0, 5])))
    >>> vectors, values = left_singular(diagonal, 2)
    >>> vectors.round().astype(int).tolist(), values.round(5).tolist()
    ([[0, 1], [0, 0], [1, 0]], [5.0, 3.0])
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingPackageError(
            "singular values need threadpoolctl, which is not installed: `pip install "
            "'threadpoolctl>=3.5'`, or `uv sync --extra train` in a checkout"
        ) from error
    with threadpool_limits(1, user_api="blas"):
        columns = min(rank + _MORE, *matrix.shape)
        rng = np.random.default_rng(seed)
        turned = matrix.T.tocsr()
        basis = rng.standard_normal((matrix.shape[1], columns), np.float32)
        basis = _orthonormal(_product(matrix, basis))
        for done in range(ITERATIONS):
            if progress is not None:
                progress(done, ITERATIONS)
            basis = _orthonormal(_product(matrix, _orthonormal(_product(turned, basis))))
        squares, rotation = np.linalg.eigh(_gram(_product(turned, basis)))
        found = min(rank, len(squares))
        vectors = np.zeros((matrix.shape[0], rank), np.float32)
        vectors[:, :found] = basis @ rotation[:, ::-1][:, :found].astype(np.float32)
    values = np.zeros(rank)
    values[:found] = np.sqrt(np.maximum(squares[::-1][:found], 0))
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    vectors *= np.where(largest < 0, np.float32(-1), np.float32(1))
    if progress is not None:
        progress(ITERATIONS, ITERATIONS)
    return vectors, values


def _product(matrix: "csr_array[Any]", dense: Matrix) -> Matrix:
    """Return the product of a sparse and a dense matrix: no row's sum depends on the blocks."""

    def product(block: "csr_array[Any]") -> Matrix:
        found: Matrix = block @ dense
        return found

    ends = np.searchsorted(matrix.indptr, np.arange(_NUMBERS, matrix.nnz, _NUMBERS))
    edges = np.unique([0, *ends, matrix.shape[0]]).tolist()
    blocks = (matrix[first:stop] for first, stop in pairwise(edges))
    return np.concatenate(list(map_parts(product, blocks)))


def _gram(rows: Matrix) -> NDArray[np.float64]:
    """Return the products of all pairs of columns; its blocks and their order are always equal."""

    def products(_: int, block: Matrix) -> tuple[NDArray[np.float64]]:
        exact = block.astype(np.float64)
        return (exact.T @ exact,)

    (sums,) = sum_rows(products, rows, divisor=4)
    return np.asarray(sums)


def _orthonormal(rows: Matrix) -> Matrix:
    """Return an orthonormal basis of the columns, without directions that float32 cannot tell."""
    squares, turned = np.linalg.eigh(_gram(rows))
    held = squares > squares[-1] * _LEAST
    turning: Matrix = (turned[:, held] / np.sqrt(squares[held])).astype(np.float32)
    turned_rows: Matrix = rows @ turning
    return turned_rows
