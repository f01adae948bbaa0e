"""Training vectors; gensim's own training over token lists is the oracle."""

import logging
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import Word2Vec

from embzip.errors import (
    IdRangeError,
    InputError,
    InputTypeError,
    MissingFileError,
    MissingPackageError,
    OutputError,
    SpecError,
)
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.tokenizers.building import build_bpe, build_words
from embzip.vectors.base import Vectors, with_special_rows
from embzip.vectors.pruning import prune
from embzip.vectors.training import train_vectors as by_any_method
from embzip.vectors.word2vec import to_gensim
from embzip.vocabulary import Vocabulary

TEXTS = [
    "the cat sat on the mat", "the cat and the dog", "a dog sat", "the mat", "on the cat", "dog",
]  # fmt: skip
LINES = [text for text in TEXTS for _ in range(20)] + ["and a the cat", "and the"]


# What is true of both methods is tested here with word2vec; test_vectors_ppmi.py has the other.
train_vectors = partial(by_any_method, method="word2vec")


def corpus_of(folder: Path, lines: list[str]) -> Path:
    path = folder / "corpus.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_gensim_over_the_tokens_gives_the_same_rows(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, LINES)
    tokenizer = build_words(corpus, min_count=1)
    assert tokenizer.counts is not None
    frequencies = dict(zip(tokenizer.vocabulary, tokenizer.counts.tolist(), strict=True))
    by_rank = sorted(frequencies, key=lambda token: -frequencies[token])
    for sg in (False, True):
        ours = train_vectors(corpus, tokenizer, dim=12, epochs=3, window=2, sg=sg, seed=7)
        theirs = Word2Vec(
            vector_size=12, epochs=3, window=2, sg=int(sg), seed=7, workers=1, min_count=1
        )
        theirs.build_vocab_from_freq({token: frequencies[token] for token in by_rank[:-2]})
        theirs.train(
            corpus_file=str(corpus), total_words=sum(frequencies.values()), epochs=3,
            total_examples=len(LINES),
        )  # fmt: skip
        for token in theirs.wv.index_to_key:
            row = ours.matrix[ours.vocabulary[token]]
            np.testing.assert_array_equal(row, theirs.wv[token])


def test_a_tokenizer_that_knows_few_tokens_is_warned_of(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, ["cat dog cat sun", "sea sea sea cat"])
    few = WordTokenizer(["cat", "sun"], Normalization())
    with pytest.warns(UserWarning, match=r"corpus.txt: 50.0% of .* unknown .*min-count"):
        vectors = train_vectors(corpus, few, dim=4)
    assert vectors.unknown_rate == 0.5
    most = WordTokenizer(["cat", "sea", "sun"], Normalization())
    assert train_vectors(corpus, most, dim=4).unknown_rate == 1 / 8


def test_rows_stand_in_the_tokenizers_order(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, LINES)
    tokenizer = build_words(corpus, min_count=1)
    vectors = train_vectors(corpus, tokenizer, dim=4)
    assert vectors.vocabulary == tokenizer.vocabulary
    assert vectors.tokenizer is tokenizer
    assert vectors.counts is not None
    assert tokenizer.counts is not None
    assert vectors.counts.tolist() == tokenizer.counts.tolist()
    assert vectors.matrix.shape == (len(tokenizer.vocabulary), 4)
    assert with_special_rows(vectors) is vectors
    assert prune(vectors, max_vocab=3).rows_after == 5


def test_padding_is_zero_and_unknown_the_mean(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, LINES)
    vectors = train_vectors(corpus, build_words(corpus, min_count=1), dim=4)
    assert vectors.matrix[0].tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(vectors.matrix[1], vectors.matrix[2:].mean(axis=0), rtol=1e-5)


def test_unknown_tokens_are_trained_where_they_stand(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, [*LINES, "rare words", "once"])
    tokenizer = build_words(corpus, min_count=2)
    vectors = train_vectors(corpus, tokenizer, dim=4)
    assert vectors.counts is not None
    assert vectors.counts[1] == 3
    assert not np.allclose(vectors.matrix[1], vectors.matrix[2:].mean(axis=0), rtol=1e-3)


def test_tokens_never_seen_get_the_row_of_unknown(tmp_path: Path) -> None:
    tokenizer = WordTokenizer(["cat", "dog", "the", "unicorn"], Normalization())
    for extra in ([], ["zebra"]):
        corpus = corpus_of(tmp_path, ["the cat", "the dog"] * 9 + extra)
        vectors = train_vectors(corpus, tokenizer, dim=4)
        row = vectors.matrix[vectors.vocabulary["unicorn"]]
        assert row.any()
        np.testing.assert_array_equal(row, vectors.matrix[1])


def test_bpe_pieces_are_trained(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, LINES)
    tokenizer = build_bpe(corpus, tmp_path / "bpe.model", vocab=30)
    vectors = train_vectors(corpus, tmp_path / "bpe.model", dim=4)
    assert vectors.counts is not None
    encoded = tokenizer.encode(LINES)
    assert vectors.counts.sum() == sum(map(len, encoded))
    assert vectors.vocabulary == tokenizer.vocabulary
    for special in vectors.vocabulary.special_ids:
        assert vectors.matrix[special].any() == (special == vectors.vocabulary.unk_id)


def test_equal_bytes_in_every_process(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, LINES)
    tokenizer = build_words(corpus, tmp_path / "words.tsv", min_count=1)
    options: dict[str, Any] = {"method": "word2vec", "dim": 8, "epochs": 2, "seed": 3}
    here = train_vectors(corpus, tokenizer, **options)
    code = (
        "import sys, hashlib; from embzip.vectors.training import train_vectors\n"
        f"vectors = train_vectors(sys.argv[1], sys.argv[2], **{options})\n"
        "sys.stdout.buffer.write(vectors.matrix.tobytes())"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(corpus), str(tmp_path / "words.tsv")],
        env={**os.environ, "PYTHONHASHSEED": "12345"}, capture_output=True, check=True,
    )  # fmt: skip
    assert child.stdout == here.matrix.tobytes()
    assert child.stderr == b""  # gensim's log included
    other = train_vectors(corpus, tokenizer, **{**options, "seed": 4})
    assert other.matrix.tobytes() != here.matrix.tobytes()


@pytest.mark.parametrize("lines", [["the cat", "the dog"], ["a cat"], ["the cat " * 5000] * 3])
def test_more_threads_than_lines(tmp_path: Path, lines: list[str]) -> None:
    corpus = corpus_of(tmp_path, lines)
    vectors = train_vectors(corpus, build_words(corpus, min_count=1), dim=4, workers=8, epochs=2)
    assert np.isfinite(vectors.matrix).all()


@pytest.mark.parametrize("dim", [1, 3, 300])
def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str], dim: int) -> None:
    corpus = corpus_of(tmp_path, LINES)
    reports: list[tuple[int, int]] = []
    train_vectors(
        corpus, build_words(corpus), dim=dim, epochs=3, window=9,
        progress=lambda done, total: reports.append((done, total)),
    )  # fmt: skip
    assert reports == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert capfd.readouterr() == ("", "")


def test_similar_words_are_near(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    groups = [[f"{name}{i}" for i in range(8)] for name in ("sea", "sky")]
    lines = [" ".join(rng.choice(groups[n % 2], 8)) for n in range(800)]
    corpus = corpus_of(tmp_path, lines)
    vectors = train_vectors(corpus, build_words(corpus), dim=16, epochs=10)
    near = to_gensim(vectors).most_similar("sea0", topn=7)
    assert {token[:3] for token, _ in near} == {"sea"}


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("length", [25_000, 10_000, 9_999, 5_001, 7])
def test_case_49_every_token_of_a_long_line_is_trained(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, workers: int, length: int
) -> None:
    # Each word stands at 10 places side by side, and is too rare to be left out by subsampling.
    words = [f"word{i // 10}" for i in range(50_000)]
    lines = [" ".join(words[at : at + length]) for at in range(0, len(words), length)]
    corpus = corpus_of(tmp_path, lines)
    tokenizer = build_words(corpus, min_count=1)
    with caplog.at_level(logging.INFO, "gensim"):
        vectors = train_vectors(corpus, tokenizer, dim=8, epochs=1, workers=workers)
    assert vectors.counts is not None
    assert vectors.counts.sum() == len(words)
    # gensim tells what it has trained: every token, and none twice.
    assert f"raw words ({len(words)} effective words)" in caplog.text
    untrained = Word2Vec(vector_size=8, min_count=1, seed=0)
    untrained.build_vocab_from_freq({str(i): 10 for i in range(2, vectors.rows)})
    start = np.stack([untrained.wv[str(i)] for i in range(2, vectors.rows)])
    assert (vectors.matrix[2:] != start).any(axis=1).all()


def test_gensims_own_reading_would_lose_tokens(tmp_path: Path) -> None:
    # If this fails, gensim is mended, and the layout of the tokenized file may be simpler.
    corpus = corpus_of(tmp_path, [" ".join(f"word{i}" for i in range(10_000))] * 2)
    model = Word2Vec(vector_size=2, min_count=1, workers=1)
    model.build_vocab(corpus_file=str(corpus))
    trained, _ = model.train(
        corpus_file=str(corpus), total_words=20_000, total_examples=2, epochs=1
    )
    assert trained == 10_000


class Strings(WordTokenizer):
    """Gives tokens where ids belong, as texts or as one string."""

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        return [text if text == "one string" else text.split() for text in texts]  # type: ignore[misc]


class TooHigh(WordTokenizer):
    """Gives an id beyond its own vocabulary."""

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        return [[9] for _ in texts]


def test_case_50_a_string_where_a_token_list_belongs(tmp_path: Path) -> None:
    for line, message in (("one string", "list of int .* received str"), ("two", "received str")):
        with pytest.raises(InputTypeError, match=message):
            train_vectors(corpus_of(tmp_path, [line]), Strings(["two"], Normalization()))
    with pytest.raises(IdRangeError, match=r"0\.\.2, received 9"):
        train_vectors(corpus_of(tmp_path, ["a"]), TooHigh(["two"], Normalization()))


def test_labelled_and_several_files(tmp_path: Path) -> None:
    tokenizer = WordTokenizer(["cat", "dog", "pets"], Normalization())
    corpus = corpus_of(tmp_path, ["pets\tcat dog"] * 5)
    vectors = train_vectors([corpus, corpus], tokenizer, dim=2, labelled=True, workers=1)
    assert vectors.counts is not None
    assert vectors.counts.tolist() == [0, 0, 10, 10, 0]


def test_case_01_to_07_corpora_that_are_refused(tmp_path: Path) -> None:
    tokenizer = WordTokenizer(["cat"], Normalization())
    with pytest.raises(MissingFileError, match="no such file"):
        train_vectors(tmp_path / "none", tokenizer)
    with pytest.raises(MissingFileError, match="directory"):
        train_vectors(tmp_path, tokenizer)
    for lines in ([], ["  ", ""]):
        with pytest.raises(InputError, match=r"corpus\.txt: .*found no tokens"):
            train_vectors(corpus_of(tmp_path, lines), tokenizer)
    with pytest.raises(InputError, match="2 tokens, all unknown"):
        train_vectors(corpus_of(tmp_path, ["a dog"]), tokenizer)
    for lines, found in (
        (["cat"] * 9, "only 'cat'"),
        (["cat cat", "cat"], "only 'cat'"),
        (["cat", "dog", ""], "texts of one token"),
    ):
        with pytest.raises(InputError, match=f"two different ones, found {found}: add texts"):
            train_vectors(corpus_of(tmp_path, lines), tokenizer)
    (tmp_path / "corpus.txt").write_bytes(b"cat\n\xff\n")
    with pytest.raises(InputError, match="line 2, offset 4"):
        train_vectors(tmp_path / "corpus.txt", tokenizer)


@pytest.mark.parametrize(
    "options",
    [
        {"dim": 0}, {"dim": 2.0}, {"epochs": -1}, {"window": -1}, {"workers": 0}, {"seed": -1},
        {"seed": 2**32}, {"epochs": True}, {"epochs": False}, {"epochs": 2**16 + 1},
        {"window": 1025}, {"workers": 1025},
    ],
)  # fmt: skip
def test_options_out_of_range(tmp_path: Path, options: dict[str, int]) -> None:
    corpus = corpus_of(tmp_path, LINES)
    with pytest.raises(SpecError, match=max(options)):
        train_vectors(corpus, WordTokenizer(["cat"], Normalization()), **options)  # type: ignore[arg-type]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    corpus = corpus_of(tmp_path, LINES)
    tokenizer = build_words(corpus)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(OutputError, match=rf"{tmp_path}.*TMPDIR"):
            train_vectors(corpus, tokenizer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == [corpus]


def test_without_gensim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gensim", None)  # what an import that fails looks like
    corpus = corpus_of(tmp_path, LINES)
    with pytest.raises(MissingPackageError, match=r"pip install 'gensim>=4\.4'"):
        train_vectors(corpus, build_words(corpus))
    with pytest.raises(MissingPackageError, match="uv sync --extra train"):
        to_gensim(Vectors(Vocabulary(["sea"]), np.eye(1)))


def test_to_gensim_leaves_special_rows_out() -> None:
    table = with_special_rows(
        Vectors(Vocabulary(["sea", "ship"]), np.array([[1.0, 2], [3, 4]]), np.array([7, 5]))
    )
    keyed = to_gensim(table)
    assert keyed.index_to_key == ["sea", "ship"]
    np.testing.assert_array_equal(keyed.vectors, [[1, 2], [3, 4]])
    assert [keyed.get_vecattr(token, "count") for token in keyed.index_to_key] == [7, 5]
    with pytest.raises(InputError, match="special"):
        to_gensim(Vectors(Vocabulary(["<PAD>"], pad_id=0), np.zeros((1, 2))))
