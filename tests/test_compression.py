"""`compress`: what it takes as weights, metric and spec, and how it refuses the rest."""

from typing import Any

import numpy as np
import pytest

from embzip.codecs import parse_codec
from embzip.compression import compress
from embzip.errors import InputError, InputTypeError, MismatchError, SpecError


def table(rows: int = 600, dim: int = 9) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32)


def error(spec: str, **kinds: Any) -> float:
    left = compress(table(), spec, **kinds).decode() - table()
    return float(np.square(left).sum())


@pytest.mark.parametrize("size", [1e39, 5e307, 1e-320, 1e-39])
@pytest.mark.parametrize("spec", ["pq:3,bits=4", "kmeans:4", "svd:4|int8", "tcq:2", "mixed:2"])
def test_only_ratios_of_weights_count(spec: str, size: float) -> None:
    weights = np.random.default_rng(1).integers(1, 4, 600).astype(np.float64)
    assert error(spec, weights=weights * size) < 1.02 * error(spec, weights=weights)


def test_weights_far_apart() -> None:
    weights = np.ones(600)
    weights[:300] = 1e-320
    for spec in ("tcq:2", "auto:3B/row", "svd:4|int8", "kmeans:4", "pq:3,bits=4"):
        alike, weighed = (
            np.square(compress(table(), spec, weights=given).decode() - table())
            for given in (None, weights)
        )
        assert np.isfinite(weighed).all(), spec
        assert weighed[300:].sum() < alike[300:].sum(), spec


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_refused_weights_name_the_row(bad: float) -> None:
    weights = np.ones(600)
    weights[[417, 500]] = bad
    with pytest.raises(InputError, match=f"row 417 has {bad}"):
        compress(table(), "int8", weights=weights)


@pytest.mark.parametrize(
    "weights", [{"a": 1}, ["a"] * 600, [[1], [2, 3]], b"x", [None] * 600, np.ones(600, complex)]
)
def test_weights_of_other_types_are_refused(weights: Any) -> None:
    with pytest.raises(InputTypeError, match="weights must"):
        compress(table(), "int8", weights=weights)


def test_rows_of_different_lengths_are_no_table() -> None:
    with pytest.raises(InputTypeError, match="a table must be an array of numbers"):
        compress([[1, 2], [3]], "int8")
    with pytest.raises(InputTypeError, match="rows must be an array of numbers"):
        compress(np.eye(2), "int8").append([[1, 2], [3]])


def spread(values: list[float]) -> np.ndarray:
    return np.diag(values).astype(np.float64)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (np.full((9, 9), np.nan), "must be finite, row 0, column 0 is nan"),
        (spread([1.0] * 8 + [np.inf]), "must be finite"),
        (-np.eye(9), "positive definite"),
        (np.zeros((9, 9)), "positive definite"),
        (spread([1.0] * 8 + [-0.1]), "positive definite"),
        (spread([1.0] * 8 + [1e-9]), "add a share of the identity"),
        (np.eye(9) + np.tri(9), "symmetric"),
    ],
)
@pytest.mark.parametrize("spec", ["svd:4|int8", "opq:3,bits=2", "tcq:2", "auto:5B/row"])
def test_a_metric_that_is_none_is_refused(spec: str, metric: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compress(table(), spec, metric=metric)


def test_a_metric_of_another_shape_or_type_is_refused() -> None:
    with pytest.raises(MismatchError, match="9 x 9"):
        compress(table(), "svd:4|int8", metric=np.eye(8))
    with pytest.raises(InputTypeError, match="the metric must hold real numbers, received object"):
        compress(table(), "svd:4|int8", metric={})  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1e-300, 1e300, 7.0])
def test_only_ratios_of_a_metric_count(size: float) -> None:
    turned = np.random.default_rng(2).normal(size=(9, 9))
    metric = turned @ turned.T + np.eye(9)
    scaled = compress(table(), "svd:4|int8", metric=metric * size)
    plain = compress(table(), "svd:4|int8", metric=metric.tolist())
    np.testing.assert_allclose(scaled.decode(), plain.decode(), atol=1e-3)


@pytest.mark.parametrize("spec", [None, b"int8", 8, ["int8"]])
def test_a_spec_of_another_type_is_refused(spec: Any) -> None:
    with pytest.raises(SpecError, match="a spec must be a string"):
        compress(table(), spec)


def test_a_codec_may_stand_for_its_spec() -> None:
    assert compress(table(), parse_codec("svd:4|int8")).codec.spec == "svd:4|int8"


@pytest.mark.parametrize("spec", ["tcq:2,nbytes=10", "svd|mixed:2,nbytes=100000000"])
def test_bytes_of_chosen_rows_are_no_option_of_compress(spec: str) -> None:
    with pytest.raises(SpecError, match="without it"):
        compress(table(), spec)
