"""Tokens <-> ids, and the compact bytes of token lists."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embzip.errors import EmbzipError, FileFormatError, InputError
from embzip.vocabulary import (
    Vocabulary,
    compress,
    decode_tokens,
    decompress,
    encode_tokens,
    most_frequent,
)


def test_ids_are_places() -> None:
    vocabulary = Vocabulary(["<PAD>", "<UNK>", "b", "a"], pad_id=0, unk_id=1)
    assert list(vocabulary) == ["<PAD>", "<UNK>", "b", "a"]
    assert [vocabulary["b"], vocabulary.get("a"), vocabulary.get("c", 1)] == [2, 3, 1]
    assert [vocabulary.token(2), len(vocabulary)] == ["b", 4]
    for outside in (-1, 4):
        with pytest.raises(IndexError, match=r"outside 0\.\.3"):
            vocabulary.token(outside)
    with pytest.raises(KeyError):
        vocabulary["c"]


def test_case_24_a_special_name_is_never_found_but_may_be_a_token_too() -> None:
    vocabulary = Vocabulary(["<PAD>", "<UNK>", "<UNK>"], pad_id=0, unk_id=1)
    assert vocabulary["<UNK>"] == 2
    assert "<PAD>" not in vocabulary


@pytest.mark.parametrize(
    ("tokens", "options", "message"),
    [
        (["a", ""], {}, "row 1: a token must not be empty"),
        (["a", "b", "a"], {}, "row 2: the token 'a' stands already in row 0"),
        (["a"], {"pad_id": 1}, r"must lie in 0\.\.0, received 1"),
        (["a"], {"special_ids": [-1]}, "received -1"),
    ],
)
def test_bad_vocabularies(tokens: list[str], options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Vocabulary(tokens, **options)


def test_subset_moves_special_ids_along() -> None:
    whole = Vocabulary(["<PAD>", "<UNK>", "a", "b"], pad_id=0, unk_id=1)
    part = whole.subset(np.array([3, 1]))
    assert list(part) == ["b", "<UNK>"]
    assert (part.pad_id, part.unk_id, part.special_ids) == (None, 1, (1,))
    assert part == Vocabulary(["b", "<UNK>"], unk_id=1)
    assert part != whole
    assert hash(whole) == hash(whole.subset(range(4)))
    assert whole != list(whole)


def test_most_frequent_breaks_ties_by_code_point() -> None:
    counts = Counter({"z": 2, "a": 2, "rare": 1, "top": 9})
    assert most_frequent(counts) == ["top", "a", "z", "rare"]
    assert most_frequent(counts, min_count=2, max_tokens=2) == ["top", "a"]


@given(st.lists(st.text(st.characters(), max_size=400)))
def test_any_tokens_in_any_order_round_trip(tokens: list[str]) -> None:
    assert decode_tokens(encode_tokens(tokens), len(tokens)) == tokens


def test_shared_beginnings_beyond_one_byte_round_trip() -> None:
    tokens = ["a" * 300, "a" * 300 + "b", "a" * 299 + "é"]
    assert decode_tokens(encode_tokens(tokens), 3) == tokens


def test_the_coding_by_hand() -> None:
    # Shared lengths, four planes of suffix lengths, suffixes.
    plain = bytes([0, 3, 0]) + bytes([4, 1, 1]) + bytes(9) + b"ableyz"
    assert decompress(encode_tokens(["able", "ably", "z"])) == plain


@pytest.mark.parametrize("rows", [0, 1, 2, 4, 2**31])
def test_another_number_of_rows_is_refused(rows: int) -> None:
    with pytest.raises(FileFormatError):
        decode_tokens(encode_tokens(["able", "ably", "zoo"]), rows)


def test_every_prefix_is_refused_and_no_edit_escapes_as_another_exception() -> None:
    tokens = ["able", "ably", "zoo", "über"]
    content = encode_tokens(tokens)
    for end in range(len(content)):
        with pytest.raises(FileFormatError):
            decode_tokens(content[:end], len(tokens))
    for at in range(len(content)):
        for flip in range(1, 256, 7):
            edited = content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]
            try:
                decode_tokens(edited, len(tokens))
            except EmbzipError:
                continue  # identical values or others: the file's digest tells those


def test_a_bomb_is_refused_at_the_limit() -> None:
    with pytest.raises(FileFormatError, match="far larger than allowed"):
        decompress(compress(bytes(1 << 20)), limit=1 << 16)
    assert decompress(compress(bytes(1 << 16)), limit=1 << 16) == bytes(1 << 16)
