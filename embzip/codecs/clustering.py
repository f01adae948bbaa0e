"""k-means over rows of a table, in blocks: Lloyd's algorithm on a sample, and the nearest centroid.

One implementation, in NumPy, and not faiss where that is installed: both spend their time in the
same matrix products, and so a table gives the same file with faiss and without. Row weights count.

References: Lloyd 1982.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from embzip.codecs.codebooks import power_of_two, scaled
from embzip.engine import spans
from embzip.types import Matrix

_PRODUCTS = 2_000_000  # numbers of one matrix product
_SPREAD = 512  # centroids up to which a start is spread over the rows


def clustered(
    rows: Matrix, mass: NDArray[np.float64], count: int, *, rounds: int, seed: int
) -> Matrix:
    """Return (count, dim) centroids of weighted rows, of which the first is zeros.

    The others stand by falling weight of their rows. Where rows are too few, or too much alike,
    the last ones are zeros too.
    """
    made = np.zeros((count, rows.shape[1]), np.float32)
    possible = np.flatnonzero((mass > 0) & rows.any(axis=1))
    start = min(count - 1, len(possible))
    if start == 0:
        return made
    divisor = power_of_two(rows)
    points = scaled(rows, divisor)
    made[1 : start + 1] = _drawn(points[possible], mass[possible], start, seed)
    before = np.full(len(points), -1)
    for _ in range(rounds):
        chosen, left = _nearest(points, made)
        if np.array_equal(chosen, before):
            break
        before = chosen
        member = csr_array((mass, (chosen, np.arange(len(points)))), shape=(count, len(points)))
        weight = np.bincount(chosen, mass, count)
        used = weight > 0
        used[0] = False
        made[used] = (member @ points)[used] / weight[used, None]
        # Centroids without rows go to the rows that are farthest from theirs.
        unused = np.flatnonzero(weight[1:] == 0) + 1
        farthest = np.argsort(-mass * left, kind="stable")[: len(unused)]
        made[unused[: len(farthest)]] = points[farthest]
    chosen, _ = _nearest(points, made)
    weight = np.bincount(chosen[chosen > 0], mass[chosen > 0], count)
    weight[0] = np.inf
    made[weight == 0] = 0
    return (made[np.argsort(-weight, kind="stable")] * np.float64(divisor)).astype(np.float32)


def _drawn(points: Matrix, mass: NDArray[np.float64], count: int, seed: int) -> Matrix:
    """Return rows to start from: drawn one after another, rather far from those before.

    Such a start (k-means++, Arthur and Vassilvitskii 2007) takes a pass over the rows for each
    centroid; where these are many, chance is about as good, and rows are drawn by their mass.
    """
    rng = np.random.default_rng(seed)
    if count > _SPREAD:
        chosen = rng.choice(len(points), count, replace=False, p=mass / mass.sum())
        return points[np.sort(chosen)]
    squares = np.square(points).sum(axis=1)
    left = squares.astype(np.float64)  # the first centroid is zeros
    made = np.zeros((count, points.shape[1]), np.float32)
    for index in range(count):
        upto = np.cumsum(mass * left)
        if upto[-1] == 0:
            break
        row = min(int(np.searchsorted(upto, rng.random() * upto[-1], side="right")), len(upto) - 1)
        made[index] = points[row]
        apart = squares - 2 * (points @ points[row]) + squares[row]
        left = np.minimum(left, np.maximum(apart, 0))
        left[row] = 0
    return made


def nearest_centroid(rows: Matrix, centroids: Matrix) -> NDArray[np.intp]:
    """Return each row's nearest centroid, the first of equal ones.

    >>> nearest_centroid(np.float32([[0.9], [0], [3]]), np.float32([[0], [1], [2]])).tolist()
    [1, 0, 2]
    """
    divisor = power_of_two(rows, centroids)
    return _nearest(scaled(rows, divisor), scaled(centroids, divisor))[0]


def _nearest(rows: Matrix, centroids: Matrix) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return each row's nearest centroid, and its squared distance from that."""
    half = np.square(centroids).sum(axis=1) / 2
    across = np.ascontiguousarray(centroids.T)
    chosen = np.empty(len(rows), np.intp)
    near = np.empty(len(rows), np.float32)
    step = max(1, _PRODUCTS // len(centroids))
    buffer = np.empty((min(step, len(rows)), len(centroids)), np.float32)
    for part in spans(len(rows), step):
        products = np.matmul(rows[part], across, out=buffer[: part.stop - part.start])
        products -= half
        products.argmax(axis=1, out=chosen[part])
        near[part] = np.take_along_axis(products, chosen[part][:, None], axis=1)[:, 0]
    left = np.square(rows).sum(axis=1) - 2 * near
    return chosen, np.maximum(left, 0)
