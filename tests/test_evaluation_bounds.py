"""The Gaussian bound against values worked out by hand and a direct numerical search."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import brentq

from embzip import compress
from embzip.codecs import parse_codec
from embzip.errors import InputError, SpecError
from embzip.evaluation.bounds import GaussianBound, norm_conditioned_bound, pooled_bound

VARIANCES = arrays(
    np.float64, st.integers(1, 12), elements=st.floats(1e-3, 1e3, allow_subnormal=False)
)


def bound_of(*variances: float) -> GaussianBound:
    """Return the bound of one Gaussian."""
    known = np.array(variances, np.float64)
    return GaussianBound(np.ones(len(known)), known, float(known.sum()), len(known))


def searched(share: np.ndarray, variance: np.ndarray, rate: float) -> float:
    """Return the mean squared error at `rate` bits a row, by bisection of the water level."""

    def excess(log_level: float) -> float:
        used = np.maximum(np.log2(variance) - log_level, 0)
        return float(share @ used) / 2 - rate

    level = 2 ** brentq(excess, np.log2(variance).min() - 2 * rate - 99, np.log2(variance).max())
    return float(share @ np.minimum(variance, level))


def test_a_white_table_gains_6_02_db_a_bit() -> None:
    for bits in (0.5, 1, 3, 8):
        assert bound_of(1, 1, 1).snr_db(bits) == pytest.approx(20 * np.log10(2) * bits)


def test_two_axes_by_hand() -> None:
    # Variances 16 and 1, 2 bits a row: both bits go to the first axis, whose error becomes
    # 16 / 2^4 = 1: the level just reaches the second. Error 2 of 17.
    assert bound_of(16, 1).snr_db(1) == pytest.approx(10 * np.log10(17 / 2))
    # One bit: the first axis keeps 16 / 4 = 4, the second its 1.
    assert bound_of(1, 16).snr_db(0.5) == pytest.approx(10 * np.log10(17 / 5))
    # Four bits: level 1/4 each, 3 bits and 1 bit... 16 / 4^3 = 1 / 4^1 = 1/4.
    assert bound_of(16, 1).snr_db(2) == pytest.approx(10 * np.log10(17 / 0.5))


def test_a_mixture_by_hand() -> None:
    # Half the rows have variance 64, half 1. At 1.5 bits a row on average all bits go to the
    # first half: 3 bits each, error 64 / 4^3 = 1 there and 1 in the other.
    mixture = GaussianBound(np.array([0.5, 0.5]), np.array([64.0, 1.0]), 32.5, 1)
    assert mixture.snr_db(1.5) == pytest.approx(10 * np.log10(32.5 / 1.0))


@given(VARIANCES, st.floats(0.01, 8))
def test_the_closed_form_is_what_bisection_finds(variance: np.ndarray, bits: float) -> None:
    share = np.linspace(0.2, 1, len(variance))
    bound = GaussianBound(share, variance, float(share @ variance), len(variance))
    error = searched(share, variance, bits * len(variance))
    assert bound.snr_db(bits) == pytest.approx(10 * np.log10(bound.energy / error), abs=1e-6)


@given(VARIANCES, st.floats(0.01, 8))
def test_bits_undoes_snr_db(variance: np.ndarray, bits: float) -> None:
    bound = bound_of(*variance)
    assert bound.bits(bound.snr_db(bits)) == pytest.approx(bits, abs=1e-6)


def test_at_no_bits_nothing_is_known() -> None:
    bound = bound_of(3, 2, 1)
    assert bound.snr_db(0) == pytest.approx(0)
    assert bound.bits(-1.0) == 0.0
    assert bound.bits(0.0) == 0.0


def test_a_constant_table_costs_nothing() -> None:
    bound = pooled_bound(np.full((9, 4), 2.5, np.float32))
    assert bound.snr_db(0.1) == np.inf
    assert bound.bits(40) == 0.0


def test_pooled_variances_are_those_of_numpys_covariance() -> None:
    table = np.random.default_rng(0).normal(3, [1, 2, 5], (500, 3)).astype(np.float32)
    expected = np.linalg.eigvalsh(np.cov(table.T.astype(np.float64), bias=True))
    bound = pooled_bound(table)
    np.testing.assert_allclose(np.sort(bound.variance), expected, rtol=1e-6)
    assert bound.energy == pytest.approx(expected.sum())


def test_one_class_by_norm_is_the_pooled_bound() -> None:
    table = np.random.default_rng(1).normal(1, 2, (300, 5)).astype(np.float32)
    one = norm_conditioned_bound(table, classes=1)
    assert one.snr_db(1.7) == pytest.approx(pooled_bound(table).snr_db(1.7))


def test_knowing_the_class_never_hurts_and_lengths_of_two_kinds_help() -> None:
    rng = np.random.default_rng(2)
    table = (rng.normal(size=(4000, 6)) * np.repeat([1, 8], 2000)[:, None]).astype(np.float32)
    pooled, by_norm = pooled_bound(table), norm_conditioned_bound(table, classes=2)
    for bits in (0.2, 1, 4):
        assert by_norm.snr_db(bits) > pooled.snr_db(bits)
    # Variances 1 and 64 in equal parts: the geometric mean 8 stands against the mean 32.5.
    gained = by_norm.snr_db(4) - pooled.snr_db(4)
    assert gained == pytest.approx(10 * np.log10(32.5 / 8), abs=0.2)


def test_more_classes_than_rows() -> None:
    assert norm_conditioned_bound(np.eye(3, dtype=np.float32), classes=50).snr_db(1) == np.inf


def test_a_mapped_file_is_read_in_blocks(tmp_path: Path) -> None:
    table = np.random.default_rng(3).normal(size=(200, 4)).astype(np.float32)
    np.save(tmp_path / "table.npy", table)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    assert norm_conditioned_bound(mapped).snr_db(2) == norm_conditioned_bound(table).snr_db(2)


@pytest.mark.parametrize("spec", ["int8", "svd|mixed:2", "svd|tcq:1", "int2"])
def test_no_codec_beats_the_bound_on_gaussian_rows(spec: str) -> None:
    rng = np.random.default_rng(4)
    table = (rng.normal(size=(3000, 16)) * np.linspace(0.2, 2, 16)).astype(np.float32)
    bound = pooled_bound(table)
    small = compress(table, parse_codec(spec))
    error = np.square(table - small.decode(), dtype=np.float64).sum(axis=1).mean()
    snr = 10 * np.log10(bound.energy / error)
    assert snr < bound.snr_db(8 * small.nbytes / table.size)


def test_what_is_refused() -> None:
    with pytest.raises(SpecError, match="at least 0, received -1"):
        bound_of(1).snr_db(-1)
    with pytest.raises(SpecError, match="at least 0, received nan"):
        bound_of(1).snr_db(float("nan"))
    with pytest.raises(SpecError, match="at least 1 class, received 0"):
        norm_conditioned_bound(np.eye(2, dtype=np.float32), classes=0)
    with pytest.raises(InputError, match="row 1"):
        pooled_bound(np.array([[1, 2], [np.nan, 1]], np.float32))
