"""A bounded sample of a table's rows, for codecs that learn from some of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.engine import Table, map_rows
from embzip.types import Matrix


def sample_rows(
    table: Table, most: int, *, weights: NDArray[np.float64] | None, seed: int
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return up to `most` rows in their order, and their weights; all of them where they fit.

    Rows of weight 0 are left out.
    """
    possible: NDArray[Any] | None = None if weights is None else np.flatnonzero(weights)
    count = table.shape[0] if possible is None else len(possible)
    chosen = np.arange(min(count, most))
    if count > most:
        chosen = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    if possible is not None:
        chosen = possible[chosen]

    def chosen_of(first: int, block: Matrix) -> Matrix:
        low, high = np.searchsorted(chosen, [first, first + len(block)])
        return block[chosen[low:high] - first]

    mass = np.ones(len(chosen)) if weights is None else weights[chosen]
    return np.concatenate(list(map_rows(chosen_of, table))), mass


def has_zero_row(table: Table) -> bool:
    """Return whether a row is all zeros."""
    return any(map_rows(lambda _, block: bool((~block.any(axis=1)).any()), table))
