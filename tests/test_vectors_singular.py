"""Singular values of sparse matrices; NumPy's own decomposition is the oracle."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from embzip.errors import MissingPackageError
from embzip.vectors import singular
from embzip.vectors.singular import left_singular


def falling(rows: int, columns: int, *, decay: float = 0.8, seed: int = 0) -> np.ndarray:
    """Return a dense matrix whose singular values fall as powers of `decay`."""
    rng = np.random.default_rng(seed)
    rank = min(rows, columns)
    left, _ = np.linalg.qr(rng.normal(size=(rows, rank)))
    right, _ = np.linalg.qr(rng.normal(size=(columns, rank)))
    return ((left * decay ** np.arange(rank)) @ right.T).astype(np.float32)


@pytest.mark.parametrize("shape", [(50, 50), (200, 30), (30, 200)])
@pytest.mark.parametrize("rank", [1, 5, 12])
def test_values_and_vectors_are_numpys(shape: tuple[int, int], rank: int) -> None:
    dense = falling(*shape)
    vectors, values = left_singular(sparse.csr_array(dense), rank)
    left, exact, _ = np.linalg.svd(dense.astype(np.float64), full_matrices=False)
    np.testing.assert_allclose(values, exact[:rank], rtol=1e-4)
    np.testing.assert_allclose(np.abs((vectors * left[:, :rank]).sum(axis=0)), 1, atol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(rank), atol=1e-4)
    largest = np.abs(vectors).argmax(axis=0)
    assert (vectors[largest, range(rank)] > 0).all()


def test_what_is_kept_is_nearly_the_best_of_a_flat_spectrum() -> None:
    matrix = sparse.random_array(
        (400, 400), density=0.05, format="csr", dtype=np.float32, rng=np.random.default_rng(0)
    )
    vectors, _ = left_singular(matrix, 40)
    dense = matrix.toarray().astype(np.float64)
    error = np.linalg.norm(dense - vectors @ (vectors.T @ dense))
    best = np.sqrt((np.linalg.svd(dense, compute_uv=False)[40:] ** 2).sum())
    assert best <= error < 1.01 * best


def test_a_lower_rank_gives_zeros() -> None:
    dense = np.zeros((9, 9), np.float32)
    dense[2, 3], dense[5, 5] = -7, 4
    vectors, values = left_singular(sparse.csr_array(dense), 5)
    np.testing.assert_allclose(values, [7, 4, 0, 0, 0], atol=1e-5)
    expected = np.zeros((9, 5))
    expected[2, 0] = expected[5, 1] = 1
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_blocks_change_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = sparse.csr_array(falling(60, 40, decay=0.97))
    matrix.data[matrix.data < 0] = 0  # rows of few and of many numbers
    matrix.eliminate_zeros()
    whole, values = left_singular(matrix, 5)
    monkeypatch.setattr(singular, "_NUMBERS", 100)
    vectors, again = left_singular(matrix, 5)
    assert vectors.tobytes() == whole.tobytes()
    assert again.tobytes() == values.tobytes()


CODE = """
import sys, numpy as np
from scipy import sparse
from embzip.vectors.singular import left_singular
matrix = sparse.random_array(
    (3000, 3000), density=0.002, format="csr", dtype=np.float32, rng=np.random.default_rng(0)
)
vectors, values = left_singular(matrix, 100, seed=3)
sys.stdout.buffer.write(vectors.tobytes() + values.tobytes())
"""


def test_equal_bytes_whatever_the_threads_of_the_blas() -> None:
    made = set()
    for threads in ("1", "2", "3"):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        child = subprocess.run(
            [sys.executable, "-c", CODE],
            env={**os.environ, **dict.fromkeys(names, threads), "PYTHONHASHSEED": threads},
            capture_output=True,
            check=True,
        )
        made.add(child.stdout)
    assert len(made) == 1
    assert len(made.pop()) == 3000 * 100 * 4 + 100 * 8


def test_progress_is_told_and_the_seed_is_used() -> None:
    told: list[tuple[int, int]] = []
    matrix = sparse.csr_array(falling(60, 60, decay=0.99))
    one, _ = left_singular(matrix, 5, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    again, _ = left_singular(matrix, 5)
    assert again.tobytes() == one.tobytes()
    other, _ = left_singular(matrix, 5, seed=1)
    assert other.tobytes() != one.tobytes()


def test_without_threadpoolctl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)  # what an import that fails looks like
    with pytest.raises(MissingPackageError, match=r"pip install 'threadpoolctl>=3\.5'"):
        left_singular(sparse.csr_array(np.eye(3, dtype=np.float32)), 1)
