"""Distances between tables, against values computed by hand and the definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embzip.compression import compress
from embzip.errors import MismatchError
from embzip.evaluation.distortion import reconstruction


def test_reconstruction_by_hand():
    before = np.array([[3, 4], [0, 0], [1, 0]], np.float32)
    after = np.array([[3, 4], [0, 0], [0, 1]], np.float32)
    found = reconstruction(before, after)
    assert found.snr_db == pytest.approx(10 * math.log10(26 / 2))
    assert found.mean_cosine == pytest.approx(2 / 3)  # 1, both zero: 1, orthogonal: 0
    assert reconstruction(before, before).snr_db == math.inf
    assert reconstruction(before[1:2], after[:1]).snr_db == -math.inf
    assert reconstruction(before[1:2], after[:1]).mean_cosine == 0


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_reconstruction_of_an_embedding_is_that_of_its_matrix(seed):
    table = np.random.default_rng(seed).normal(size=(17_000, 2)).astype(np.float32)
    embedding = compress(table, "int8")
    by_rows = reconstruction(table, embedding)
    decoded = embedding.decode().astype(np.float64)
    ratio = np.sum(table.astype(float) ** 2) / np.sum((table - decoded) ** 2)
    assert by_rows.snr_db == pytest.approx(10 * math.log10(ratio))
    assert 0.99 < by_rows.mean_cosine <= 1


def test_tables_of_other_shapes_are_refused():
    with pytest.raises(MismatchError, match="2 and 3"):
        reconstruction(np.ones((2, 4), np.float32), np.ones((3, 4), np.float32))
    with pytest.raises(MismatchError, match=r"columns.*4 and 5"):
        reconstruction(np.ones((2, 4), np.float32), np.ones((2, 5), np.float32))
    with pytest.raises(MismatchError, match="at least one"):
        reconstruction(np.ones((0, 4), np.float32), np.ones((0, 4), np.float32))
