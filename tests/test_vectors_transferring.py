"""Subword rows from word rows: against a dense solver, on real words, and what is refused."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embzip.cli import main
from embzip.embz.format import load
from embzip.errors import InputError, SpecError, TokenizerError
from embzip.tokenizers import BpeTokenizer, WordTokenizer, YttmModel
from embzip.tokenizers.base import Normalization
from embzip.tokenizers.building import build_bpe, build_words
from embzip.tokenizers.counts import read_counts
from embzip.vectors.base import Vectors
from embzip.vectors.transferring import Transferred, transfer
from embzip.vocabulary import Vocabulary
from tests.conftest import news

# ▁ a b c , ▁a bc ▁abc; ids 4 to 11.
MODEL = YttmModel.parse(
    b"5 3\n9601 4\n97 5\n98 6\n99 7\n44 8\n4 5 9\n6 7 10\n9 10 11\n1 0 2 3\n", "tiny"
)
PIECES = BpeTokenizer(MODEL, Normalization(), MODEL.to_bytes())
MARK, A, B, C, COMMA, MARK_A, BC, MARK_ABC = range(4, 12)


def table(words: dict[str, list[float]], counts: list[int] | None = None) -> Vectors:
    return Vectors(
        Vocabulary(words),
        np.array(list(words.values()), np.float32),
        None if counts is None else np.array(counts),
    )


def row(done: Transferred, index: int) -> list[float]:
    rounded: list[float] = done.vectors.matrix[index].round(3).tolist()
    return rounded


def test_pieces_of_a_word_have_its_row_as_their_mean() -> None:
    done = transfer(table({"a": [2, 0], "ab": [3, 1]}), PIECES, ridge=1e-9)
    assert row(done, MARK_A) == [2, 0]
    assert row(done, B) == [4, 2], "([2 0] + [4 2]) / 2 is [3 1]"
    assert done.explained_energy == pytest.approx(1)
    assert (done.words, done.skipped, done.unused) == (2, 0, 6)


def test_a_conflict_is_settled_by_counts() -> None:
    # "b" and "bb" are ▁ b and ▁ b b; three equal words cannot all be met by two rows.
    words = {"b": [1.0], "bb": [1.0], "bbb": [5.0]}
    heavy_first = transfer(table(words, [1000, 1000, 1]), PIECES, ridge=1e-9)
    heavy_last = transfer(table(words, [1, 1000, 1000]), PIECES, ridge=1e-9)
    means = [
        [float(done.vectors.matrix[[MARK] + [B] * n].mean()) for n in (1, 2, 3)]
        for done in (heavy_first, heavy_last)
    ]
    assert means[0][:2] == pytest.approx([1, 1], abs=0.05)
    assert means[1][1:] == pytest.approx([1, 5], abs=0.05) or means[1][2] > 2
    assert means[1][2] > means[0][2]


def test_pieces_of_no_word() -> None:
    done = transfer(table({"b": [3.0], "a": [1.0], ",": [5.0], "cb": [0.0]}), PIECES, ridge=1e-6)
    assert done.unused == 3, "a inside words, bc, ▁abc"
    assert row(done, COMMA) == [5], "texts join a comma to the word before: no mark of its own"
    b, c = done.vectors.matrix[[B, C]]
    assert done.vectors.matrix[BC] == pytest.approx((b + c) / 2), "the parts it was merged from"
    leaves = done.vectors.matrix[[MARK_A, B, C]]
    assert done.vectors.matrix[MARK_ABC] == pytest.approx(leaves.mean(axis=0), abs=1e-5)
    weights = 1 / (np.arange(4) + 2.7)
    mean = weights @ [3, 1, 5, 0] / weights.sum()
    assert done.vectors.matrix[A] == pytest.approx(mean), "nothing is known: the words' mean"


def test_special_rows() -> None:
    own = WordTokenizer(["a", "ab"], Normalization())
    matrix = np.array([[9.0], [7], [1], [3]])
    done = transfer(Vectors(own.vocabulary, matrix, np.array([0, 2, 6, 3]), own), PIECES)
    assert done.vectors.matrix[[0, 2, 3]].tolist() == [[0], [0], [0]]
    assert row(done, 1) == [7], "the words' own unknown row"
    assert done.vectors.tokenizer is PIECES
    assert done.vectors.counts is not None
    assert done.vectors.counts.tolist() == [0, 0, 0, 0, 0, 0, 3, 0, 0, 9, 0, 0]
    foreign = transfer(table({"a": [1.0], "ab": [3.0]}), PIECES)
    assert row(foreign, 1) == [2], "the mean of the words"
    assert foreign.vectors.counts is None


def test_what_words_are_weighed_by() -> None:
    assert transfer(table({"b": [1.0], "a": [2.0]}), PIECES).weighting == "file order"
    assert transfer(table({"a": [1.0], "b": [2.0]}), PIECES).weighting == "uniform"
    assert transfer(table({"a": [1.0], "b": [2.0]}, [1, 2]), PIECES).weighting == "counts"
    given = transfer(table({"a": [1.0], "b": [2.0]}), PIECES, counts={"a": 3})
    assert (given.weighting, given.words, given.skipped) == ("counts", 1, 1)


def test_words_with_unknown_characters_are_skipped() -> None:
    with pytest.warns(UserWarning, match=r"the table's words: 40\.0% of the tokens are unknown"):
        done = transfer(table({"a": [1.0], "ax": [100.0], "ж": [100.0]}), PIECES, ridge=1e-9)
    assert done.unknown_rate == 0.4  # ▁a, ▁a x, ▁ ж: two of five pieces
    assert (done.words, done.skipped) == (1, 2)
    assert row(done, MARK_A) == [1]


LETTERS = st.text(alphabet="abc,", min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(LETTERS, st.integers(1, 1000), min_size=1, max_size=30), st.integers(0, 99))
def test_it_is_the_minimum_a_dense_solver_finds(words: dict[str, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(len(words), 3)).astype(np.float32)
    counts = np.array(list(words.values()))
    ridge = 0.1
    done = transfer(Vectors(Vocabulary(words), matrix, counts), PIECES, ridge=ridge)
    shares = np.zeros((len(words), len(PIECES.vocabulary)))
    for place, (word, pieces) in enumerate(zip(words, PIECES.encode(words), strict=True)):
        used = pieces[1:] if set(word) == {","} and pieces[0] == MARK else pieces
        for piece in used:
            shares[place, piece] += 1 / len(used)
    weights = counts / counts.mean()
    mean = weights @ matrix / weights.sum()
    stacked = np.vstack([np.sqrt(weights)[:, None] * shares, np.sqrt(ridge) * np.eye(12)])
    target = np.vstack([np.sqrt(weights)[:, None] * (matrix - mean), np.zeros((12, 3))])
    expected = np.linalg.lstsq(stacked, target)[0] + mean
    used_rows = shares.any(axis=0)
    assert done.vectors.matrix[used_rows] == pytest.approx(expected[used_rows], abs=1e-3)
    residual = weights @ ((shares @ expected - matrix) ** 2).sum(axis=1)
    energy = weights @ (matrix.astype(float) ** 2).sum(axis=1)
    assert done.explained_energy == pytest.approx(1 - residual / energy, abs=1e-4)


def test_real_words_are_explained_better_the_more_pieces_there_are(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(news("business", slice(0, 60)) + news("sports", slice(0, 60)), "utf-8")
    words = build_words(corpus, min_count=1, labelled=True)
    rows = len(words.vocabulary)
    matrix = np.random.default_rng(0).normal(size=(rows, 70))
    vectors = Vectors(words.vocabulary, matrix, words.counts, words)
    shares = []
    for vocab in (300, 1500):
        pieces = build_bpe(corpus, vocab=vocab, labelled=True)
        done = transfer(vectors, pieces)
        assert len(done.deciles) == 10
        assert done.deciles[0] > done.deciles[-1], "frequent words come first"
        assert done.skipped == 0
        shares.append(done.explained_energy)
    assert 0 < shares[0] < shares[1] < 1


def test_what_is_refused() -> None:
    some = table({"a": [1.0], "b": [2.0]})
    with pytest.raises(InputError, match=r"none of the 1 words, the first of which is 'слово'"):
        transfer(table({"слово": [1.0]}), PIECES)
    with pytest.raises(
        InputError, match="no word that the tokenizer can encode has a count above 0"
    ):
        transfer(some, PIECES, counts={"other": 5})
    with pytest.raises(InputError, match="needs a table of words, received one of bpe pieces"):
        transfer(Vectors(PIECES.vocabulary, np.eye(12), None, PIECES), PIECES)
    for ridge in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SpecError, match="ridge"):
            transfer(some, PIECES, ridge=ridge)


# --- counts files


def test_counts_of_a_words_file(tmp_path: Path) -> None:
    WordTokenizer(["a", "b"], Normalization(), [0, 7, 3, 4]).save(tmp_path / "w.tsv")
    assert read_counts(tmp_path / "w.tsv") == {"a": 3, "b": 4}
    (tmp_path / "w.gz").write_bytes(gzip.compress((tmp_path / "w.tsv").read_bytes()))
    assert read_counts(tmp_path / "w.gz") == {"a": 3, "b": 4}
    WordTokenizer(["a", "b"], Normalization()).save(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="contains no counts"):
        read_counts(tmp_path / "none.tsv")
    (tmp_path / "w.tsv").write_text('{"format": "other"}\n')
    with pytest.raises(TokenizerError, match="line 1"):
        read_counts(tmp_path / "w.tsv")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "found none"),
        ("a 3\n", "line 1: expected token<TAB>count, found 'a 3'"),
        ("a\t3\nb\n", "line 2: expected token<TAB>count, found 'b'"),
        ("a\t3\n\t4\n", "line 2"),
        ("a\t3\nb\t-4\n", "line 2"),
        ("a\t3\nb\t4.5\n", "line 2"),
        ("a\t3\nb\t1234567890123456789\n", "line 2"),
        ("a\t3\nb\t4\t5\n", "line 2"),
        (
            "a\t3\nb\t4\na\t5\n",
            "line 3: tokens must be distinct, and 'a' is also in",
        ),
    ],
)
def test_a_malformed_counts_file_names_the_line(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "counts.tsv").write_text(content)
    with pytest.raises(InputError, match=r"counts\.tsv, line|found none") as caught:
        read_counts(tmp_path / "counts.tsv")
    assert says in str(caught.value)


@given(st.dictionaries(st.text(alphabet="a{é\u2028ж", min_size=1), st.integers(0, 10**18 - 1)))
def test_counts_round_trip(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "counts.tsv"
    path.write_text("".join(f"{token}\t{count}\n" for token, count in counts.items()), "utf-8")
    if counts:
        assert read_counts(path) == counts


# --- the command


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(map(str, arguments)))
    assert isinstance(end.value.code, int)
    return end.value.code


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("glove.txt").write_text("the 1 0\nball 2 1\n")
    Path("corpus.txt").write_text("the ball\nball the the\n" * 9)
    Path("counts.tsv").write_text("the\t9\nball\t4\n")
    assert run("build-bpe", "corpus.txt", "--vocab", 14) == 0
    capfd.readouterr()
    command = ["transfer", "glove.txt", "--tokenizer", "corpus.bpe.model"]
    assert run(*command, "--counts", "counts.tsv", "--json") == 0
    record = json.loads(capfd.readouterr().out)
    assert record["path"] == "glove.transferred.embz"
    assert record["weighting"] == "counts"
    assert 0 < record["explained_energy"] <= 1
    assert record["unknown_rate"] == 0
    made = load("glove.transferred.embz")
    assert (made.rows, made.dim) == (record["rows"], record["dim"]) == (14, 2)
    assert made.encode(["the ball"])[0]
    assert run(*command, "-o", "pieces.vec") == 0
    assert "weighed by file order" in capfd.readouterr().out
    assert Path("pieces.vec").read_text("utf-8").startswith("10 2\n"), "special rows are left out"

    Path("counts.tsv").write_text("the\t9\nball 4\n")
    assert run(*command, "--counts", "counts.tsv", "-o", "x.embz") == 1
    assert "counts.tsv, line 2: expected token<TAB>count" in capfd.readouterr().err
    assert run("transfer", "pieces.embz", "--tokenizer", "corpus.bpe.model") == 1
    assert run("transfer", "glove.transferred.embz", *command[2:], "-o", "x.embz") == 1
    assert "needs a table of words, received one of bpe pieces" in capfd.readouterr().err
    assert not Path("x.embz").exists()
