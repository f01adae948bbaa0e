"""Blocks of rows as codecs take them: finite float32 numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.types import Matrix


def finite_rows(raw: NDArray[Any], first: int) -> Matrix:
    """Return rows as float32, or raise `InputError` for the first that is not finite."""
    with np.errstate(over="ignore"):
        block = np.ascontiguousarray(raw, np.float32)
    if not _all_finite(block):
        row = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
        raise InputError(
            f"row {first + row}: a table must hold finite float32 numbers, found "
            f"{raw[row][~np.isfinite(block[row])][0]}"
        )
    return block


def _all_finite(block: Matrix) -> bool:
    """Say whether all numbers are finite; by the sum of squares, which is one fast pass, mostly."""
    flat = block.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.dot(flat, flat)
    return bool(np.isfinite(squares) or np.isfinite(block).all())
