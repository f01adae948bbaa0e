"""sparse on a table small enough to check by eye."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import embzip
from embzip.compression import compress
from embzip.errors import FileFormatError, SpecError

TABLE = np.array(
    [
        [127.0, 0.0, 5.0, -64.0, 0.0, 5.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [3.0, 3.0, 3.0, 127.0, -3.0, 3.0],
    ],
    np.float32,
)


def test_the_largest_numbers_and_where_they_stand() -> None:
    small = compress(TABLE, "sparse:2")
    np.testing.assert_array_equal(small.codes["columns"], [[0, 3], [0, 1], [0, 3]])
    np.testing.assert_array_equal(small.codes["values"], [[127, -64], [0, 0], [3, 127]])
    np.testing.assert_array_equal(small.codes["scale"] > 0, [True, False, True])
    expected = np.zeros((3, 6))
    expected[0, [0, 3]] = 127, -64
    expected[2, [0, 3]] = 3, 127
    np.testing.assert_array_equal(small.decode(), expected)
    assert small.nbytes == 3 * (2 + 2 + 1) + 8


def test_sparse_rows_come_back() -> None:
    rng = np.random.default_rng(0)
    values = np.zeros((50, 300), np.float32)
    keep = rng.integers(0, 300, (50, 12))
    np.put_along_axis(values, keep, rng.normal(size=(50, 12)).astype(np.float32), 1)
    small = compress(values, "sparse:12")
    assert small.codes["columns"].dtype == np.uint16
    peak = np.abs(values).max(axis=1, keepdims=True)
    # Half a step of the byte, and at most half a step of the scale's own.
    assert (np.abs(small.decode() - values) <= peak * (0.5 / 127 + 0.02)).all()


def test_more_numbers_than_columns_are_refused() -> None:
    with pytest.raises(SpecError, match="keeps more numbers than the table's 6"):
        compress(TABLE, "sparse:7")


@settings(max_examples=100, deadline=None)
@given(
    values=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    )
)
def test_any_float32_decodes_to_finite_numbers(values: np.ndarray) -> None:
    decoded = compress(values, "sparse:1").decode()
    assert np.isfinite(decoded).all()
    assert (np.count_nonzero(decoded, axis=1) <= 1).all()
    assert (np.sign(decoded) * np.sign(values) >= 0).all()


def test_case_59_columns_outside_the_table_or_twice(tmp_path: Path) -> None:
    for columns in ([3, 3], [4, 1], [2, 6], [0, 255]):
        small = compress(TABLE, "sparse:2")
        small.codes["columns"][2] = columns  # type: ignore[index]
        embzip.save(small, tmp_path / "t.embz")
        with pytest.raises(FileFormatError, match="columns of row 2"):
            embzip.load(tmp_path / "t.embz")
