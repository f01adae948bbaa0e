"""How near a codec can come to a table at a number of bits: the Gaussian rate-distortion bound.

Two models of a table's rows, both by reverse water-filling. Pooled: one Gaussian with the table's
mean and covariance. By norm: a mixture of Gaussians, one for each class of rows of like length. No
codec is made or measured here.

A codec that knows more about the rows than their covariance can pass the pooled bound. The bound by
norm does not count the bits that say a row's class, so that a codec that knows only norms and
covariances cannot pass it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.engine import Table, map_rows, sum_rows
from embzip.errors import SpecError
from embzip.types import Matrix

Numbers = NDArray[np.float64]
_TINY = 1e-12  # share of the largest variance below which there is nothing to code


@dataclass(frozen=True, eq=False)
class GaussianBound:
    """Independent Gaussian numbers that share a number of bits.

    Attributes
    ----------
    share
        (components,) of a row's numbers how many have each variance: 1 for each axis of one
        Gaussian; in a mixture, each class's share of the rows for each of its axes.
    variance
        (components,) of each.
    energy
        Mean squared distance of a row from the table's mean: what 0 dB leaves.
    dim
        Columns of the table.

    References
    ----------
    Claude Shannon, Coding theorems for a discrete source with a fidelity criterion, 1959; Cover
    and Thomas, Elements of Information Theory, chapter 10.

    Examples
    --------
    >>> white = GaussianBound(np.ones(4), np.ones(4), energy=4.0, dim=4)
    >>> round(white.snr_db(1.0), 2), round(white.snr_db(2.0), 2)
    (6.02, 12.04)
    >>> round(white.bits(12.04), 2)
    2.0
    """

    share: Numbers
    variance: Numbers
    energy: float
    dim: int

    def snr_db(self, bits: float) -> float:
        """Return the largest signal-to-noise ratio, in dB, at so many bits a number.

        The ratio is 10 log10 of `energy` over the mean squared error of a row.

        Raises
        ------
        SpecError
            For less than 0 bits.
        """
        if not bits >= 0:
            raise SpecError(f"bits a number must be at least 0, received {bits}")
        share, variance = self._live()
        if not len(variance):
            return float("inf")
        # The first k components are active at levels between variance k + 1 and variance k.
        mass = np.cumsum(share)
        logs = np.cumsum(share * np.log2(variance))
        needed = 0.5 * (logs - mass * np.log2(variance))
        rate = bits * self.dim
        active = int(np.searchsorted(needed, rate, side="right")) - 1
        level = 2.0 ** ((logs[active] - 2 * rate) / mass[active])
        error = float(share @ np.minimum(variance, level))
        return float(10 * np.log10(self.energy / error)) if error > 0 else float("inf")

    def bits(self, snr_db: float) -> float:
        """Return the fewest bits a number with which a code can reach a ratio in dB."""
        share, variance = self._live()
        wanted = self.energy * 10.0 ** (-snr_db / 10)
        if not len(variance) or wanted >= share @ variance:
            return 0.0
        # With the components beyond the first k left out whole, the level is this.
        mass = np.cumsum(share)
        left = share @ variance - np.cumsum(share * variance)
        level = (wanted - left) / mass
        active = int(np.flatnonzero((level > 0) & (level <= variance))[-1])
        rate = 0.5 * share[: active + 1] @ np.log2(variance[: active + 1] / level[active])
        return float(rate) / self.dim

    def _live(self) -> tuple[Numbers, Numbers]:
        """Return shares and variances, largest first, without those too small to code."""
        order = np.argsort(-self.variance, kind="stable")
        share, variance = self.share[order], self.variance[order]
        kept = (share > 0) & (variance > _TINY * variance[:1].sum())
        return share[kept], variance[kept]


def pooled_bound(table: Table) -> GaussianBound:
    """Return the bound of one Gaussian with the mean and covariance of all rows.

    Parameters
    ----------
    table
        (rows, dim); read in blocks, so a memory-mapped one will do.

    Raises
    ------
    InputError
        For a number that is not finite; names the row.

    Examples
    --------
    >>> table = np.random.default_rng(0).normal(size=(5000, 8)).astype(np.float32)
    >>> round(pooled_bound(table).snr_db(2), 1)
    12.0
    """
    variance = _axes(_moments(table, None, 1), 0)
    return GaussianBound(np.ones(len(variance)), variance, float(variance.sum()), len(variance))


def norm_conditioned_bound(table: Table, *, classes: int = 16) -> GaussianBound:
    """Return the bound of a mixture: classes of rows by distance from the mean, equal in number.

    All classes share one water level, which spends bits where they save the most.

    Parameters
    ----------
    table
        (rows, dim); read twice, in blocks.
    classes
        How many classes; more than there are rows count as that many.

    Raises
    ------
    SpecError
        For less than one class.
    InputError
        For a number that is not finite; names the row.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> lengths = np.repeat([1, 10], 2500)[:, None]
    >>> table = (lengths * rng.normal(size=(5000, 8))).astype(np.float32)
    >>> norm_conditioned_bound(table).snr_db(2) - pooled_bound(table).snr_db(2) > 6
    True
    """
    if classes < 1:
        raise SpecError(f"a mixture needs at least 1 class, received {classes}")
    rows, dim = table.shape
    classes = min(classes, rows)
    whole = _moments(table, None, 1)
    mean = whole.sums[0] / rows
    squares = map_rows(lambda _, block: np.square(block - mean).sum(axis=1), table, divisor=2)
    squared = np.concatenate(list(squares))
    of_row = np.empty(rows, np.int64)
    of_row[np.argsort(squared, kind="stable")] = np.arange(rows) * classes // rows
    made = _moments(table, of_row, classes)
    variance = np.concatenate([_axes(made, index) for index in range(classes)])
    share = np.repeat(made.rows / rows, dim)
    return GaussianBound(share, variance, float(_axes(whole, 0).sum()), dim)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Of each class: rows (classes,), sums (classes, dim) and products (classes, dim, dim)."""

    rows: Numbers
    sums: Numbers
    products: Numbers


def _moments(table: Table, of_row: NDArray[np.int64] | None, classes: int) -> _Moments:

    def moments_of(first: int, block: Matrix) -> tuple[Numbers, Numbers, Numbers]:
        wide = block.astype(np.float64)
        own = None if of_row is None else of_row[first : first + len(wide)]
        parts = [wide if own is None else wide[own == index] for index in range(classes)]
        return (
            np.array([float(len(part)) for part in parts]),
            np.stack([part.sum(axis=0) for part in parts]),
            np.stack([part.T @ part for part in parts]),
        )

    return _Moments(*sum_rows(moments_of, table, divisor=2))


def _axes(moments: _Moments, index: int) -> Numbers:
    """Return the variances along the principal axes of a class."""
    mean = moments.sums[index] / moments.rows[index]
    covariance = moments.products[index] / moments.rows[index] - np.outer(mean, mean)
    return np.maximum(np.linalg.eigvalsh(covariance), 0)
