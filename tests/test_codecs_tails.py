"""Heavy tails: what far numbers cost, and that more bits are worth more on every table."""

import numpy as np
import pytest

from embzip.codecs.row_classes import tails
from embzip.codecs.row_classes.losses import Losses
from embzip.codecs.row_classes.mixed import Mixed
from embzip.codecs.row_classes.tails import count_tails, errors_by_magnitude
from embzip.compression import compress


def snr(values: np.ndarray, spec: str) -> float:
    left = (compress(values, spec).decode() - values).astype(np.float64)
    return float(10 * np.log10(np.square(values, dtype=np.float64).sum() / np.square(left).sum()))


def lengths(rows: int = 2000, dim: int = 30) -> np.ndarray:
    """Rows of log-normal length: the longest is 30 times the usual."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(rows, dim)) * np.exp(rng.normal(size=(rows, 1)))).astype(np.float32)


def student(rows: int = 2000, dim: int = 30) -> np.ndarray:
    """Numbers far out, each for itself."""
    return np.random.default_rng(0).standard_t(3, (rows, dim)).astype(np.float32)


@pytest.mark.parametrize("make", [lengths, student])
@pytest.mark.parametrize("codec", ["tcq", "svd|tcq", "mixed"])
def test_more_bits_are_worth_more(make, codec: str) -> None:
    values = make()
    reached = [snr(values, f"{codec}:{bits}") for bits in (2, 4, 6, 8)]
    # Gaussian numbers gain 12 dB in two bits; what the far ones cost more is not most of it.
    assert (np.diff(reached[:3]) > 8).all(), reached
    assert reached[3] > reached[2] + 2, reached
    assert reached[1] > snr(values, "int4") + 1


def test_one_row_far_out_costs_the_others_nothing() -> None:
    values = np.random.default_rng(0).normal(size=(3000, 24)).astype(np.float32)
    values[1234] *= 300
    left = np.square(compress(values, "tcq:6").decode() - values)
    plain = np.square(compress(np.delete(values, 1234, 0), "tcq:6").decode()
                      - np.delete(values, 1234, 0))  # fmt: skip
    assert np.delete(left, 1234, 0).mean() < 1.2 * plain.mean()
    assert left[1234].sum() < 0.01 * np.square(values[1234]).sum()


@pytest.mark.parametrize("codec", ["tcq", "mixed"])
def test_a_class_of_far_rows_that_was_not_counted_gets_bits(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of large tables runs of rows are counted, and none of these may lie in one."""
    monkeypatch.setattr(tails, "_ROWS", 1024)
    monkeypatch.setattr(tails, "_RUN", 64)
    plain = np.random.default_rng(0).normal(size=(4096, 24)).astype(np.float32)
    reached = []
    for first in (0, 80):  # counted, and not
        values = plain.copy()
        values[first : first + 40] *= 300
        reached.append(snr(values, f"{codec}:2"))
    assert reached[0] > 20, reached
    assert reached[1] > reached[0] - 1, reached


def test_a_class_of_rows_without_weight_loses_what_gaussian_ones_do() -> None:
    values = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    of_row = (np.arange(600) % 2).astype(np.uint8)
    losses = Mixed(2.0).losses()
    errors = np.ones((9, tails._BINS))
    found = count_tails(
        values, of_row.astype(np.float64), losses, errors, of_row, np.zeros((2, 4)), np.ones((2, 4))
    )
    np.testing.assert_array_equal(found.losses[0], np.tile(losses.matched, (4, 1)))
    assert (found.losses[1, :, 0] > 0.9).all()
    assert (found.stretch[0] == 1).all()


def test_errors_by_magnitude_of_a_plain_quantizer() -> None:
    """Whole numbers up to 2: next to nothing below, the distance to 2 beyond."""

    def rounded(numbers: np.ndarray, bits: int) -> np.ndarray:
        return np.clip(np.rint(numbers), -2, 2)

    errors = errors_by_magnitude(rounded)
    magnitude = 2.0 ** (-3 + (np.arange(errors.shape[1]) + 0.5) / 16)
    np.testing.assert_allclose(errors[0], np.square(magnitude))
    near = (magnitude > 0.2) & (magnitude < 1.9)
    expected = np.square(magnitude - np.rint(magnitude))
    np.testing.assert_allclose(errors[3][near], expected[near], atol=0.02)
    far = magnitude > 4
    np.testing.assert_allclose(errors[3][far], np.square(magnitude[far] - 2), rtol=0.1)


def test_gaussian_columns_are_not_stretched_and_spiky_ones_are() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4000, 60)).astype(np.float32)
    values[::100, 1] *= 6
    losses = Mixed(2.0).losses()
    assert isinstance(losses, Losses)

    def quantized(numbers: np.ndarray, bits: int) -> np.ndarray:
        mixed = Mixed(2.0)
        packed = mixed.encode_numbers(numbers, [bits] * numbers.shape[1], numbers[0])
        stream = np.concatenate([packed.ravel(), np.zeros(20, np.uint8)])
        starts = np.arange(len(numbers)) * packed.shape[1]
        return mixed.decode_class(stream, starts, np.full(numbers.shape[1], bits, np.uint8))

    found = count_tails(
        values,
        None,
        losses,
        errors_by_magnitude(quantized),
        np.zeros(4000, np.uint8),
        values.mean(axis=0, keepdims=True).astype(np.float64),
        values.std(axis=0, keepdims=True).astype(np.float64),
    )
    np.testing.assert_allclose(found.losses[0, 0, :7], losses.matched[:7], rtol=0.1)
    assert (found.stretch[0, 0, 1:5] < 1.1).all()
    assert found.stretch[0, 1, 6] > 1.5
