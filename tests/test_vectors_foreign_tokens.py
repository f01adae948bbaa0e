"""What the tokens of a foreign table tell: case by share, order, names of special tokens."""

import pytest

from embzip.vectors.foreign_tokens import is_alphabetical, is_lowercase, looks_special

LOWER = [f"word{i}" for i in range(90)]


@pytest.mark.parametrize(
    ("tokens", "lower"),
    [
        (["the", "sea", "<UNK>"], True),
        (["the", "sea", "[PAD]", "</s>", "<S>", "{{Num}}", "__URL__"], True),
        ([*LOWER, *"ABCDEFGHIJ"], True),  # ten of a hundred
        ([*LOWER, *"ABCDEFGHIJK"], False),
        (["The", "the", "Sea"], False),
        (["THE", "SEA"], False),
        (["海", "42", "..."], True),
        (["straße", "ǆ", "ß", "ı"], True),
    ],
)
def test_case_is_a_vote_of_the_words(tokens: list[str], lower: bool) -> None:
    assert is_lowercase(tokens) is lower


def test_names_of_special_tokens() -> None:
    for name in ("<UNK>", "</s>", "<|endoftext|>", "[PAD]", "[CLS]", "{unk}", "__eou__"):
        assert looks_special(name), name
    for word in ("<", ">", "<>", "[]", "__", "_a_", "a<b", "UNK", "(c)", "the"):
        assert not looks_special(word), word


def test_alphabetical_order() -> None:
    assert is_alphabetical(["a", "b", "c"])
    assert is_alphabetical(["a", "B", "c"])
    assert is_alphabetical(["[PAD]", "</s>", "a", "<UNK>", "b"])
    assert not is_alphabetical(["b", "a", "c"])
    assert not is_alphabetical(["c", "b", "a"])
    assert not is_alphabetical(["a"])
    assert not is_alphabetical([])
