"""Which words may be swapped: whole ones that the texts have, by the teacher's own table."""

from pathlib import Path

import pytest

import embzip
from embzip.classifier import Classifier
from embzip.tf.near_words import NearWords
from tests.models import WORDS, tiny_classifier


def near_of(teacher: Classifier, texts: list[str]) -> NearWords:
    return NearWords(teacher, teacher.encode(texts))


@pytest.mark.parametrize("spec", ["float32", "int8"])
def test_words_are_near_by_the_teachers_table(spec: str) -> None:
    teacher = tiny_classifier(spec)
    near = near_of(teacher, WORDS)
    for word in WORDS:
        expected = [each.token for each in teacher.embedding.nearest(word, k=8)]
        assert near.of(word) == expected
        assert near.of(word.upper()) == expected
    assert near.of("nowhere") == near.of("lion!") == near.of("<UNK>") == ()


def test_words_that_the_texts_lack_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = tiny_classifier()
    near = near_of(teacher, ["lion zoo zoo people", "nowhere nowhere zoo people"])
    assert {word: {*near.of(word)} for word in WORDS if near.of(word)} == {
        "lion": {"people", "zoo"},
        "people": {"lion", "zoo"},
        "zoo": {"lion", "people"},
    }
    assert near_of(teacher, ["lion"]).of("lion") == []
    assert near_of(teacher, []).of("lion") == ()
    monkeypatch.setattr("embzip.tf.near_words._WORDS", 2)
    fewer = near_of(teacher, ["lion zoo zoo people", "nowhere nowhere zoo people"])
    assert (fewer.of("zoo"), fewer.of("lion")) == (["people"], ())


def test_pieces_that_begin_a_word_are_words(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the sea and the coast\nthe ship on the sea\n" * 20)
    bpe = embzip.build_bpe(corpus, vocab=30)
    vectors = embzip.train_vectors(corpus, bpe, dim=4)
    examples = [
        embzip.Example(text="the sea", label="a"), embzip.Example(text="the ship", label="b")
    ] * 8  # fmt: skip
    from embzip.tf import train

    teacher = train(examples, vectors, epochs=1, windows=(1,)).classifier
    near = near_of(teacher, [example.text for example in examples] * 2)
    tokens = set(bpe.vocabulary)
    assert "▁the" in tokens
    for word in near.of("the"):
        assert f"▁{word}" in tokens
    assert near.of("▁the") == near.of("▁") == ()
