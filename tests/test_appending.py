"""Rows appended to compressed tables: their errors, their tokens, and what is refused."""

import numpy as np
import pytest

import embzip
from embzip.compression import compress
from embzip.errors import EmbzipError, InputError, MismatchError, SpecError
from embzip.tokenizers import AliasedWords, Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary

TAKES = [
    "float32",
    "float16",
    "int8",
    "int8:scale=column",
    "int4",
    "int4:scale=column",
    "int2",
    "int1",
    "kmeans:16",
    "mixed:3",
    "tcq:3",
    "svd:6|int8",
    "svd:6,components=int8|tcq:4",
    "center|svd|int4",
    "center|normalize|tcq:3",
    "coarse:20|tcq:3",
    "svd|coarse:20|int4",
    "pq:4,bits=4",
    "rq:3,bits=4",
    "opq:4,bits=4",
    "normalize|pq:4,bits=4",
]


def rows(count: int = 400, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = 2.0 ** -np.arange(8) * rng.uniform(0.5, 2, (count, 1))
    return (rng.normal(size=(count, 8)) * scale).astype(np.float32)


def error(before: np.ndarray, after: np.ndarray) -> float:
    return float(np.square(before - after).sum() / np.square(before).sum())


@pytest.mark.parametrize("spec", TAKES)
def test_new_rows_lose_about_what_old_ones_did(spec: str) -> None:
    values = rows()
    table = compress(values[:300], spec)
    before = table.decode()
    longer = table.append(values[300:])
    assert longer.shape == (400, 8)
    assert longer.codec.layout(*longer.shape).nbytes == longer.nbytes
    np.testing.assert_allclose(longer[:300], before, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(table.decode(), before)  # the old table stays
    old, new = error(values[:300], before), error(values[300:], longer[300:400])
    farther = 10 if "column" in spec else 1  # what is beyond all old rows is cut off
    assert new < farther * 1.6 * old + 1e-9
    longer.check()


@pytest.mark.parametrize("spec", TAKES)
def test_files_of_longer_tables(spec: str, tmp_path) -> None:
    longer = compress(rows(90), spec).append(rows(20, seed=1)).append(rows(3, seed=2))
    embzip.save(longer, tmp_path / "t.embz", pack=True)
    np.testing.assert_array_equal(embzip.load(tmp_path / "t.embz").decode(), longer.decode())


def test_rows_may_be_appended_to_a_mapped_packed_file(tmp_path) -> None:
    for spec in ("tcq:3", "int4"):
        table = compress(rows(600), spec)
        embzip.save(table, tmp_path / "t.embz", pack=True)
        mapped = embzip.load(tmp_path / "t.embz", mmap=True)
        more = rows(20, seed=1)
        np.testing.assert_array_equal(mapped.append(more).decode(), table.append(more).decode())


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("ectcq:2", "prices"),
        ("svd|ectcq:2", "prices"),
        ("normalize|ectcq:2", "prices"),
        ("sparse:3", "scales"),
        ("rows:8", "all rows"),
        ("topdim:1|int8", "directions"),
    ],
)
def test_codecs_that_take_no_rows_say_why(spec: str, why: str) -> None:
    with pytest.raises(SpecError, match=f"takes no new rows, .*{why}.*compress old and new"):
        compress(rows(90), spec).append(rows(2))


def test_rows_of_zeros() -> None:
    zeros = np.zeros((2, 8), np.float32)
    values = rows(90)
    for spec in ("int8", "svd|int4", "coarse:4|int8"):
        assert not compress(values, spec).append(zeros)[90:92].any()
    values[3] = 0
    for spec in ("kmeans:7", "tcq:2", "coarse:4|tcq:2", "normalize|tcq:2"):
        assert not compress(values, spec).append(zeros)[90:92].any()
    with pytest.raises(InputError, match="row 1: this table was fitted without a row of zeros"):
        compress(rows(90), "kmeans:7").append(np.concatenate([rows(1), zeros]))


def test_bad_rows() -> None:
    table = compress(rows(90), "tcq:2")
    bad = rows(3)
    bad[1, 2] = np.nan
    for more, kind, message in (
        (bad, InputError, "row 1"),
        (rows(3)[:, :7], MismatchError, "8 columns, received 7"),
        (np.zeros(8), InputError, "shape"),
        (np.zeros((0, 8)), InputError, "no rows"),
        (np.zeros((1, 8), complex), EmbzipError, "real numbers"),
        (Vectors(Vocabulary(["sea"]), rows(1)), MismatchError, "none for its rows"),
    ):
        with pytest.raises(kind, match=message):
            table.append(more)


def test_tokens_of_a_foreign_table() -> None:
    old = Vectors(Vocabulary(["sea", "ship"]), rows(2), np.array([5, 1]))
    table = compress(old, "int8")
    longer = table.append(Vectors(Vocabulary(["sun"]), rows(1, seed=1)))
    assert list(longer.vocabulary or []) == ["sea", "ship", "sun"]
    np.testing.assert_allclose(longer.vector("sun"), rows(1, seed=1)[0], atol=0.02)
    np.testing.assert_array_equal(longer.counts, [5, 1, 0])
    with pytest.raises(InputError, match=r"has 'ship' already, and 0 others of the 2 new tokens"):
        table.append(Vectors(Vocabulary(["sun", "ship"]), rows(2)))
    with pytest.raises(MismatchError, match="append Vectors to a table with tokens"):
        table.append(rows(1))


@pytest.mark.parametrize("spec", ["int8", "tcq:6", "coarse:2|int8"])
def test_words_of_a_tokenizer_stay_in_order(spec: str) -> None:
    words = WordTokenizer(["cat", *(f"s{i:03}" for i in range(97))], Normalization())
    values = rows(100)
    values[0] = 0
    table = compress(Vectors(words.vocabulary, values, np.arange(100), words), spec)
    longer = table.append(Vectors(Vocabulary(["dog"]), rows(1, seed=1), np.array([9])))
    assert list(longer.vocabulary or [])[:5] == ["<PAD>", "<UNK>", "cat", "dog", "s000"]
    assert longer.encode(["S000 dog cat"]) == [[4, 3, 2]]
    np.testing.assert_array_equal(longer.counts[:5], [0, 1, 2, 9, 3])
    np.testing.assert_array_equal(longer.vector("s000"), table.vector("s000"))
    np.testing.assert_allclose(longer.vector("dog"), rows(1, seed=1)[0], atol=0.1)


def test_words_that_share_rows() -> None:
    words = AliasedWords(WordTokenizer(["cat", "the"], Normalization()), {"kitten": 2, "ox": 2})
    table = compress(Vectors(words.vocabulary, rows(4), None, words), "int8")
    longer = table.append(Vectors(Vocabulary(["animal", "ox"]), rows(2, seed=1)))
    assert longer.encode(["kitten ox cat animal"]) == [[3, 4, 3, 2]]


@pytest.mark.parametrize("word", ["Sea", "don't"])
def test_words_that_no_text_would_show(word: str) -> None:
    words = WordTokenizer(["cat"], Normalization())
    table = compress(Vectors(words.vocabulary, rows(3), None, words), "int8")
    with pytest.raises(InputError, match="would never find"):
        table.append(Vectors(Vocabulary([word]), rows(1)))
