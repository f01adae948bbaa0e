"""topdim against the steps of the paper, by another route."""

import numpy as np
import pytest

from embzip.compression import compress
from embzip.errors import SpecError


def test_a_table_on_a_line_becomes_nothing() -> None:
    line = np.outer([1.0, 2.0, 3.0, 7.0], [1.0, 0.0, -1.0]) + np.array([5.0, 6.0, 7.0])
    np.testing.assert_allclose(compress(line, "topdim:1|float32").decode(), 0, atol=1e-5)


@pytest.mark.parametrize("directions", [1, 3])
def test_equals_a_plain_singular_value_decomposition(directions: int) -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(60, 6)) * [9, 5, 3, 1, 1, 1] + 2).astype(np.float32)
    small = compress(values, f"topdim:{directions}|float32")
    around = values - values.mean(axis=0, dtype=np.float64)
    _, _, rows = np.linalg.svd(around, full_matrices=False)
    expected = around - around @ rows[:directions].T @ rows[:directions]
    np.testing.assert_allclose(small.decode(), expected, atol=1e-4)
    assert small.nbytes == values.nbytes
    assert small.params == {}


def test_weights_are_counts_of_rows() -> None:
    values = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    counts = np.arange(20) % 3 + 1
    weighted = compress(values, "topdim:1|float32", weights=counts.astype(float)).decode()
    repeated = compress(np.repeat(values, counts, axis=0), "topdim:1|float32").decode()
    np.testing.assert_allclose(np.repeat(weighted, counts, axis=0), repeated, atol=1e-5)


def test_removing_everything_is_refused() -> None:
    with pytest.raises(SpecError, match="removes all"):
        compress(np.ones((5, 3)), "topdim:3|int8")
