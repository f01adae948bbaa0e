"""The table: look-ups by token, and what other functions take it for."""

import numpy as np
import pytest

import embzip
from embzip.errors import IdRangeError, InputError, InputTypeError, UnknownTokenError
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from tests.models import WORDS, tiny_classifier


@pytest.fixture
def table() -> embzip.CompressedEmbedding:
    return tiny_classifier("svd:3|int8").embedding


def test_vector_is_the_row_of_its_token(table: embzip.CompressedEmbedding) -> None:
    np.testing.assert_array_equal(table.vector("lion"), table[table.vocabulary["lion"]])
    with pytest.raises(UnknownTokenError, match="no token 'unheard'"):
        table.vector("unheard")
    with pytest.raises(KeyError):
        table.vector("<UNK>")


@pytest.mark.parametrize("ids", [-1, 11, [0, 11], [[3, -1]], np.array([2**40])])
def test_ids_are_range_checked(table: embzip.CompressedEmbedding, ids) -> None:
    with pytest.raises(IdRangeError, match=r"0\.\.10"):
        table[ids]


def test_ids_are_integers(table: embzip.CompressedEmbedding) -> None:
    for ids in (1.0, [True], "lion", None):
        with pytest.raises(InputTypeError, match="integers"):
            table[ids]


def test_padding_is_zero_and_decode_is_all_rows(table: embzip.CompressedEmbedding) -> None:
    whole = table.decode()
    np.testing.assert_array_equal(whole[0], np.zeros(6))
    np.testing.assert_allclose(whole, table[np.arange(11)], atol=1e-6)
    np.testing.assert_allclose(table[2:5], whole[2:5], atol=1e-6)


def test_what_load_returns_can_be_pruned_written_and_given_to_gensim(
    table: embzip.CompressedEmbedding, tmp_path
) -> None:
    embzip.save(table, tmp_path / "table.embz", counts=True)
    loaded = embzip.load(tmp_path / "table.embz")
    assert embzip.prune(loaded, max_vocab=3).rows_after == 5
    keyed = embzip.to_gensim(loaded)
    np.testing.assert_allclose(keyed["zoo"], loaded.vector("zoo"), rtol=1e-6)
    embzip.write_vectors(loaded, tmp_path / "words.txt")
    assert loaded.counts is not None
    count = dict(zip(loaded.vocabulary, loaded.counts.tolist(), strict=True))
    ranked = sorted(WORDS, key=count.__getitem__, reverse=True)
    assert list(embzip.read_vectors(tmp_path / "words.txt").vocabulary) == ranked
    assert keyed.index_to_key == ranked


def test_rows_weigh_by_the_square_root_of_their_counts_where_those_are_known() -> None:
    words = WordTokenizer(WORDS, Normalization())
    matrix = np.random.default_rng(0).normal(size=(len(WORDS) + 2, 6)).astype(np.float32)
    counts = np.array([0, 3, *range(100, 100 * len(WORDS) + 1, 100)])
    known = Vectors(words.vocabulary, matrix, counts, words)

    def bytes_of(vectors, **options) -> list[bytes]:
        made = embzip.compress(vectors, "svd:2|int8", **options)
        return [array.tobytes() for array in (*made.codes.values(), *made.params.values())]

    explicit = np.sqrt(np.maximum(counts, 1))
    assert bytes_of(known) == bytes_of(known, weights="sqrt-counts")
    assert bytes_of(known) == bytes_of(matrix, weights=explicit)
    assert bytes_of(known, weights="equal") == bytes_of(matrix)
    assert bytes_of(known) != bytes_of(matrix)
    with pytest.raises(InputError, match="'sqrt-counts' or 'equal', received 'counts'"):
        bytes_of(known, weights="counts")


@pytest.mark.parametrize("spec", ["int8", "svd|tcq:2", "float32"])
def test_a_small_table_gives_the_rows_that_a_large_one_does(
    spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    small = embzip.compress(matrix, spec)
    ids = np.array([[3, 49], [0, 3]])
    found = small[ids]
    with monkeypatch.context() as large:
        large.setattr("embzip.embedding._KEPT", 0)
        np.testing.assert_array_equal(embzip.compress(matrix, spec)[ids], found)
    found[:] = 0  # what was returned is the caller's own
    np.testing.assert_array_equal(small[ids], small.decode()[ids])
