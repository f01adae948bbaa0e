"""What is remembered of a text's parts gives the ids that the tokenizer gives the whole text."""

from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from embzip.tokenizers import (
    AliasedWords,
    HuggingFaceTokenizer,
    Normalization,
    Tokenizer,
    WordTokenizer,
)
from embzip.tokenizers.building import build_bpe
from embzip.tokenizers.remembering import RememberingTokenizer

WORDS = ["cat", "coast", "mat", "naïve", "sat", "the", "Σίσυφος", "猫"]
LINES = ["The cat sat on the mat.", "naïve coasts, cafe\u0301", "猫が ΣΊΣΥΦΟΣ sat", "a  b 🙂"] * 9
KINDS = ("words", "stems", "aliases", "bpe", "spaces")


def made(kind: str, folder: Path) -> Tokenizer:
    words = sorted(Normalization().apply(word) for word in WORDS)
    if kind in ("words", "stems"):
        return WordTokenizer(words, Normalization(), stems=kind == "stems")
    if kind == "aliases":
        return AliasedWords(WordTokenizer(words, Normalization()), {"kitten": 2})
    if kind == "bpe":
        corpus = folder / "corpus.txt"
        corpus.write_text("\n".join(LINES), "utf-8")
        return build_bpe(corpus, vocab=60)
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    inner.train_from_iterator(LINES, trainer)
    return HuggingFaceTokenizer(inner.to_str().encode(), "tokenizer.json")


@pytest.fixture(scope="module", params=KINDS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, RememberingTokenizer]:
    tokenizer = made(request.param, tmp_path_factory.mktemp("tokenizer"))
    return tokenizer, RememberingTokenizer(tokenizer)


@given(
    texts=st.lists(
        st.one_of(
            st.text(max_size=12),
            st.lists(
                st.sampled_from(
                    [*WORDS, "cats", "Coasting", "kitten", " ", "\u3000", "\t", "\n", "\u0308",
                     "ΣΑΣ", "Σ", "\ud83d", "\ude42", "\x00", "\xa0", "\u2581", "<UNK>", "🙂"]
                ),
                max_size=12,
            ).map(" ".join),
        ),
        max_size=8,
    )
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_ids_are_those_of_the_whole_text(
    both: tuple[Tokenizer, RememberingTokenizer], texts: list[str]
) -> None:
    tokenizer, remembering = both
    for _ in range(2):
        found = remembering.encode([text.split(" ") for text in texts])
        assert [list(ids) for ids in found] == tokenizer.encode(texts)


def test_what_was_met_is_forgotten_where_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embzip.tokenizers.remembering._MOST", 3)
    monkeypatch.setattr("embzip.tokenizers.remembering._TEXTS", 2)
    tokenizer = WordTokenizer(["cat", "mat", "the"], Normalization())
    remembering = RememberingTokenizer(tokenizer)
    texts = ["the cat", "a b c", "", "mat the", "c d e f", "cat cat"]
    for _ in range(2):
        found = remembering.encode([text.split(" ") for text in texts])
        assert [list(ids) for ids in found] == tokenizer.encode(texts)
    assert len(remembering._number) <= 3 + 6
