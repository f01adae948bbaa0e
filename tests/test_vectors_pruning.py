"""Pruning by scores, by coverage and with remapping; hand-drawn tables, and a classifier."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embzip.classifier import load_model
from embzip.classifier.rebuilding import rebuild
from embzip.classifier.sensitivities import sensitivity
from embzip.cli import main
from embzip.compression import compress
from embzip.embz.format import load, save
from embzip.errors import EmbzipError, FileFormatError, InputError, MismatchError, TokenizerError
from embzip.tokenizers import AliasedWords, WordTokenizer, tokenizer_from_bytes
from embzip.tokenizers.base import Normalization
from embzip.vectors.base import Vectors
from embzip.vectors.pruning import by_count, by_norm, prune
from embzip.vocabulary import Vocabulary
from tests.models import WORDS, tiny_classifier

# ant and bee point one way, cat and dog another; the longest is dog, the most frequent ant.
ROWS = [[0, 0], [9, 9], [1, 0], [2, 0.1], [0, 3], [0.1, 4]]
ANT, BEE, CAT, DOG = 2, 3, 4, 5


def animals(counts: list[int] | None = None) -> Vectors:
    words = WordTokenizer(["ant", "bee", "cat", "dog"], Normalization())
    return Vectors(words.vocabulary, np.array(ROWS), np.array(counts or [0, 3, 9, 2, 4, 1]), words)


def kept(vectors: Vectors) -> list[str]:
    return list(vectors.vocabulary)[2:]


def test_by_count_and_by_norm() -> None:
    table = animals()
    assert kept(prune(table, max_vocab=2).vectors) == ["ant", "cat"]
    assert kept(prune(table, max_vocab=2, scores=by_count(table)).vectors) == ["ant", "cat"]
    assert kept(prune(table, max_vocab=2, scores=by_norm(table)).vectors) == ["cat", "dog"]
    assert kept(prune(table, max_vocab=99, scores=by_norm(table)).vectors) == kept(table)


def test_coverage_keeps_the_best_token_of_each_text_first() -> None:
    table = animals()
    texts = [[ANT, BEE], [BEE], [1, 1], []]
    norms = by_norm(table)
    assert kept(prune(table, max_vocab=1, scores=norms, cover=texts).vectors) == ["bee"]
    assert kept(prune(table, max_vocab=2, scores=norms, cover=texts).vectors) == ["bee", "dog"]
    counted = prune(table, max_vocab=2, cover=texts)
    assert kept(counted.vectors) == ["ant", "bee"]


TEXTS = st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=12)


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(0, 5), min_size=8, max_size=8), st.integers(1, 8))
def test_every_text_with_a_known_token_keeps_one_where_there_is_room(
    texts: list[list[int]], scores: list[int], max_vocab: int
) -> None:
    words = WordTokenizer(list("abcdefgh"), Normalization())
    table = Vectors(words.vocabulary, np.eye(10), np.ones(10, int), words)
    ranked = np.array([0, 0, *scores], float)
    pruned = prune(table, max_vocab=max_vocab, scores=ranked, cover=texts)
    left = {table.vocabulary[token] for token in kept(pruned.vectors)}
    assert len(left) == max_vocab
    # The paper's own words: by falling score, keep a token of a text that has none yet.
    covered: set[int] = set()
    chosen: list[int] = []
    order = sorted(range(2, 10), key=lambda token: (-ranked[token], token))
    for token in order:
        gained = {n for n, text in enumerate(texts) if token in text} - covered
        if gained:
            chosen.append(token)
            covered |= gained
    expected = (chosen + [token for token in order if token not in chosen])[:max_vocab]
    assert left == set(expected)
    if len(chosen) <= max_vocab:
        assert all(left & set(text) for text in texts if set(text) - {0, 1})


def test_dropped_words_read_the_row_of_the_largest_cosine() -> None:
    pruned = prune(animals(), max_vocab=2, remap=True)
    table = pruned.vectors
    assert kept(table) == ["ant", "cat"]
    assert isinstance(table.tokenizer, AliasedWords)
    assert table.tokenizer.aliases == {"bee": 2, "dog": 3}
    assert table.tokenizer.encode(["ant Bee cat dog owl"]) == [[2, 2, 3, 3, 1]]
    assert table.tokenizer.decode([2, 3, 1]) == "ant cat <UNK>"
    assert pruned.remapped == 2
    assert table.counts is not None
    assert table.counts.tolist() == [0, 3, 11, 5], "a row is counted as often as it is read"
    assert pruned.coverage == 13 / 19, "rows of their own"
    plain = prune(animals(), max_vocab=2)
    assert plain.remapped == 0
    assert plain.vectors.tokenizer is not None
    assert plain.vectors.tokenizer.encode(["ant bee cat dog"]) == [[2, 1, 3, 1]]


def test_pruning_again_moves_the_aliases() -> None:
    once = prune(animals(), max_vocab=2, remap=True).vectors
    dropped = prune(once, max_vocab=1).vectors.tokenizer
    assert isinstance(dropped, AliasedWords)
    assert dropped.aliases == {"bee": 2}, "dog read cat, which is unknown now"
    moved = prune(once, max_vocab=1, remap=True).vectors.tokenizer
    assert isinstance(moved, AliasedWords)
    assert moved.aliases == {"bee": 2, "cat": 2, "dog": 2}


NAMES = st.dictionaries(st.text(min_size=1, max_size=5), st.integers(0, 9), min_size=1)


@settings(deadline=None)
@given(NAMES)
def test_aliases_round_trip_as_bytes(names: dict[str, int]) -> None:
    owned = sorted({word for word, index in names.items() if index < 5} or set(list(names)[:1]))
    words = WordTokenizer(owned, Normalization())
    aliases = {word: 2 + i % len(owned) for word, i in names.items() if word not in owned}
    content = AliasedWords(words, aliases).to_bytes()
    read = tokenizer_from_bytes(
        "words+aliases", content, len(words.vocabulary), words.normalization
    )
    assert isinstance(read, AliasedWords)
    assert read.vocabulary == words.vocabulary
    assert read.aliases == aliases


def test_damaged_aliases_are_refused() -> None:
    words = WordTokenizer(["ant", "cat"], Normalization())
    content = AliasedWords(words, {"bee": 2, "dog": 3}).to_bytes()
    for end in range(len(content)):
        with pytest.raises(EmbzipError):
            AliasedWords.from_bytes(content[:end], 4, words.normalization)
    with pytest.raises(FileFormatError, match="expected 3 words with rows of their own, found 2"):
        AliasedWords.from_bytes(content, 5, words.normalization)
    for aliases in ({"ant": 2}, {"bee": 1}, {"bee": 4}):
        with pytest.raises(TokenizerError, match="alias"):
            AliasedWords(words, aliases)


def test_a_pruned_table_under_its_classifier(tmp_path: Path) -> None:
    model = tiny_classifier()
    pruned = prune(model.embedding, max_vocab=3, remap=True).vectors
    save(compress(pruned, "float32"), tmp_path / "pruned.embz")
    rebuilt = rebuild(model, load(tmp_path / "pruned.embz"))
    rebuilt.save(tmp_path / "small.embz")
    again = load_model(tmp_path / "small.embz")
    assert isinstance(again.embedding.tokenizer, AliasedWords)
    aliases = again.embedding.tokenizer.aliases
    assert set(aliases) | set(kept(pruned)) == set(WORDS)
    dropped, index = next(iter(aliases.items()))
    read = again.embedding.tokenizer.vocabulary.token(index)
    texts = [f"people {dropped} zoo", f"people {read} zoo"]
    probabilities = again.probabilities(texts)
    assert probabilities[0].tolist() == probabilities[1].tolist()
    assert probabilities[1] == pytest.approx(rebuilt.probabilities(texts)[0])


def test_sensitivity_is_the_divergence_when_a_token_is_erased() -> None:
    model = tiny_classifier()
    texts = model.encode(["lion zoo lion", "lion people", "able nobody"])
    scores = sensitivity(model, texts)
    assert scores.shape == (len(WORDS) + 2,)
    assert scores[:2].tolist() == [0, 0]
    lion, zoo, say = (2 + WORDS.index(word) for word in ("lion", "zoo", "say"))
    assert scores[say] == 0
    expected = 0.0
    for text, without in (("lion zoo lion", "x1 zoo x1"), ("lion people", "x1 people")):
        before, after = model.probabilities([text, without]).astype(float) + 1e-6
        expected += float((before * np.log(before / after)).sum())
    assert scores[lion] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert scores[zoo] > 0
    sampled = sensitivity(model, [texts[0]] * 20, sample=3)
    assert sampled[lion] == pytest.approx(20 * sensitivity(model, [texts[0]])[lion], rel=1e-3)


def test_what_is_refused() -> None:
    table = animals()
    with pytest.raises(MismatchError, match="expected 6 scores"):
        prune(table, max_vocab=1, scores=[1, 2])
    with pytest.raises(InputError, match="finite"):
        prune(table, max_vocab=1, scores=[float("nan")] * 6)
    for text in ([6], [-1]):
        with pytest.raises(MismatchError, match="text 0"):
            prune(table, max_vocab=1, cover=[text])
    with pytest.raises(InputError, match="needs a table with a word tokenizer"):
        prune(Vectors(Vocabulary(["a", "b"]), np.eye(2)), max_vocab=1, remap=True)
    with pytest.raises(InputError, match="expected texts with tokens that the classifier knows"):
        sensitivity(tiny_classifier(), [[], [1]])


@pytest.mark.parametrize(
    "tokens",
    [
        ["a", "sea", "ship"],
        ["</s>", "a", "sea", "ship"],
        ["a", "<UNK>", "sea", "ship"],
        ["Apple", "boat", "Cat", "dog"],
        ["Apple", "Cat", "boat", "dog"],
    ],
)
def test_alphabetical_order_is_not_taken_for_frequency(tokens: list[str]) -> None:
    table = Vectors(Vocabulary(tokens), np.eye(len(tokens)))
    with pytest.raises(InputError, match=r"from .* to .* alphabetical order: .*--by norm.*\.embz"):
        prune(table, max_vocab=2)
    assert prune(table, max_vocab=2, scores=by_norm(table)).rows_after == 2
    counted = Vectors(table.vocabulary, table.matrix, np.arange(len(tokens)))
    assert list(prune(counted, max_vocab=1).vectors.vocabulary) == tokens[-1:]


def test_order_is_frequency_where_it_is_not_alphabetical() -> None:
    # By falling count, equal counts as the alphabet has them.
    table = Vectors(Vocabulary(["the", "a", "sea", "ship"]), np.eye(4))
    assert list(prune(table, max_vocab=2).vectors.vocabulary) == ["the", "a"]


# --- the command


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(map(str, arguments)))
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_classifier().save("model.embz", counts=True)
    Path("texts.txt").write_text("lion zoo\nable people\n")
    Path("train.tsv").write_text("animals\tlion zoo\npeople\table people\n")
    return tmp_path


@pytest.mark.parametrize("by", ["count", "norm", "sensitivity", "coverage"])
def test_the_command_by(by: str, folder: Path) -> None:
    looked_at = ["--labelled", "train.tsv"] if by in ("sensitivity", "coverage") else []
    arguments = ["prune", "model.embz", "--max-vocab", 4, "--by", by, *looked_at, "--remap"]
    assert run(*arguments) == 0
    made = load("model.pruned.embz")
    assert made.rows == 6
    assert run("rebuild", "model.embz", "--embedding", "model.pruned.embz") == 0
    assert run("predict", "model.rebuilt.embz", "texts.txt") == 0
    tokenizer = load_model("model.rebuilt.embz").embedding.tokenizer
    assert isinstance(tokenizer, AliasedWords)
    assert 1 not in tokenizer.encode([" ".join(WORDS)])[0], "no known word became unknown"
    if by == "sensitivity":
        assert set(list(made.vocabulary or ())[2:]) == {"lion", "zoo", "able", "people"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("model.embz --max-vocab 2 --by sensitivity", 2, "--texts or --labelled, one"),
        ("model.embz --max-vocab 2 --texts texts.txt", 2, "--texts or --labelled, one"),
        (
            "model.embz --max-vocab 2 --by coverage --texts texts.txt --labelled train.tsv", 2,
            "--texts or --labelled, one of them, goes with",
        ),
        ("model.embz --max-vocab 2 --by other", 2, "--by"),
        ("model.embz --max-vocab 2 --remap -o x.vec", 2, "--remap needs a .embz file"),
        ("model.embz --max-vocab 2 --by coverage --texts empty.txt", 1, "empty.txt: expected text"),
        ("model.embz --max-vocab 2 --by sensitivity --texts unknown.txt", 1, "unknown.txt: expe"),
        ("table.embz --max-vocab 2 --by sensitivity --texts texts.txt", 1, "expected a classifier"),
        ("glove.txt --max-vocab 1 --by coverage --texts texts.txt", 1, "glove.txt: a foreign"),
        ("glove.txt --max-vocab 1 --remap", 1, "needs a table with a word tokenizer"),
        (
            "model.embz --max-vocab 2 --by coverage --labelled texts.txt", 1,
            "texts.txt, line 1: expected label<TAB>text",
        ),
    ],
)  # fmt: skip
def test_the_command_refuses(
    arguments: str, code: int, says: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("empty.txt").write_text("")
    Path("unknown.txt").write_text("nobody knows\n")
    Path("glove.txt").write_text("the 1 0\nball 2 1\n")
    save(tiny_classifier().embedding, "table.embz")
    before = set(folder.iterdir())
    assert run("prune", *arguments.split()) == code
    err = capfd.readouterr().err
    assert says in " ".join(err.split())
    assert "Traceback" not in err
    assert set(folder.iterdir()) == before


def test_text_of_trained_vectors_is_pruned_as_their_embz_is(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("zebra yes zebra yes zebra bad cat\n" * 9 + "ape bee cat dog\n" * 2, "utf-8")
    words = tmp_path / "words.tsv"
    assert run("build-words", corpus, "-o", words) == 0
    for suffix in ("embz", "vec", "bin"):
        table, small = tmp_path / f"v.{suffix}", tmp_path / f"{suffix}.vec"
        train = ("train-vectors", corpus, "--tokenizer", words, "--dim", 2)
        assert run(*train, "-o", table) == 0
        assert run("prune", table, "--max-vocab", 3, "-o", small) == 0
        assert [line.split()[0] for line in small.read_text("utf-8").splitlines()[1:]] == (
            ["zebra", "yes", "cat"]
        )
