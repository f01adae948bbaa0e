"""Rows in bins: what is known of them, and the memory that holds it."""

import tracemalloc

import numpy as np
import pytest

from embzip.codecs.registry import parse_codec
from embzip.codecs.row_classes.bins import gather_bins
from embzip.engine import rows as engine_rows


def test_moments_are_those_of_the_rows_in_a_bin() -> None:
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(900, 3)) * rng.gamma(1, 2, (900, 1))).astype(np.float32)
    table[17] = 0
    weights = rng.integers(0, 50, 900).astype(np.float64)
    bins = gather_bins(table, weights)
    assert bins.of_row.dtype == np.uint16
    for index, rows in enumerate(bins.rows):
        members = bins.of_row == index
        part, mass = table[members].astype(np.float64), weights[members]
        assert members.sum() == rows
        assert bins.weight[index] == mass.sum()
        np.testing.assert_allclose(bins.energy[index], np.square(part).sum(axis=1).mean())
        if mass.sum():
            np.testing.assert_allclose(bins.mean[index], mass @ part / mass.sum(), atol=1e-12)
            np.testing.assert_allclose(bins.square[index], mass @ part**2 / mass.sum())
    rising = bins.weight / bins.rows * bins.energy
    assert (np.diff(rising) >= 0).all()


def test_more_bins_than_two_bytes_tell_apart() -> None:
    # A row a bin: lengths an octave apart, of every weight that is an octave apart.
    lengths, masses = np.meshgrid(np.arange(-60, 60), np.arange(-290, 290))
    table = np.exp2(lengths.reshape(-1, 1)).astype(np.float32)
    weights = np.exp2(masses.reshape(-1).astype(np.float64))
    bins = gather_bins(table, weights)
    assert len(table) > 2**16
    assert len(bins.rows) == len(table)
    np.testing.assert_array_equal(bins.square[bins.of_row], table.astype(np.float64) ** 2)
    np.testing.assert_array_equal(bins.weight[bins.of_row], weights)


@pytest.mark.parametrize("spec", ["tcq:2", "mixed:2"])
def test_fitting_holds_a_few_bytes_a_row(spec: str, monkeypatch) -> None:
    # 10,000,000 rows are to be fitted in less than 300 MB; small blocks leave the rows' share.
    monkeypatch.setattr(engine_rows, "BLOCK_BYTES", 400_000)
    peaks = []
    sizes = (500_000, 1_000_000)
    table = np.random.default_rng(0).standard_normal((sizes[1], 2), np.float32)
    codec = parse_codec(spec)
    codec.fit(table[:1000], weights=None, metric=None, seed=0)  # what is kept is made before
    for rows in sizes:
        tracemalloc.start()
        codec.fit(table[:rows], weights=None, metric=None, seed=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 6 * (sizes[1] - sizes[0])
