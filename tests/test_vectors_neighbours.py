"""Nearest rows on codes: equal to brute force on the decoded table, and to gensim's."""

import json
from pathlib import Path

import numpy as np
import pytest

import embzip
from embzip.errors import InputError, InputTypeError, UnknownTokenError
from embzip.vectors import neighbours
from embzip.vectors.base import Vectors, with_special_rows
from embzip.vectors.word2vec import to_gensim
from embzip.vocabulary import Vocabulary
from tests.commands import outcome, stdout_of

ROWS = 500


@pytest.fixture(scope="module")
def table() -> Vectors:
    matrix = np.random.default_rng(0).normal(size=(ROWS, 12)).astype(np.float32)
    matrix[7] = 0
    matrix[9] = 2 * matrix[8]
    return Vectors(Vocabulary(f"w{i}" for i in range(ROWS)), matrix)


@pytest.mark.parametrize("codec", ["float32", "int8", "svd:8|int4", "pq:4"])
def test_codes_give_what_the_decoded_rows_give(
    table: Vectors, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK", 12 * 64)  # many blocks, the last one shorter
    compressed = embzip.compress(table, codec)
    rows = compressed.decode().astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    for word in ("w0", "w123", "w499"):
        own = int(word[1:])
        cosines = rows @ rows[own] / np.maximum(lengths * lengths[own], 1e-30)
        cosines[[own, *np.flatnonzero(lengths == 0)]] = -2
        expected = np.argsort(-cosines, kind="stable")[:10]
        found = compressed.nearest(word)
        np.testing.assert_allclose([each.cosine for each in found], cosines[expected], atol=1e-6)
        if len(set(cosines[expected].round(5))) == 10:
            assert [each.token for each in found] == [f"w{i}" for i in expected]
        assert found == compressed.nearest(own) == compressed.nearest(compressed[own], 11)[1:]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # gensim, of a row of zeros
def test_near_rows_are_gensims(table: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK", 64 * ROWS)
    found = neighbours.near_rows(table.matrix, 3)
    gensim = to_gensim(table)
    units = neighbours.directions(table.matrix)
    for row in {*range(ROWS)} - {7}:  # of zeros; rows 8 and 9 are equally near to any other
        expected = [cosine for _, cosine in gensim.most_similar([f"w{row}"], topn=3)]
        np.testing.assert_allclose(units[found[row]] @ units[row], expected, atol=1e-6)
        assert row not in found[row]
        assert len({*found[row]}) == 3
    assert neighbours.near_rows(table.matrix[:2], 3).tolist() == [[1], [0]]
    assert neighbours.near_rows(table.matrix[:1], 3).shape == (1, 0)
    assert neighbours.near_rows(table.matrix[:0], 3).shape == (0, 0)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # gensim, of a row of zeros
def test_most_similar_is_gensims(table: Vectors) -> None:
    gensim = to_gensim(table)
    for positive, negative in ((["w1"], []), (["w1", "w2"], ["w3"]), ([], ["w4"])):
        expected = gensim.most_similar(positive, negative, topn=8)
        found = table.most_similar(positive, negative, 8)
        assert [each.token for each in found] == [token for token, _ in expected]
        np.testing.assert_allclose(
            [each.cosine for each in found], [cosine for _, cosine in expected], atol=1e-6
        )
    assert table.similarity("w1", "w2") == pytest.approx(float(gensim.similarity("w1", "w2")), 1e-5)


def test_special_rows_and_rows_of_zeros_are_near_to_nothing(table: Vectors) -> None:
    full = with_special_rows(table)
    names = [each.token for each in full.nearest("w0", ROWS + 2)]
    assert len(names) == ROWS - 2  # without w0, w7 and the special ones
    assert not {"w0", "w7", "<PAD>", "<UNK>"} & set(names)
    assert full.nearest("w8", 1)[0] == neighbours.Near("w9", pytest.approx(1))
    assert [each.token for each in full.nearest("w0", 2, without=[full.vocabulary[names[0]]])] == (
        names[1:3]
    )


def test_what_is_refused(table: Vectors) -> None:
    with pytest.raises(UnknownTokenError, match="no token 'sea'"):
        table.nearest("sea")
    for query, message in (
        (np.zeros(12), "all zeros"),
        (np.zeros(3), "must be 12 numbers"),
        (np.full(12, np.nan), "not finite"),
        (ROWS, r"must lie in 0\.\.499, received 500"),
        (-1, "received -1"),
        ("w7", "row 7 is all zeros"),
    ):
        with pytest.raises(InputError, match=message):
            table.nearest(query)
    with pytest.raises(InputError, match="k must be at least 1"):
        table.nearest("w0", 0)
    with pytest.raises(InputError, match="at least one token"):
        table.most_similar()
    with pytest.raises(InputTypeError, match="put one in a list"):
        table.most_similar("w0")
    with pytest.raises(InputError, match="no vocabulary"):
        embzip.compress(np.eye(3), "int8").nearest(0)


def test_the_command(table: Vectors, tmp_path: Path) -> None:
    embzip.save(embzip.compress(table, "int8"), tmp_path / "t.embz")
    lines = stdout_of("similar", tmp_path / "t.embz", "w1", "w2", "--minus", "w3", "-k", 3)
    found = embzip.load(tmp_path / "t.embz").most_similar(["w1", "w2"], ["w3"], 3)
    assert lines == "".join(f"{each.token}\t{each.cosine:.4f}\n" for each in found)
    record = json.loads(stdout_of("similar", tmp_path / "t.embz", "w1", "-k", 1, "--json"))
    assert list(record["nearest"][0]) == ["token", "cosine"]
    embzip.write_vectors(table, tmp_path / "t.vec")
    assert stdout_of("similar", tmp_path / "t.vec", "w8", "-k", 1) == "w9\t1.0000\n"
    refused = outcome("similar", tmp_path / "t.embz", "sea")
    assert (refused.code, refused.stderr) == (
        1,
        "embzip: error: the vocabulary has no token 'sea'\n",
    )


@pytest.mark.parametrize("scale", [1e-25, 1e-18, 1.0, 1e18, 1e30])
def test_rows_of_any_length_have_the_cosines_of_their_directions(scale: float) -> None:
    """Their squares are too small or too large for float32."""
    directions = np.random.default_rng(0).normal(size=(40, 7))
    rows = (directions * scale).astype(np.float32)
    rows[3] = 0
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    expected = unit @ unit[5]
    expected[3] = -np.inf
    found = neighbours.cosines(rows, rows[5])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
