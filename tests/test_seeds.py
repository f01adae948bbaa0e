"""Every entry that takes a seed refuses what some library under it would choke on."""

import numpy as np
import pytest

from embzip.compression import compress
from embzip.errors import SpecError
from embzip.evaluation.accuracy import bootstrap_ci95
from embzip.seeds import check_seed

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


def test_seeds_in_range() -> None:
    for seed in (0, 2**32 - 1):
        check_seed(seed)
