"""svd against NumPy's own decomposition, and against what the metric promises."""

import numpy as np
import pytest

from embzip.codecs.chain import affine, params_of
from embzip.compression import compress


@pytest.fixture
def table() -> np.ndarray:
    rng = np.random.default_rng(1)
    return (rng.normal(size=(60, 8)) @ rng.normal(size=(8, 8))).astype(np.float32)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_it_is_the_best_approximation_of_that_rank(table: np.ndarray, rank: int) -> None:
    left, values, right = np.linalg.svd(table.astype(np.float64), full_matrices=False)
    best = (left[:, :rank] * values[:rank]) @ right[:rank]
    np.testing.assert_allclose(compress(table, f"svd:{rank}|float32").decode(), best, atol=1e-4)


def test_energy_keeps_the_fewest_directions_that_hold_the_share(table: np.ndarray) -> None:
    values = np.linalg.svd(table.astype(np.float64), compute_uv=False) ** 2
    rank = int(np.searchsorted(np.cumsum(values) / values.sum(), 0.95)) + 1
    assert compress(table, "svd:energy=0.95|int8").codec.spec == f"svd:{rank}|int8"
    assert compress(table, "svd:energy=1.0|int8").codec.spec == "svd:8,components=int8|int8"


@pytest.mark.parametrize(("condition", "stage"), [(1e3, "svd:8,components=int8"), (1e6, "svd:8")])
def test_a_very_uneven_metric_keeps_float32_directions(
    table: np.ndarray, condition: float, stage: str
) -> None:
    metric = np.diag(np.geomspace(1, condition, 8)).astype(np.float32)
    assert compress(table, "svd|int8", metric=metric).codec.spec == f"{stage}|int8"


def test_weights_count_rows_as_often_as_they_say(table: np.ndarray) -> None:
    weights = np.arange(60) % 4
    repeated = np.repeat(table, weights, axis=0)
    weighted = compress(table, "svd:3|float32", weights=weights).params["0.components"]
    expected = compress(repeated, "svd:3|float32").params["0.components"]
    np.testing.assert_allclose(weighted, expected, atol=1e-4)


def test_the_metric_minimizes_the_error_the_next_layer_sees(table: np.ndarray) -> None:
    kernel = np.random.default_rng(2).normal(size=(8, 2)).astype(np.float32)
    metric = (kernel @ kernel.T + 1e-4 * np.eye(8)).astype(np.float32)
    plain = compress(table, "svd:2|float32").decode()
    guided = compress(table, "svd:2|float32", metric=metric).decode()
    seen = lambda decoded: np.square((table - decoded) @ kernel).sum()  # noqa: E731
    # Two directions are all the kernel reads, so nearly nothing it reads is lost.
    assert seen(guided) < 1e-3 * seen(plain)


def with_components(table: np.ndarray, spec: str, metric: np.ndarray | None = None):
    return [
        compress(table, spec.format(kind), metric=metric).decode() for kind in ("float32", "int8")
    ]


def test_rounded_components_lose_nothing_where_all_are_kept(table: np.ndarray) -> None:
    plain, rounded = with_components(table, "svd:components={}|float32")
    np.testing.assert_allclose(plain, table, atol=1e-5)
    np.testing.assert_allclose(rounded, table, atol=1e-5)
    small = compress(table, "svd|float32")
    assert small.codec.spec == "svd:8,components=int8|float32"
    assert small.params["0.octets"].nbytes + small.params["0.scale"].nbytes == 8 * 8 + 8 * 4
    few = compress(table[:5], "svd|float32")  # there is no inverse
    assert few.codec.spec == "svd:5|float32"


def test_rounded_components_are_read_by_their_inverse(table: np.ndarray) -> None:
    """By the metric, where there is one: hardly more than the best of that rank is lost."""
    kernel = np.random.default_rng(2).normal(size=(8, 8)) * 2.0 ** -np.arange(8)
    metric = (kernel @ kernel.T + 0.05 * np.eye(8)).astype(np.float32)
    for guide in (None, metric):
        plain, rounded = (
            table - each for each in with_components(table, "svd:4,components={}|float32", guide)
        )
        seen = np.eye(8) if guide is None else guide
        lost, more = (np.einsum("ij,jk,ik->", e, seen, e) for e in (plain, rounded))
        assert lost <= more < lost * 1.01


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e12])
def test_rounded_components_take_a_metric_of_any_size(table: np.ndarray, size: float) -> None:
    metric = (np.diag(np.arange(1, 9)) * size).astype(np.float32)
    found = compress(table, "svd|int8", metric=metric).decode()
    np.testing.assert_allclose(found, table, atol=0.2)


def test_decoding_is_affine(table: np.ndarray) -> None:
    small = compress(table, "center|svd:3|float32")
    for index, columns in ((0, 8), (1, 3)):
        transform = small.codec.transforms[index]
        params = params_of(small.params, index)
        matrix, offset = affine(transform, params, columns)
        block = np.random.default_rng(3).normal(size=(5, columns)).astype(np.float32)
        from embzip.codecs.ops import numpy_ops

        np.testing.assert_allclose(
            transform.decode(block, params, numpy_ops), block @ matrix + offset, atol=1e-5
        )


@pytest.mark.parametrize("size", [1e-25, 1e-3, 1e25])
def test_directions_of_many_rows_hold_what_float64_finds(size: float) -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(20_000, 30)) * 10.0 ** -np.linspace(0, 3, 30)
    values = (values @ np.linalg.qr(rng.normal(size=(30, 30)))[0] * size).astype(np.float32)
    wide = values.astype(np.float64) / size
    lost = np.square(np.linalg.svd(wide, compute_uv=False)[10:]).sum()
    error = np.square(compress(values, "svd:10|float32").decode() / size - wide).sum()
    assert error < lost * 1.0001
