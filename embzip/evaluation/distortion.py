"""How far one table is from another: the error of a compressed one. Knows no model and no bound."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embzip.engine import spans
from embzip.errors import MismatchError

_BLOCK = 1 << 14


class Rows(Protocol):
    """What `reconstruction` reads: a matrix, or an embedding whose rows are decoded on look-up."""

    def __len__(self) -> int: ...
    def __getitem__(self, ids: NDArray[np.int64], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Reconstruction:
    """How near one table is to another, over all rows.

    `snr_db` is 10 log10 of the original's energy over the error's, infinite where they are equal;
    `mean_cosine` averages the rows' cosines, where two zero rows count as 1 and one as 0.
    """

    snr_db: float
    mean_cosine: float


def reconstruction(before: Rows, after: Rows) -> Reconstruction:
    """Compare two tables of shape (rows, dim) row by row, in blocks; neither is decoded whole.

    Raises
    ------
    MismatchError
        Where the shapes differ, or there are no rows.

    Examples
    --------
    >>> import numpy as np
    >>> near = reconstruction(np.float32([[3, 4]]), np.float32([[3, 3.5]]))
    >>> near.snr_db, round(near.mean_cosine, 4)
    (20.0, 0.9979)
    """
    rows = len(before)
    if rows != len(after) or rows == 0:
        raise MismatchError(
            "two tables need the same number of rows, at least one, to be compared; received "
            f"{rows} and {len(after)}"
        )
    energy = error = cosines = 0.0
    for part in spans(rows, _BLOCK):
        ids = np.arange(part.start, part.stop)
        a, b = before[ids].astype(np.float64), after[ids].astype(np.float64)
        if a.shape != b.shape:
            raise MismatchError(
                "two tables need the same number of columns to be compared; received "
                f"{a.shape[1]} and {b.shape[1]}"
            )
        energy += float(np.sum(a * a))
        error += float(np.sum((a - b) ** 2))
        norms = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
        product = norms[0] * norms[1]
        cosine = np.sum(a * b, axis=1) / np.where(product > 0, product, 1.0)
        cosines += float(np.sum(np.where(norms[0] + norms[1] == 0, 1.0, cosine)))
    if error == 0.0:
        snr = float("inf")
    else:
        snr = float(10.0 * np.log10(energy / error)) if energy else float("-inf")
    return Reconstruction(snr_db=snr, mean_cosine=cosines / rows)
