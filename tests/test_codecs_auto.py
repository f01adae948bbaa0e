"""`auto`: a budget becomes the chain of least error that fits it."""

import numpy as np
import pytest

from embzip.codecs import parse_codec
from embzip.compression import compress
from embzip.errors import SpecError


def table(rows: int = 300, dim: int = 12, seed: int = 0) -> np.ndarray:
    """Columns of falling length, turned so that no column alone carries it."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    return ((rng.normal(size=(rows, dim)) * 2.0 ** -np.arange(dim)) @ turn).astype(np.float32)


def error(values: np.ndarray, spec: str, **kinds: np.ndarray) -> float:
    left = (compress(values, spec, **kinds).decode() - values).astype(np.float64)
    metric = kinds.get("metric", np.eye(values.shape[1]))
    weights = kinds.get("weights", np.ones(len(values)))
    return float(weights @ np.einsum("ij,jk,ik->i", left, metric, left))


@pytest.mark.parametrize("budget", ["1KB", "2.5KB", "0.006MB", "13B/row", "29B/row"])
def test_the_chain_fits_and_no_usual_one_that_fits_is_better(budget: str) -> None:
    values = table()
    small = compress(values, f"auto:{budget}")
    limit = {"1KB": 1000, "2.5KB": 2500, "0.006MB": 6000, "13B/row": 3900, "29B/row": 8700}[budget]
    assert small.nbytes <= limit
    reached = error(values, small.codec.spec)
    for spec in (
        "float16",
        "int8",
        "int4",
        "int2",
        "svd:3|int8",
        "svd:6|int4",
        "svd|tcq:1",
        "tcq:2",
    ):
        if parse_codec(spec).resolve(values).layout(*values.shape).nbytes <= limit:
            assert reached <= error(values, spec) * 1.0001, spec


def test_a_budget_for_all_of_it_is_lossless() -> None:
    values = table()
    assert compress(values, "auto:48B/row").codec.spec == "float32"


def test_weights_and_metric_choose_what_they_see() -> None:
    """Only the first column counts, so it gets the bytes: its error is far below plain."""
    values = np.random.default_rng(1).normal(size=(500, 16)).astype(np.float32)
    metric = np.diag([1.0] + [1e-6] * 15).astype(np.float32)
    plain, seen = (compress(values, "auto:4B/row", metric=m) for m in (None, metric))
    lost = [float(np.square(t.decode() - values)[:, 0].mean()) for t in (plain, seen)]
    assert lost[1] < lost[0] / 20
    assert max(plain.nbytes, seen.nbytes) <= 2000


def test_the_resolved_chain_stands_in_the_spec() -> None:
    resolved = parse_codec("auto:20B/row").resolve(table())
    assert resolved.resolved
    assert not parse_codec("auto:20B/row").resolved
    assert parse_codec(resolved.spec) == resolved
    assert parse_codec("auto:20B/row").spec == "auto:20B/row"


@pytest.mark.parametrize(
    "spec", ["auto", "auto:", "auto:5", "auto:-5KB", "auto:5TB", "auto:nanB", "auto:5KB,rows=2",
             "auto:1KB/dim", "auto:99999999999999KB"]
)  # fmt: skip
def test_a_budget_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(SpecError):
        parse_codec(spec)


@pytest.mark.parametrize("spec", ["svd:4|auto:5KB", "normalize|auto:5KB"])
def test_it_stands_alone(spec: str) -> None:
    with pytest.raises(SpecError, match="must stand alone"):
        parse_codec(spec)


def test_too_few_bytes_and_unresolved_layouts_are_refused() -> None:
    with pytest.raises(SpecError, match="no chain puts 300 x 12 numbers into 3 bytes") as refused:
        compress(table(), "auto:3B")
    least = int(str(refused.value).rpartition("auto:")[2].removesuffix("B"))
    assert compress(table(), f"auto:{least}B").nbytes <= least
    with pytest.raises(SpecError, match=f"the least is {least}"):
        compress(table(), f"auto:{least - 1}B")
    with pytest.raises(SpecError, match="resolve it first"):
        parse_codec("auto:1KB").layout(300, 12)


def test_a_candidate_that_the_table_refuses_is_left_out() -> None:
    """float16 ends at 65504: nothing of 2 bytes a number stands in for it but others."""
    values = table()
    values[17, 3] = 1e5
    small = compress(values, "auto:25B/row")
    assert small.nbytes <= 25 * len(values)
    assert "float16" not in small.codec.spec
    many = np.tile(table(), (80, 1))
    many[23_456, 3] = 1e5  # of 24,000 rows: most samples of 20,000 hold it, but not all
    for seed in range(2):
        assert "float16" not in compress(many, "auto:25B/row", seed=seed).codec.spec


def test_few_rows_with_weights_leave_ranks_out() -> None:
    values = table(600, 7)
    weights = np.zeros(600)
    weights[:5] = 1
    assert np.isfinite(compress(values, "auto:20B/row", weights=weights).decode()).all()


def test_more_bytes_are_never_worse() -> None:
    """Rows of very different length, where a rate too high was chosen for its bits alone."""
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(1500, 20)) * np.exp(rng.normal(size=(1500, 1)))).astype(np.float32)
    reached = [error(values, f"auto:{size}B/row") for size in (10, 14, 18, 22)]
    assert reached == sorted(reached, reverse=True)
