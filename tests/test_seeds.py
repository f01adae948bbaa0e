"""Every entry that takes a seed refuses what some library under it would choke on."""

import numpy as np
import pytest

from embzip.compression import compress
from embzip.errors import SpecError
from embzip.evaluation.accuracy import bootstrap_ci95
from embzip.seeds import check_seed, seeds_from

RIGHT = np.array([True, False])


@pytest.mark.parametrize("seed", [-1, 2**32, 10**20, 1.5, True, None])
def test_seeds_out_of_range(seed) -> None:
    for refused in (
        lambda: check_seed(seed),
        lambda: compress(np.eye(2), "int8", seed=seed),
        lambda: bootstrap_ci95(RIGHT, ~RIGHT, seed=seed),
    ):
        with pytest.raises(SpecError, match="seed"):
            refused()


def test_several_seeds() -> None:
    assert list(seeds_from(2**32 - 2, 2)) == [2**32 - 2, 2**32 - 1]
    for seed, count, message in (
        (0, 0, "seeds must be at least 1, received 0"),
        (0, -3, "seeds must be at least 1, received -3"),
        (2**32 - 2, 3, "seed must be a whole number in"),
        (-1, 1, "seed must be a whole number in"),
    ):
        with pytest.raises(SpecError, match=message):
            seeds_from(seed, count)


def test_seeds_in_range() -> None:
    for seed in (0, 2**32 - 1):
        check_seed(seed)
