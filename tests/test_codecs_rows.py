"""rows on tables small enough to check by eye, and against the bound of one direction."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import embzip
from embzip.compression import compress
from embzip.errors import FileFormatError, SpecError

TABLE = np.array([[3.0, 4.0], [0.0, 0.0], [-8.0, 6.0], [6.0, 8.0], [-4.0, 3.0]], np.float32)


def test_rows_of_two_directions_share_them() -> None:
    small = compress(TABLE, "rows:2")
    found = small.params["0.directions"]
    expected = [[-0.8, 0.6], [0.6, 0.8]]
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], expected, rtol=1e-6)
    first, _, second, again, other = small.codes["direction"]
    assert (first, second) == (again, other)
    assert first != second
    np.testing.assert_allclose(small.decode(), TABLE, rtol=0.006)
    assert small[1].tolist() == [0, 0]
    assert small.nbytes == 5 * 2 + 2 * 2 * 4 + 8


def test_one_direction_is_the_first_singular_vector() -> None:
    rng = np.random.default_rng(0)
    values = np.abs(rng.normal(size=(60, 5))).astype(np.float32)
    small = compress(values, "rows:1")
    _, _, vectors = np.linalg.svd(values)
    np.testing.assert_allclose(
        np.abs(small.params["0.directions"][0]), np.abs(vectors[0]), atol=0.2
    )
    many = np.square(compress(values, "rows:30").decode() - values).sum()
    few = np.square(compress(values, "rows:3").decode() - values).sum()
    assert many < few < np.square(small.decode() - values).sum()


def test_as_many_directions_as_rows_are_exact_but_for_the_scale() -> None:
    values = np.random.default_rng(2).normal(size=(300, 4)).astype(np.float32)
    small = compress(values, "rows:300")
    assert small.codes["direction"].dtype == np.uint16
    error = np.square(small.decode() - values).sum()
    assert error < 0.01 * np.square(values).sum()


def test_weights_move_directions() -> None:
    values = np.random.default_rng(3).normal(size=(80, 6)).astype(np.float32)
    weights = np.where(np.arange(80) < 20, 1.0, 0.001)
    error = [
        np.square(compress(values, "rows:12", weights=w).decode() - values)[:20].sum()
        for w in (None, weights)
    ]
    assert error[1] < error[0] * 0.7


def test_more_directions_than_rows_are_refused() -> None:
    with pytest.raises(SpecError, match="at most as many"):
        compress(TABLE, "rows:6")


@settings(max_examples=100, deadline=None)
@given(
    values=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    )
)
def test_any_float32_decodes_to_finite_numbers(values: np.ndarray) -> None:
    decoded = compress(values, "rows:2").decode()
    assert np.isfinite(decoded).all()
    assert not decoded[~values.any(axis=1)].any()


@pytest.mark.parametrize("what", ["direction", "0.directions", "0.scale_range"])
def test_case_59(tmp_path: Path, what: str) -> None:
    small = compress(TABLE, "rows:2")
    array = {**small.codes, **small.params}[what]
    array[-1] = {"direction": 2, "0.directions": 1e30, "0.scale_range": 0}[what]
    embzip.save(small, tmp_path / "t.embz")
    with pytest.raises(FileFormatError, match="rows"):
        embzip.load(tmp_path / "t.embz")
