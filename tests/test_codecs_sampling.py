"""Samples of rows: which, in what order, with what weights."""

import numpy as np
import pytest

from embzip.codecs.sampling import has_zero_row, sample_rows

TABLE = np.arange(40, dtype=np.float32).reshape(20, 2) + 1


def test_all_rows_where_they_fit() -> None:
    rows, mass = sample_rows(TABLE, 20, weights=None, seed=0)
    np.testing.assert_array_equal(rows, TABLE)
    np.testing.assert_array_equal(mass, np.ones(20))


@pytest.mark.parametrize("block_bytes", [24, 16_000_000])
def test_a_sample_in_the_order_of_the_table(
    block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embzip.engine.rows.BLOCK_BYTES", block_bytes)
    weights = np.arange(20.0)
    weights[::2] = 0
    rows, mass = sample_rows(TABLE, 6, weights=weights, seed=1)
    again, _ = sample_rows(TABLE, 6, weights=weights, seed=1)
    other, _ = sample_rows(TABLE, 6, weights=weights, seed=2)
    ids = ((rows[:, 0] - 1) / 2).astype(int)
    assert len(set(ids)) == 6
    assert (np.diff(ids) > 0).all()
    assert (ids % 2 == 1).all()
    np.testing.assert_array_equal(mass, weights[ids])
    np.testing.assert_array_equal(rows, again)
    assert not np.array_equal(rows, other)


def test_zero_rows_are_found() -> None:
    assert not has_zero_row(TABLE)
    assert has_zero_row(np.vstack([TABLE, np.zeros((1, 2), np.float32)]))
