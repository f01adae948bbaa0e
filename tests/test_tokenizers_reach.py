"""The rate of unknown tokens, and the tokens that no text gives, by hand and by every text."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embzip.tokenizers import Normalization, WordTokenizer
from embzip.tokenizers.reach import unknown_rate, unreachable, warn_unknown, warn_unreachable


def test_rates_by_hand() -> None:
    assert unknown_rate([[1, 2, 3], [1], []], 1) == 0.5
    assert unknown_rate([[1, 2]], None) == 0
    assert unknown_rate([[], []], 1) == 0


def test_a_token_is_unreachable_if_its_text_is_not_it() -> None:
    tokens = ["'s", "1,000", "Mr", "a b", "cafe\u0301", "café", "sea", "न्"]
    assert unreachable(WordTokenizer(tokens, Normalization())) == (
        ["'s", "1,000", "Mr", "a b", "cafe\u0301"]
    )
    cased = Normalization(lowercase=False, unicode="NFD")
    assert unreachable(WordTokenizer(tokens, cased)) == ["'s", "1,000", "a b", "café"]


@given(st.lists(st.text(min_size=1, max_size=4), unique=True, min_size=1), st.text())
def test_no_text_gives_an_unreachable_token(tokens: list[str], text: str) -> None:
    tokenizer = WordTokenizer(sorted(tokens), Normalization(unicode="none"))
    lost = set(unreachable(tokenizer))
    for given_text in [text, *tokens, " ".join(tokens), "".join(tokens)]:
        read = {tokenizer.vocabulary.token(i) for i in tokenizer.encode([given_text])[0] if i > 1}
        assert not read & lost


def test_a_fifth_is_no_warning_and_more_is_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unknown(0.2, "corpus.txt", "do this")
        warn_unreachable(["a"], 5, "do this")
    with pytest.warns(UserWarning, match=r"corpus.txt: 20\.1% of .* unknown .*: do this"):
        warn_unknown(0.201, "corpus.txt", "do this")
    with pytest.warns(UserWarning, match=r"2 of the table's 5 tokens .*such as 'a', 'b': do this"):
        warn_unreachable(["a", "b"], 5, "do this")
