"""Log loss against scikit-learn's, calibration error against its definition and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as reference

from embzip.evaluation.confidence import Coverage, calibration_error, coverage_curve, log_loss


def answers(seed: int, rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, 0.5), rows), rng.integers(classes, size=rows)


@given(st.integers(0, 2**32), st.integers(1, 50), st.integers(2, 6))
def test_log_loss_is_scikit_learns(seed, rows, classes):
    probabilities, expected = answers(seed, rows, classes)
    found = log_loss(probabilities, expected)
    np.testing.assert_allclose(
        found, reference(expected, probabilities, labels=range(classes)), rtol=1e-9
    )


def test_log_loss_stays_finite():
    probabilities = np.array([[1, 0]], np.float32)
    assert log_loss(probabilities, np.array([0])) == 0
    assert log_loss(probabilities, np.array([1])) == pytest.approx(126 * math.log(2))


def test_calibration_error_by_hand():
    # Three bins end at 1/3, 2/3 and 1.
    confidence = np.array([0.55, 0.65, 0.7, 0.9, 1.0])
    correct = np.array([True, False, True, True, False])
    probabilities = np.stack([1 - confidence, confidence], axis=1)
    second = abs((0.55 + 0.65) / 2 - 1 / 2)
    third = abs((0.7 + 0.9 + 1.0) / 3 - 2 / 3)
    found = calibration_error(probabilities, correct, bins=3)
    assert found == pytest.approx(2 / 5 * second + 3 / 5 * third)


def test_upper_end_belongs_to_its_bin():
    halves = np.full((2, 2), 0.5)  # the upper end of the first of two bins
    above = np.array([[0.2, 0.8], [0.2, 0.8]])
    correct = np.array([True, False, True, True])
    found = calibration_error(np.concatenate([halves, above]), correct, bins=2)
    assert found == pytest.approx((2 * 0 + 2 * 0.2) / 4)


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 20))
def test_calibration_error_is_its_definition(seed, rows, bins):
    probabilities, expected = answers(seed, rows, 3)
    correct = probabilities.argmax(axis=1) == expected
    confidence = probabilities.max(axis=1)
    total = 0.0
    for index in range(bins):
        inside = (confidence > index / bins) & (confidence <= (index + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    assert calibration_error(probabilities, correct, bins=bins) == pytest.approx(total)


def test_a_calibrated_model_has_almost_none():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 200_000)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    correct = rng.random(len(confidence)) < confidence
    assert calibration_error(probabilities, correct) < 0.005
    assert calibration_error(probabilities, ~correct) > 0.4


def test_coverage_curve_by_hand():
    confidence = np.array([0.5, 0.6, 0.9, 0.95])
    probabilities = np.stack([1 - confidence, confidence], axis=1)
    curve = coverage_curve(probabilities, np.array([False, True, False, True]), [0, 0.6, 0.92, 1])
    assert curve == (
        Coverage(0.0, 1.0, 0.5),
        Coverage(0.6, 0.75, 2 / 3),
        Coverage(0.92, 0.25, 1.0),
        Coverage(1.0, 0.0, None),
    )
