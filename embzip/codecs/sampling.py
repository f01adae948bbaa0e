"""A bounded sample of a table's rows, for codecs that learn from some of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.base import Matrix, Table, row_blocks


def sample_rows(
    table: Table, most: int, *, weights: NDArray[np.float64] | None, seed: int
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return up to `most` rows in their order, and their weights; all of them where they fit.

    Rows of weight 0 are left out.
    """
    rows = table.shape[0]
    candidates: NDArray[Any] = np.arange(rows) if weights is None else np.flatnonzero(weights)
    if len(candidates) > most:
        rng = np.random.default_rng(seed)
        candidates = np.sort(rng.choice(candidates, most, replace=False))
    parts = []
    for first, block in row_blocks(table):
        low, high = np.searchsorted(candidates, [first, first + len(block)])
        parts.append(block[candidates[low:high] - first])
    chosen = np.ones(len(candidates)) if weights is None else weights[candidates]
    return np.concatenate(parts), chosen


def has_zero_row(table: Table) -> bool:
    """Return whether a row is all zeros."""
    return any(bool((~block.any(axis=1)).any()) for _, block in row_blocks(table))
