"""pq, opq and rq against faiss's own encoders and decoders."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import embzip
from embzip.classifier import Classifier, CnnConfig, head_shapes
from embzip.classifier.rebuilding import rebuild
from embzip.codecs import parse_codec
from embzip.compression import compress
from embzip.errors import FileFormatError, SpecError
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors

SPECS = ["pq:4", "pq:3,bits=4", "opq:4,bits=4", "rq:2", "rq:3,bits=4"]


def normal(rows: int = 600, dim: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, dim)) @ rng.normal(size=(dim, dim))).astype(np.float32)


def snr(values: np.ndarray, decoded: np.ndarray) -> float:
    return float(10 * np.log10(np.square(values).sum() / np.square(values - decoded).sum()))


def test_faiss_is_missing() -> None:
    code = (
        "import sys; sys.modules['faiss'] = None\n"
        "import embzip, numpy\n"
        "embzip.compress(numpy.ones((300, 4)), 'pq:2')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = run.stderr.strip().splitlines()[-1]
    assert "MissingPackageError: fitting 'pq:2' needs faiss" in last
    assert "`pip install 'faiss-cpu>=1.10'`, or `uv sync --extra pq`" in last


def test_opq_at_the_end_stands_for_a_rotation_and_pq() -> None:
    assert parse_codec("opq:16").spec == "opq:16|pq:16"
    assert parse_codec("center|opq:8,bits=4").spec == "center|opq:8,bits=4|pq:8,bits=4"
    assert parse_codec("opq:8|normalize|pq:8").spec == "opq:8|normalize|pq:8"


@pytest.mark.parametrize(
    ("spec", "rows", "message"),
    [
        ("pq:13", 600, "more parts"),
        ("opq:13", 600, "more parts"),
        ("pq:3", 255, "256 rows|fewer bits"),
        ("rq:3", 255, "fewer bits"),
        ("opq:3", 255, "fewer bits"),
    ],
)
def test_codecs_that_do_not_fit_the_table(spec: str, rows: int, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        compress(normal(rows), spec)


@pytest.mark.parametrize(
    ("spec", "nbytes"),
    [
        ("pq:4", 600 * 4 + 256 * 12 * 4),
        ("pq:3,bits=4", 600 * 2 + 16 * 12 * 4),
        ("opq:5,bits=4", 600 * 3 + 16 * 15 * 4 + 15 * 12 * 4),
        ("rq:2", 600 * 2 + 2 * 256 * 12 * 4),
        ("rq:3,bits=2", 600 + 3 * 4 * 12 * 4),
    ],
)
def test_bytes_by_hand(spec: str, nbytes: int) -> None:
    assert parse_codec(spec).layout(600, 12).nbytes == nbytes


def test_a_table_that_is_its_codebook() -> None:
    """Two parts of two columns with two values each; a row's codes stand in one byte."""
    left, right = np.array([[1.0, 2.0], [5.0, 6.0]]), np.array([[0.0, 3.0], [9.0, 9.0]])
    values = np.array([[*left[i], *right[j]] for i in (0, 1) for j in (0, 1)] * 3, np.float32)
    small = compress(values, "pq:2,bits=1")
    np.testing.assert_array_equal(small.decode(), values)
    books = small.params["0.centroids"]
    assert sorted(books[0].tolist()) == left.tolist()
    assert sorted(books[1].tolist()) == right.tolist()
    first = 0 if books[0, 0, 0] == 1 else 1
    second = 0 if books[1, 0, 0] == 0 else 1
    bits = [(i ^ first) | (j ^ second) << 1 for i in (0, 1) for j in (0, 1)]
    np.testing.assert_array_equal(small.codes["last"][:4], bits)


@pytest.mark.parametrize("bits", [4, 8])
def test_pq_encodes_and_decodes_as_faiss_does(bits: int) -> None:
    import faiss

    values = normal()
    small = compress(values, f"pq:4,bits={bits}")
    oracle = faiss.ProductQuantizer(12, 4, bits)
    faiss.copy_array_to_vector(small.params["0.centroids"].reshape(-1), oracle.centroids)
    codes = oracle.compute_codes(values)
    np.testing.assert_array_equal(codes, small.codes["values"])
    np.testing.assert_array_equal(oracle.decode(codes), small.decode())
    oracle.train(values)
    assert (
        snr(values, small.decode()) > snr(values, oracle.decode(oracle.compute_codes(values))) - 0.5
    )


def test_parts_are_as_even_as_can_be() -> None:
    values = normal(dim=10)
    small = compress(values, "pq:4,bits=4")
    assert small.params["0.centroids"].shape == (2, 16, 3)
    assert small.params["0.narrow"].shape == (2, 16, 2)
    decoded = small.decode()
    for first, last, book in (
        (0, 3, small.params["0.centroids"][0]),
        (3, 6, small.params["0.centroids"][1]),
        (6, 8, small.params["0.narrow"][0]),
        (8, 10, small.params["0.narrow"][1]),
    ):
        part = values[:, first:last]
        near = np.square(part[:, None] - book).sum(axis=2).argmin(axis=1)
        np.testing.assert_array_equal(decoded[:, first:last], book[near])


def test_the_rotation_is_one_and_helps() -> None:
    values = normal(rows=2000)
    small = compress(values, "opq:4,bits=4")
    rotation = small.params["0.components"].astype(np.float64)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(12), atol=1e-6)
    # Few directions hold most: a rotation spreads them over the parts.
    turn = np.linalg.qr(normal(12, 12))[0]
    spread = np.random.default_rng(0).normal(size=(2000, 12)) * 2.0 ** -np.arange(12)
    few = (spread @ turn).astype(np.float32)
    plain, rotated = (compress(few, spec).decode() for spec in ("pq:4,bits=4", "opq:4,bits=4"))
    assert snr(few, rotated) > snr(few, plain) + 5


def test_the_rotation_sees_the_metric() -> None:
    values = normal(rows=2000)
    metric = np.diag([100.0] * 3 + [0.01] * 9).astype(np.float32)
    error = []
    for known in (None, metric):
        difference = compress(values, "opq:4,bits=4", metric=known).decode() - values
        error.append(np.einsum("ij,jk,ik->", difference, metric, difference))
    assert error[1] < error[0] / 2


@pytest.mark.parametrize("bits", [4, 8])
def test_rq_encodes_and_decodes_as_faiss_does(bits: int) -> None:
    import faiss

    values = normal()
    small = compress(values, f"rq:4,bits={bits}")
    oracle = faiss.ResidualQuantizer(12, 4, bits)
    faiss.copy_array_to_vector(small.params["0.codebooks"].reshape(-1), oracle.codebooks)
    oracle.is_trained = True
    codes = oracle.compute_codes(values)
    np.testing.assert_array_equal(codes, small.codes["values"])
    np.testing.assert_allclose(oracle.decode(codes), small.decode(), rtol=1e-6)
    assert snr(values, small.decode()) > snr(values, compress(values, f"pq:4,bits={bits}").decode())


@pytest.mark.parametrize("spec", SPECS)
def test_weights_move_the_codebooks(spec: str) -> None:
    values = normal(rows=3000)
    values[:300] *= 0.2  # what is small counts little unless it is weighed
    weights = np.where(np.arange(3000) < 300, 1.0, 1e-5)
    plain, weighted = (compress(values, spec, weights=w)[:300] for w in (None, weights))
    assert snr(values[:300], weighted) > snr(values[:300], plain) + 0.5


@pytest.mark.parametrize("spec", SPECS)
def test_decoding_needs_no_faiss(tmp_path: Path, spec: str) -> None:
    small = compress(normal(), spec)
    embzip.save(small, tmp_path / "t.embz")
    code = (
        "import sys; sys.modules['faiss'] = None\n"
        "import embzip\n"
        "print(embzip.load(sys.argv[1])[[3, 599]].tobytes().hex())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "t.embz"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == small[[3, 599]].tobytes().hex()


def test_the_rotation_folds_into_the_kernels() -> None:
    tokenizer = WordTokenizer(sorted(f"w{index}" for index in range(58)), Normalization())
    vectors = Vectors(tokenizer.vocabulary, normal(60), tokenizer=tokenizer)
    config = CnnConfig(columns=12, max_length=9, filters=5, windows=(2, 3))
    rng = np.random.default_rng(3)
    arrays = {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in head_shapes(config, 3).items()
    }
    model = Classifier(compress(vectors, "float32"), ("a", "b", "c"), config, arrays)
    texts = [[5, 6, 7], [1, 2, 3, 4, 50, 51], [9]]
    kept, folded = (rebuild(model, codec="opq:5,bits=4", fold=fold) for fold in (False, True))
    assert folded.embedding.codec.spec == "pq:5,bits=4"
    np.testing.assert_allclose(
        folded.probabilities_of_ids(texts), kept.probabilities_of_ids(texts), atol=1e-5
    )


@settings(max_examples=25, deadline=None)
@given(
    values=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    spec=st.sampled_from(["pq:2,bits=1", "rq:2,bits=1", "normalize|pq:1,bits=1"]),
)
def test_any_float32_decodes_to_finite_numbers(values: np.ndarray, spec: str) -> None:
    decoded = compress(values, spec).decode()
    assert np.isfinite(decoded).all()
    assert not decoded[~values.any(axis=1)].any()


@pytest.mark.parametrize("power", [-100, 100])
@pytest.mark.parametrize("spec", ["pq:2,bits=2", "rq:2,bits=2", "normalize|pq:2,bits=2"])
def test_numbers_of_any_size_are_treated_alike(spec: str, power: int) -> None:
    values = normal(40, 4)
    far = np.ldexp(values, power)
    np.testing.assert_array_equal(
        compress(far, spec).decode(), np.ldexp(compress(values, spec).decode(), power)
    )


@pytest.mark.parametrize("magnitude", [1e-45, 3e38])
@pytest.mark.parametrize("spec", ["pq:2,bits=2", "rq:2,bits=2"])
def test_the_ends_of_float32_decode_to_finite_numbers(spec: str, magnitude: float) -> None:
    values = np.sign(normal(12, 4)) * np.float32(magnitude)
    assert np.isfinite(compress(values, spec).decode()).all()


def test_case_59_sums_that_overflow(tmp_path: Path) -> None:
    small = compress(normal(), "rq:3,bits=4")
    small.params["0.codebooks"][:, 3] = 2e38  # type: ignore[index]
    embzip.save(small, tmp_path / "t.embz")
    with pytest.raises(FileFormatError, match="must be finite numbers"):
        embzip.load(tmp_path / "t.embz")
