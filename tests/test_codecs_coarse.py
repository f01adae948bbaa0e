"""coarse: centroids, codes and residuals, by eye; files, mapping, packing, folding, tampering."""

from pathlib import Path

import numpy as np
import pytest

import embzip
from embzip.classifier.folding import linear_part
from embzip.codecs import parse_codec
from embzip.codecs.bit_planes import from_planes
from embzip.codecs.clustering import clustered, nearest_centroid
from embzip.codecs.ops import numpy_ops
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import FileFormatError, SpecError

CENTERS = np.array([[10, 0, 0, 0], [0, -10, 0, 0], [6, 6, 0, 0]], np.float32)


def codes_of(table: CompressedEmbedding) -> np.ndarray:
    return np.asarray(from_planes(table.codes["coarse"], np.arange(table.rows), numpy_ops))


def clusters(rows: int = 90, noise: float = 0.1, seed: int = 0) -> np.ndarray:
    """Rows around three centers, in turn."""
    rng = np.random.default_rng(seed)
    near = CENTERS[np.arange(rows) % 3]
    return (near + noise * rng.normal(size=near.shape)).astype(np.float32)


def test_kmeans_finds_clusters_by_falling_weight_after_zeros() -> None:
    values = clusters()
    mass = np.ones(90)
    mass[1::3] = 5
    found = clustered(values, mass, 4, rounds=10, seed=0)
    assert not found[0].any()
    np.testing.assert_allclose(found[1], values[1::3].mean(axis=0), atol=1e-5)
    assert {int(i) for i in nearest_centroid(CENTERS, found)} == {1, 2, 3}


def test_weights_move_centroids() -> None:
    values = np.array([[10.0], [14.0]], np.float32)
    found = clustered(values, np.array([3.0, 1.0]), 2, rounds=10, seed=0)
    np.testing.assert_allclose(found, [[0], [11]])


def test_numbers_of_any_size() -> None:
    for size in (1e-30, 1e30):
        scaled = (clusters() * np.float32(size)).astype(np.float32)
        found = clustered(scaled, np.ones(90), 4, rounds=10, seed=0)
        assert len(np.unique(nearest_centroid(scaled, found))) == 3


def test_codes_and_residuals() -> None:
    values = np.concatenate([clusters(), np.zeros((1, 4), np.float32)])
    small = compress(values, "coarse:4|int8")
    codes = codes_of(small)
    assert codes[90] == 0
    assert all(len(set(codes[first:90:3].tolist())) == 1 for first in range(3))
    points = small.params["0.coarse_octets"] * small.params["0.coarse_scale"]
    np.testing.assert_allclose(points[codes[:3]], CENTERS, atol=0.2)
    np.testing.assert_allclose(small.decode(), values, atol=0.01)
    assert not small[90].any()


def test_clusters_cost_less_than_without() -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(60, 16))
    values = (centers[np.arange(3000) % 60] + 0.3 * rng.normal(size=(3000, 16))).astype(np.float32)
    plain, coarse = (compress(values, spec) for spec in ("svd|tcq:1.5", "svd|coarse:61|tcq:1"))
    errors = [np.square(each.decode() - values).sum() for each in (plain, coarse)]
    assert coarse.nbytes == plain.nbytes - 3000 + 47 * 6 * 8 + 61 * 16 + 4 * 16
    assert errors[1] < 0.5 * errors[0]


def test_k_is_chosen_by_rows_and_rate() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4000, 16)).astype(np.float32)
    chosen = [compress(values, f"coarse|tcq:{bits}").codec.spec for bits in (1, 4)]
    assert chosen == ["coarse:8|tcq:1", "coarse:32|tcq:4"]
    assert compress(values[:3], "coarse|int8").codec.spec == "coarse:2|int8"


@pytest.mark.parametrize(("centroids", "bits"), [(2, 1), (256, 8), (257, 9)])
def test_codes_take_as_many_bits_as_they_need(centroids: int, bits: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(600, 4)).astype(np.float32)
    small = compress(values, f"coarse:{centroids}|int2")
    assert small.codes["coarse"].shape == (10, bits, 8)
    assert codes_of(small).max() == centroids - 1


@pytest.mark.parametrize("rows", [1, 2, 50])
def test_rows_all_equal(rows: int) -> None:
    values = np.full((rows, 3), 2.5, np.float32)
    if rows == 1:
        with pytest.raises(SpecError, match="at most as many as the table has rows, 1; 'coarse:2'"):
            compress(values, "coarse|int8")
        return
    np.testing.assert_allclose(compress(values, "coarse:2|tcq:2").decode(), values, atol=0.01)


def test_more_centroids_than_rows_are_refused() -> None:
    with pytest.raises(SpecError, match="as the table has rows, 90; 'coarse:91' has more: name"):
        compress(clusters(), "coarse:91|int8")


@pytest.mark.parametrize(
    "spec", ["svd:3|coarse:4|int8", "coarse:4|int8:scale=column", "svd|coarse:4|tcq:3"]
)
def test_folding_passes_through(spec: str) -> None:
    small = compress(clusters(noise=1.0), spec)
    split = linear_part(small)
    assert split is not None
    plain, matrix, offset = split
    assert plain.codec.spec.startswith("coarse:4|")
    np.testing.assert_allclose(plain.decode() @ matrix + offset, small.decode(), atol=1e-4)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("inner", ["tcq:2", "int4", "ectcq:2"])
def test_files(tmp_path: Path, pack: bool, mmap: bool, inner: str) -> None:
    small = compress(clusters(rows=600, noise=1.0), f"svd|coarse:4|{inner}")
    embzip.save(small, tmp_path / "t.embz", pack=pack)
    loaded = embzip.load(tmp_path / "t.embz", mmap=mmap)
    np.testing.assert_array_equal(loaded[[5, 599, 5]], small[[5, 599, 5]])
    np.testing.assert_array_equal(loaded.decode(), small.decode())
    loaded.verify()


def test_packed_codes_take_their_entropy(tmp_path: Path) -> None:
    values = clusters(rows=9000, noise=1.0)
    sizes = []
    for spec in ("coarse:4|int1", "int1"):
        embzip.save(compress(values, spec), tmp_path / "t.embz", pack=True)
        sizes.append((tmp_path / "t.embz").stat().st_size)
    assert sizes[0] - sizes[1] < 4000


@pytest.mark.parametrize("mmap", [False, True])
def test_case_59_codes_beyond_the_centroids(tmp_path: Path, mmap: bool) -> None:
    small = compress(clusters(), "coarse:6|tcq:2")
    small.codes["coarse"][:] = 255  # type: ignore[index]
    embzip.save(small, tmp_path / "t.embz")
    with pytest.raises(FileFormatError, match=r"coarse:6: codes must lie in 0\.\.5"):
        embzip.load(tmp_path / "t.embz", mmap=mmap)[[2]]


def test_rows_of_weight_zero_and_selected_rows() -> None:
    values = clusters()
    weights = np.ones(90)
    weights[::3] = 0
    small = compress(values, "coarse:3|tcq:3", weights=weights)
    assert np.isfinite(small.decode()).all()
    own = {name.removeprefix("0."): array for name, array in small.params.items()}
    quantizer, codes = small.codec.quantizer.select(small.codes, own, np.array([7, 1]))
    spec = "|".join(map(str, quantizer.stages))
    assert parse_codec(spec).quantizer == quantizer
    taken = quantizer.decode_rows(codes, own, np.array([0, 1]))
    np.testing.assert_array_equal(taken, small[[7, 1]])
