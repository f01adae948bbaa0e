"""What the codecs fitted by faiss share: its import, training rows, and the nearest centroids.

faiss fits and encodes; decoding needs none of it. Rows are divided by a power of two before faiss
sees them, so that squares of any float32 stay finite.

References: Douze et al. 2024 (the faiss library).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.sampling import sample_rows
from embzip.codecs.spec import Stage, is_whole
from embzip.codecs.sub_byte import WIDTHS
from embzip.engine import Table
from embzip.errors import MissingPackageError, SpecError
from embzip.types import Matrix

POINTS = 256  # training rows a centroid, as in faiss


def import_faiss(stage: str) -> Any:  # faiss carries no types
    """Return the faiss module.

    Raises
    ------
    MissingPackageError
        Where it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingPackageError(
            f"fitting {stage!r} needs faiss, which is not installed: "
            "`pip install 'faiss-cpu>=1.10'`, or `uv sync --extra pq` in a checkout"
        ) from error
    return faiss


def parts_and_bits(stage: Stage, what: str) -> tuple[int, int]:
    """Return the arguments of 'name:M,bits=B'."""
    text = stage.arguments[0] if len(stage.arguments) == 1 else ""
    bits = stage.options.get("bits", "8")
    if (
        not is_whole(text, 1, 65536)
        or set(stage.options) - {"bits"}
        or bits not in map(str, WIDTHS)
    ):
        raise SpecError(
            f"{stage.name!r} takes a number of {what} from 1 and bits=1, 2, 4 or 8 "
            f"({stage.name}:16, {stage.name}:16,bits=4), received {str(stage)!r}"
        )
    return int(text), int(bits)


def stage_of(name: str, parts: int, bits: int) -> Stage:
    """Return the stage that `parts_and_bits` reads."""
    return Stage(name, (str(parts),), {} if bits == 8 else {"bits": str(bits)})


def check_size(stage: Stage, rows: int, bits: int) -> None:
    """Refuse codebooks that have more entries than the table has rows."""
    if rows < 2**bits:
        raise SpecError(
            f"'{stage}': a codebook of {2**bits} entries needs as many rows, the table has {rows}: "
            "choose fewer bits"
        )


def training_rows(
    table: Table, bits: int, *, weights: NDArray[np.float64] | None, seed: int
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return enough rows to train 2**bits centroids, repeated where there are too few.

    As many as columns is what the principal components in faiss's residual quantizer need.
    """
    rows, mass = sample_rows(table, POINTS * 2**bits, weights=weights, seed=seed)
    enough = np.arange(max(len(rows), 2**bits, rows.shape[1])) % len(rows)
    return rows[enough], mass[enough]


def drawn_by_weight(rows: Matrix, mass: NDArray[np.float64], seed: int) -> Matrix:
    """Return as many rows, drawn by weight: for fitting that knows no weights."""
    if (mass == mass[0]).all():
        return rows
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(rows), len(rows), p=mass / mass.sum()))
    return np.asarray(rows[chosen])


def power_of_two(*arrays: NDArray[Any]) -> float:
    """Return the power of two next to the largest magnitude, 1 for zeros."""
    largest = max(float(np.abs(array).max(initial=0)) for array in arrays)
    return float(2.0 ** np.floor(np.log2(largest))) if largest > 0 else 1.0


def scaled(rows: NDArray[np.floating[Any]], divisor: float) -> Matrix:
    """Return contiguous float32 rows / divisor."""
    # In float64: the inverse of a divisor below the normal numbers is beyond float32.
    return np.ascontiguousarray(rows / np.float64(divisor), np.float32)


def nearest(faiss: Any, rows: Matrix, centroids: Matrix) -> NDArray[np.intp]:
    """Return each row's nearest centroid; zeros go to a centroid of zeros where there is one."""
    divisor = power_of_two(rows, centroids)
    _, found = faiss.knn(scaled(rows, divisor), scaled(centroids, divisor), 1)
    chosen = found[:, 0]
    zero = np.flatnonzero(~centroids.any(axis=1))
    if len(zero):
        chosen = np.where(rows.any(axis=1), chosen, zero[0])
    return np.asarray(chosen, np.intp)


def with_zero(centroids: Matrix, uses: NDArray[Any]) -> Matrix:
    """Return centroids of which the least used one is all zeros."""
    kept = centroids.copy()
    kept[int(uses.argmin())] = 0
    return kept
