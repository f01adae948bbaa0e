"""kmeans on tables small enough to check by eye, and against every partition."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

import embzip
from embzip.compression import compress
from embzip.errors import FileFormatError

TABLE = np.array(
    [
        [1.0, 1.0, 5.0, 5.0, 9.0, 9.0],
        [1.0, 9.0, 5.0, 1.0, 1.0, 9.0],
        [9.0, 1.0, 9.0, 5.0, 5.0, 5.0],
    ],
    np.float32,
)


def test_as_many_centroids_as_numbers_is_exact() -> None:
    """Codes of two bits: 0 is 1, 1 is 5, 2 is 9; row one is 0 0 1 1 | 2 2."""
    small = compress(TABLE, "kmeans:3")
    np.testing.assert_array_equal(small.params["0.centroids"], [1, 5, 9])
    np.testing.assert_array_equal(small.codes["values"][:, 0], [0b01010000, 0b00011000, 0b01100010])
    np.testing.assert_array_equal(small.codes["last"], [0b1010, 0b1000, 0b0101])
    np.testing.assert_array_equal(small.decode(), TABLE)
    assert small.nbytes == 3 * 2 + 3 * 4


def test_a_zero_row_pins_a_centroid_to_zero() -> None:
    small = compress(np.vstack([TABLE, np.zeros((1, 6), np.float32)]), "kmeans:2")
    assert small.params["0.centroids"][0] == 0
    np.testing.assert_array_equal(small[3], np.zeros(6))


def best_error(numbers: np.ndarray, count: int) -> float:
    """Return the least squared error of all partitions of sorted numbers into runs."""
    return min(
        sum(float(np.square(run - run.mean()).sum()) for run in np.split(numbers, cuts))
        for cuts in combinations(range(1, len(numbers)), count - 1)
    )


@pytest.mark.parametrize("count", [2, 3, 4])
def test_against_every_partition(count: int) -> None:
    rng = np.random.default_rng(count)
    best = found = 0.0
    for _ in range(8):
        numbers = rng.normal(size=14).astype(np.float32)
        error = np.square(compress(numbers[:, None], f"kmeans:{count}").decode()[:, 0] - numbers)
        best += best_error(np.sort(numbers).astype(np.float64), count)
        found += float(error.sum())
    assert best * (1 - 1e-6) <= found <= best * 1.1  # Lloyd stops at local minima


def test_centroids_are_means_of_what_they_hold_by_weight() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(200, 5)).astype(np.float32)
    weights = rng.integers(0, 4, 200).astype(np.float64)
    small = compress(values, "kmeans:9", weights=weights)
    decoded = small.decode()
    for centroid in small.params["0.centroids"]:
        held = decoded == centroid
        mean = np.average(values[held], weights=np.broadcast_to(weights[:, None], (200, 5))[held])
        np.testing.assert_allclose(mean, centroid, rtol=1e-5)


def test_near_the_optimum_of_gaussian_numbers() -> None:
    """Max 1960: the outer levels of sixteen for unit variance."""
    values = norm.ppf((np.arange(200_000) + 0.5) / 200_000).reshape(-1, 8)
    centroids = compress(values, "kmeans:16").params["0.centroids"]
    np.testing.assert_allclose(centroids[-3:], [1.618, 2.069, 2.733], atol=0.002)


@settings(max_examples=100, deadline=None)
@given(
    values=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    count=st.sampled_from([2, 3, 5, 17]),
)
def test_any_float32_decodes_within_the_range_of_the_table(values: np.ndarray, count: int) -> None:
    decoded = compress(values, f"kmeans:{count}").decode()
    assert decoded.min() >= values.min()
    assert decoded.max() <= values.max()
    assert not decoded[~values.any(axis=1)].any()


def test_case_59_codes_outside_the_codebook(tmp_path: Path) -> None:
    small = compress(TABLE, "kmeans:3")
    small.codes["last"][1] = 0b1100  # type: ignore[index]
    embzip.save(small, tmp_path / "t.embz")
    with pytest.raises(FileFormatError, match=r"0\.\.2"):
        embzip.load(tmp_path / "t.embz")
