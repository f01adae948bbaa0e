"""Which words may be swapped: whole ones that the texts have, by the teacher's own table."""

from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tokenizers import models, pre_tokenizers

import embzip
from embzip.classifier import Classifier, MeanConfig
from embzip.compression import compress
from embzip.tf.near_words import near_words
from embzip.tokenizers import HuggingFaceTokenizer
from embzip.tokenizers.base import Tokenizer
from embzip.vectors.base import Vectors
from tests.models import WORDS, tiny_classifier


def over(tokenizer: Tokenizer) -> Classifier:
    """Return a classifier with random rows for each token."""
    vocabulary = tokenizer.vocabulary
    matrix = np.random.default_rng(0).normal(size=(len(vocabulary), 4)).astype(np.float32)
    table = compress(Vectors(vocabulary, matrix, tokenizer=tokenizer), "float32")
    arrays = {"dense.kernel": np.eye(4, 2, dtype=np.float32), "dense.bias": np.zeros(2)}
    return Classifier(table, ("a", "b"), MeanConfig(4, 9), arrays)


@pytest.mark.parametrize("spec", ["float32", "int8"])
def test_words_are_near_by_the_teachers_table(spec: str) -> None:
    teacher = tiny_classifier(spec)
    near = near_words(teacher, [*WORDS, "nowhere lion! <UNK>"])
    assert near == {
        word: [each.token for each in teacher.embedding.nearest(word, k=8)] for word in WORDS
    }


def test_words_with_one_row_are_one_word() -> None:
    near = near_words(tiny_classifier(), ["Zoo zoo Lion", "zoo Lion people"])
    assert near["Zoo"] == near["zoo"]
    assert {*near["zoo"]} == {"Lion", "people"}  # as it stands most often
    assert {*near["people"]} == {"zoo", "Lion"}


def test_only_frequent_words_of_the_texts_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = tiny_classifier()
    assert near_words(teacher, ["lion"]) == {"lion": []}
    assert near_words(teacher, []) == near_words(teacher, ["", "nowhere"]) == {}
    monkeypatch.setattr("embzip.tf.near_words._ROWS", 2)
    assert near_words(teacher, ["lion zoo people", "zoo people"]) == {
        "zoo": ["people"], "people": ["zoo"],
    }  # fmt: skip


def test_a_row_of_zeros_is_near_to_nothing() -> None:
    teacher = over(tiny_classifier().tokenizer)
    table = teacher.embedding.decode().copy()
    table[teacher.encode(["zoo"])[0]] = 0
    tokenizer = teacher.tokenizer
    zeros = compress(Vectors(tokenizer.vocabulary, table, tokenizer=tokenizer), "float32")
    blind = Classifier(zeros, teacher.labels, teacher.config, teacher.arrays)
    near = near_words(blind, ["lion zoo people say"])
    assert set(near) == {"lion", "people", "say"}
    assert all("zoo" not in others for others in near.values())


def test_words_of_several_pieces_are_left_alone(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the sea and the coast\nthe ship on the sea\nstorms\n" * 20)
    bpe = embzip.build_bpe(corpus, vocab=33)
    texts = ["the sea the coast", "the storms on the sea"]
    whole = {word for text in texts for word in text.split() if f"▁{word}" in bpe.vocabulary}
    assert {"the", "sea"} <= whole < {word for text in texts for word in text.split()}
    near = near_words(over(bpe), texts)
    assert {word: {*others} for word, others in near.items()} == {
        word: whole - {word} for word in whole
    }


def test_pieces_of_other_libraries_are_no_words() -> None:
    tokens = ["[PAD]", "[UNK]", "sea", "##s", "ship", "##ing", "the"]
    made = tokenizers.Tokenizer(
        models.WordPiece({token: at for at, token in enumerate(tokens)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    near = near_words(
        over(HuggingFaceTokenizer(made.to_str().encode())),
        ["the seas the ship", "shipping sea ##s x"],
    )
    assert {word: {*others} for word, others in near.items()} == {
        "the": {"sea", "ship"}, "ship": {"the", "sea"}, "sea": {"the", "ship"},
    }  # fmt: skip
