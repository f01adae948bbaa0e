"""Vectors from counts; mutual information by dense loops and NumPy's decomposition are oracles."""

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from embzip.errors import InputError, MissingPackageError, SpecError
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.tokenizers.building import build_bpe, build_words
from embzip.vectors.cooccurrence import cooccurrences
from embzip.vectors.options import PpmiOptions
from embzip.vectors.ppmi import SCALE, ppmi, ppmi_rows
from embzip.vectors.training import train_vectors

Dense = NDArray[np.float64]
TEXTS = [
    "the cat sat on the mat", "the cat and the dog", "a dog sat", "the mat", "on the cat", "dog",
    "and a the cat", "a dog and a cat sat on a mat", "the the cat", "sat on dog",
]  # fmt: skip
WORDS = WordTokenizer(sorted({word for text in TEXTS for word in text.split()}), Normalization())


def corpus_of(folder: Path, lines: list[str]) -> Path:
    path = folder / "corpus.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def dense_ppmi(counts: Dense, smoothing: float, shift: float) -> Dense:
    """Return what the papers define, number by number."""
    total = counts.sum()
    smoothed = counts.sum(axis=0) ** smoothing
    found = np.zeros(counts.shape)
    for word, context in zip(*np.nonzero(counts), strict=True):
        joint = counts[word, context] / total
        chance = counts[word].sum() / total * smoothed[context] / smoothed.sum()
        found[word, context] = max(0, np.log(joint / chance) - np.log(shift))
    return found


@pytest.mark.parametrize("smoothing", [0.5, 0.75, 1])
@pytest.mark.parametrize("shift", [1, 2])
def test_mutual_information_is_that_of_the_papers(smoothing: float, shift: int) -> None:
    pairs = cooccurrences(TEXTS, WORDS, window=3, where="texts").pairs
    found = ppmi(pairs, smoothing=smoothing, shift=shift)
    before = pairs.toarray()
    expected = dense_ppmi(before.astype(np.float64), smoothing, shift)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-5, atol=1e-6)
    assert found.nnz == np.count_nonzero(expected)
    np.testing.assert_array_equal(pairs.toarray(), before)


def test_frequent_tokens_take_no_more_memory_than_pairs_do() -> None:
    rows = 2000  # all of them beside each other, so that each is a row of very many pairs
    pairs = csr_array(np.random.default_rng(0).integers(1, 9, (rows, rows)))
    tracemalloc.start()
    found = ppmi(pairs)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 48 bytes for both halves of a pair, of which `pairs` has some.
    assert most < 24 * pairs.nnz - pairs.data.nbytes - pairs.indices.nbytes
    some = np.arange(0, rows, 97)
    sums: Dense = pairs.sum(axis=1).astype(np.float64)
    chance = sums[some, None] * sums[None, some] / sums.sum()
    expected = np.maximum(0, np.log(pairs.toarray()[np.ix_(some, some)] / chance))
    np.testing.assert_allclose(found.toarray()[np.ix_(some, some)], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("exponent", [0, 0.5, 1])
def test_rows_are_those_of_a_dense_decomposition(exponent: float) -> None:
    options = PpmiOptions(dim=3, window=2, exponent=exponent)
    found = ppmi_rows(TEXTS, WORDS, options, where="texts")
    pairs = cooccurrences(TEXTS, WORDS, window=2, where="texts").pairs.toarray()
    left, values, _ = np.linalg.svd(dense_ppmi(pairs.astype(np.float64), 0.75, 1))
    rows = left[:, :3] * values[:3] ** exponent
    rows *= SCALE * 3**0.5 / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    rows[~found.learned] = 0
    rows *= np.sign((rows * found.matrix).sum(axis=0))  # of singular vectors the sign is free
    np.testing.assert_allclose(found.matrix, rows, atol=1e-4)
    assert found.learned.tolist() == [False, False] + [True] * 8


def test_all_directions_give_the_matrix_again() -> None:
    options = PpmiOptions(dim=8, window=2, exponent=1)
    found = ppmi_rows(TEXTS, WORDS, options, where="texts")
    pairs = cooccurrences(TEXTS, WORDS, window=2, where="texts").pairs.toarray()
    dense = dense_ppmi(pairs.astype(np.float64), 0.75, 1)[2:]
    # U S has the lengths and the angles of the rows of U S V^T.
    dense *= SCALE * 8**0.5 / np.linalg.norm(dense, axis=1, keepdims=True)
    np.testing.assert_allclose(found.matrix[2:] @ found.matrix[2:].T, dense @ dense.T, atol=1e-3)


def test_similar_words_are_near(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    groups = [[f"{name}{i}" for i in range(8)] for name in ("sea", "sky")]
    lines = [" ".join(rng.choice(groups[n % 2], 8)) for n in range(800)]
    corpus = corpus_of(tmp_path, lines)
    vectors = train_vectors(corpus, build_words(corpus), method="ppmi", dim=4)
    rows = vectors.matrix[2:]
    near = np.argsort(-(rows @ rows[0]))[:8]
    assert {vectors.vocabulary.token(int(i) + 2)[:3] for i in near} == {"sea"}


def test_rows_of_ids_that_nothing_is_learned_of(tmp_path: Path) -> None:
    # `alone` stands beside nothing, `unicorn` nowhere.
    words = sorted({*WORDS.vocabulary} - {"<PAD>", "<UNK>"} | {"alone", "unicorn"})
    tokenizer = WordTokenizer(words, Normalization())
    for extra in ([], ["zebra cat", "zebra dog"]):
        corpus = corpus_of(tmp_path, [*TEXTS, "alone", *extra])
        vectors = train_vectors(corpus, tokenizer, method="ppmi", dim=4)
        assert vectors.counts is not None
        assert vectors.counts[vectors.vocabulary["alone"]] == 1
        unknown = vectors.matrix[1]
        for token in ("alone", "unicorn"):
            np.testing.assert_array_equal(vectors.matrix[vectors.vocabulary[token]], unknown)
        assert vectors.matrix[0].tolist() == [0, 0, 0, 0]
        learned = [vectors.vocabulary[word] for word in WORDS.vocabulary if word[0] != "<"]
        lengths = np.linalg.norm(vectors.matrix[learned], axis=1)
        np.testing.assert_allclose(lengths, SCALE * 2, rtol=1e-5)
        if extra:
            assert np.linalg.norm(unknown) == pytest.approx(SCALE * 2, rel=1e-5)
        else:
            mean = vectors.matrix[learned].mean(axis=0)
            np.testing.assert_allclose(unknown, mean, rtol=1e-4, atol=1e-6)


def test_bpe_pieces_have_rows(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, TEXTS * 5)
    tokenizer = build_bpe(corpus, tmp_path / "bpe.model", vocab=30)
    vectors = train_vectors(corpus, tmp_path / "bpe.model", method="ppmi", dim=6)
    assert vectors.counts is not None
    assert vectors.counts.sum() == sum(map(len, tokenizer.encode(TEXTS * 5)))
    assert vectors.vocabulary == tokenizer.vocabulary
    assert not vectors.matrix[tokenizer.vocabulary.pad_id].any()


CODE = """
import hashlib, json, sys
from embzip.vectors.training import train_vectors
corpus, tokenizer, options = sys.argv[1:]
vectors = train_vectors(corpus, tokenizer, method="ppmi", **json.loads(options))
print(hashlib.sha256(vectors.matrix.tobytes()).hexdigest())
"""


def test_equal_bytes_with_any_number_of_workers_and_threads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(2000)]
    chance = 1 / np.arange(1, 2001)
    lines = [" ".join(rng.choice(words, 12, p=chance / chance.sum())) for _ in range(4000)]
    corpus = corpus_of(tmp_path, lines)
    build_words(corpus, tmp_path / "words.tsv")
    made = {}
    for workers, threads in ((1, "1"), (2, "2"), (7, "3"), (1, "4")):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        options = json.dumps({"dim": 50, "workers": workers, "seed": 3})
        child = subprocess.run(
            [sys.executable, "-c", CODE, str(corpus), str(tmp_path / "words.tsv"), options],
            env={**os.environ, **dict.fromkeys(names, threads), "PYTHONHASHSEED": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        assert child.stderr == ""
        made[workers] = child.stdout.strip()
    here = train_vectors(corpus, tmp_path / "words.tsv", method="ppmi", dim=50, seed=3, workers=2)
    assert set(made.values()) == {hashlib.sha256(here.matrix.tobytes()).hexdigest()}


def test_the_order_of_texts_changes_nothing(tmp_path: Path) -> None:
    options = PpmiOptions(dim=5)
    one = ppmi_rows(TEXTS, WORDS, options, where="texts")
    other = ppmi_rows(TEXTS[::-1], WORDS, options, where="texts")
    assert one.matrix.tobytes() == other.matrix.tobytes()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"corpus\.txt: .*found no tokens"),
        (["zebra lion"], "2 tokens, all unknown"),
        (["cat"], r"corpus\.txt: ppmi learns from tokens .* found none in 1 tokens \(1 different"),
        (["cat cat cat"] * 9, r"found none in 27 tokens \(1 different\): add texts$"),
        (["cat", "dog", "mat"], r"found none in 3 tokens \(3 different\)"),
    ],
)
def test_corpora_that_nothing_is_learned_from(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_vectors(corpus_of(tmp_path, lines), WORDS, method="ppmi", dim=1)


def test_nothing_more_often_than_by_chance(tmp_path: Path) -> None:
    message = r"corpus\.txt: ppmi .* found none in 39 tokens \(8 different\): .*smaller shift"
    with pytest.raises(InputError, match=message):
        train_vectors(corpus_of(tmp_path, TEXTS), WORDS, method="ppmi", dim=1, shift=1000)


def test_more_columns_than_tokens(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, TEXTS)
    with pytest.raises(SpecError, match=r"corpus\.txt: the dim of ppmi is at most .* 8, received"):
        train_vectors(corpus, WORDS, method="ppmi")
    assert train_vectors(corpus, WORDS, method="ppmi", dim=8).dim == 8


def test_more_pairs_than_memory_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus\.txt: \d+ pairs .* need 0\.00. GB of memory"):
        ppmi_rows(TEXTS, WORDS, PpmiOptions(dim=2), where="corpus.txt", memory=1000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "ppmi", "epochs": 5},
            "epochs is no option of ppmi, whose own are dim, window, smoothing",
        ),
        ({"method": "ppmi", "sg": False}, "sg is no option of ppmi"),
        (
            {"method": "word2vec", "shift": 1},
            "shift is no option of word2vec, whose own are dim, epochs, window",
        ),
        ({"method": "ppmi", "sample": 0.1}, "sample is no option of ppmi"),
        ({"method": "word2vec", "smoothing": 0.5}, "smoothing is no option of word2vec"),
        ({"method": "PPMI", "exponent": 1.5}, r"exponent must be a number in 0\.\.1"),
        ({"method": "ppmi", "smoothing": float("nan")}, "smoothing must be a number"),
        ({"method": "ppmi", "smoothing": -0.1}, "smoothing must be a number"),
        ({"method": "ppmi", "shift": 0}, "shift must be a whole number"),
        ({"method": "ppmi", "shift": 1.5}, "shift must be a whole number"),
        ({"method": "glove"}, "unknown method 'glove'.*word2vec, ppmi"),
    ],
)
def test_options_out_of_place_and_out_of_range(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        train_vectors(corpus_of(tmp_path, TEXTS), WORDS, **options)


def test_gensim_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = corpus_of(tmp_path, TEXTS)
    monkeypatch.setitem(sys.modules, "gensim", None)  # what an import that fails looks like
    assert train_vectors(corpus, WORDS, method="ppmi", dim=2).dim == 2
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.raises(MissingPackageError, match=r"threadpoolctl>=3\.5"):
        train_vectors(corpus, WORDS, method="ppmi", dim=2)


def test_progress(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[int, int]] = []
    train_vectors(
        corpus_of(tmp_path, TEXTS), WORDS, method="ppmi", dim=2,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert capfd.readouterr() == ("", "")
