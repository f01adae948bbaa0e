"""mixed on tables small enough to check by hand, and against Max's published figures."""

import numpy as np
import pytest

from embzip.codecs.ops import numpy_ops
from embzip.codecs.registry import parse_codec
from embzip.codecs.row_classes.allocation import allocate
from embzip.codecs.row_classes.bins import gather_bins
from embzip.codecs.row_classes.fields import pack, unpack
from embzip.codecs.row_classes.losses import Losses
from embzip.codecs.row_classes.mixed import Mixed, _levels
from embzip.compression import compress
from embzip.errors import SpecError


def test_levels_are_those_of_max_1960() -> None:
    """Table I of the paper: 2 levels at 0.798, 4 at 0.453 and 1.510, 8 up to 2.152."""
    levels = _levels()
    np.testing.assert_allclose(levels[:2], [-0.798, 0.798], atol=1e-3)
    np.testing.assert_allclose(levels[2:6], [-1.510, -0.4528, 0.4528, 1.510], atol=1e-3)
    np.testing.assert_allclose(levels[10:14], [0.2451, 0.7560, 1.344, 2.152], atol=1e-3)


def test_distortions_are_those_of_max_1960() -> None:
    found = Mixed(2.0).losses().matched[:5]
    np.testing.assert_allclose(found, [1, 0.3634, 0.1175, 0.03454, 0.009497], rtol=5e-3)


def test_bits_go_where_they_save_most() -> None:
    """Deviations 4, 2, 1 and 0.1; two bytes a row: by theory a bit more for twice the deviation."""
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(8000, 8)) * [16, 8, 4, 2, 1, 1, 1, 0.01]).astype(np.float32)
    small = compress(values, "mixed:2.6,classes=2")
    for bits in small.params["0.bits"]:
        assert (np.diff(bits[:5].astype(int)) <= 0).all()
        assert np.ptp(bits[4:7]) <= 1  # alike, up to chance
        assert bits[0] >= bits[3] + 2
        assert bits[7] == 0


def test_fields_lie_one_after_another() -> None:
    fields = np.array([[1, 5, 200, 0], [0, 2, 255, 1]], np.uint8)
    widths = [1, 3, 8, 1]
    packed = pack(fields, widths)
    word = 1 | 5 << 1 | 200 << 4 | 0 << 12
    assert packed[0].tolist() == [word & 255, word >> 8]
    stream = np.concatenate([packed.ravel(), np.zeros(2, np.uint8)])
    found = unpack(
        stream,
        np.array([[0], [2]]),
        np.zeros(2, np.int32),
        np.array([[0, 1, 4, 12]], np.int32),
        np.array([[1, 7, 255, 1]], np.int32),
        numpy_ops,
    )
    np.testing.assert_array_equal(found, fields)


@pytest.mark.parametrize(("bits", "most"), [(1, 1.9), (2, 3.0), (4, 4.1)])
def test_distance_from_the_bound(bits: float, most: float) -> None:
    values = np.random.default_rng(1).normal(size=(4000, 48)).astype(np.float32)
    small = compress(values, f"mixed:{bits},classes=2")
    stored = sum(array.nbytes for array in small.codes.values()) * 8 / values.size
    assert stored <= bits
    error = np.square(values - small.decode()).mean()
    assert 0 < 10 * np.log10(error * 4**stored) < most


def test_the_budget_is_spent_and_not_passed() -> None:
    values = np.random.default_rng(2).normal(size=(1000, 16)).astype(np.float32)
    values *= np.exp(np.random.default_rng(3).normal(size=(1000, 1)))
    bins = gather_bins(values, None)
    np.testing.assert_allclose(bins.rows @ bins.energy, np.square(values, dtype=float).sum())
    for budget in (0, 100, 1777, 3999):
        found = allocate(bins, Mixed(2.0).losses(), classes=8, budget=budget)
        spent = int(found.sizes[found.of_row].sum())
        assert spent <= budget
        assert spent > budget - 16


def test_losses_between_the_measured_points() -> None:
    losses = Losses(Mixed(2.0).losses().table)
    bits, ones = np.array([0, 1, 2], np.uint8), np.ones(3)
    np.testing.assert_allclose(losses.of(bits, ones, ones), losses.matched[:3])
    wide = losses.of(bits, ones, 1e6 * ones)
    assert wide[0] == 1e6
    assert (wide[1:] > 0.9e6).all()
    np.testing.assert_array_equal(losses.of(bits, 0 * ones, ones), ones)


def test_wrong_specs_are_refused() -> None:
    for spec in ("mixed", "mixed:8.1", "mixed:-1", "mixed:2,states=32"):
        with pytest.raises(SpecError, match="mixed"):
            parse_codec(spec)
    assert parse_codec("mixed:2,classes=4").spec == "mixed:2,classes=4"
