"""Tokens <-> ids, and the compact bytes of token lists."""

import copy
import itertools
import pickle
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embzip.errors import FileFormatError, InputError, InputTypeError
from embzip.vocabulary import (
    TokenList,
    Vocabulary,
    compress,
    decode_tokens,
    decompress,
    encode_tokens,
    most_frequent,
    token_coding,
)
from embzip.vocabulary.lzma2 import _announced
from embzip.vocabulary.token_list import number_of


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
    counts = {"z": 2, "a": 2, "rare": 1, "top": 9}.items()
    assert list(most_frequent(counts, max_tokens=9)) == ["top", "a", "z", "rare"]
    assert list(most_frequent(counts, min_count=2, max_tokens=2)) == ["top", "a"]


@given(st.lists(st.text(st.characters(), max_size=400)))
def test_any_tokens_in_any_order_round_trip(tokens: list[str]) -> None:
    assert list(decode_tokens(encode_tokens(tokens), len(tokens))) == tokens


def test_shared_beginnings_beyond_one_byte_round_trip() -> None:
    tokens = ["a" * 300, "a" * 300 + "b", "a" * 299 + "é"]
    assert list(decode_tokens(encode_tokens(tokens), 3)) == tokens


def test_the_coding_by_hand() -> None:
    # "able"; all but the last byte of it, "y"; nothing, "z", then a control character escaped.
    plain = b"\x00able" + b"\x02y" + b"\x00z\xff\x41"
    content = encode_tokens(["able", "ably", "z\x01"])
    assert decompress(content[4:], 99) == plain
    assert content[:4] == zlib.crc32(content[4:]).to_bytes(4, "little")


@pytest.mark.parametrize(
    "plain",
    [
        b"able\x00ably\x00z",  # does not begin with a number
        b"\x00able\x06y\x00z",  # drops more than there is
        b"\x00able\x05y\x00z",  # keeps nothing, which is written 0
        b"\x00a\x00b\x00c\x1f",  # ends within a number
        b"\x00a\x00b\x00\xff",  # an escape of nothing
        b"\x00a\x00b\x00\xc3",  # half a character
        b"\x00a\x00b",
        b"\x00a\x00b\x00c\x00d",
        b"\x00" + b"a" * (1 << 24) + b"\x01" * 40,  # 41 tokens of 16 MB
    ],
)
def test_valid_digests_over_broken_rules_are_refused(plain: bytes) -> None:
    packed = compress(plain)
    content = zlib.crc32(packed).to_bytes(4, "little") + packed
    with pytest.raises(FileFormatError):
        decode_tokens(content, 41 if len(plain) > 99 else 3)


@pytest.mark.parametrize("rows", [0, 1, 2, 4, 2**31])
def test_another_number_of_rows_is_refused(rows: int) -> None:
    with pytest.raises(FileFormatError):
        decode_tokens(encode_tokens(["able", "ably", "zoo"]), rows)


def test_every_prefix_and_every_flip_is_refused() -> None:
    tokens = ["able", "ably", "zoo", "über"]
    content = encode_tokens(tokens)
    for end in range(len(content)):
        with pytest.raises(FileFormatError):
            decode_tokens(content[:end], len(tokens))
    for at in range(len(content)):
        for flip in range(1, 256):
            edited = content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]
            with pytest.raises(FileFormatError):
                decode_tokens(edited, len(tokens))


def test_a_bomb_is_refused_at_the_limit() -> None:
    with pytest.raises(FileFormatError, match="far larger than allowed"):
        decompress(compress(bytes(1 << 20)), limit=1 << 16)
    assert decompress(compress(bytes(1 << 16)), limit=1 << 16) == bytes(1 << 16)


@pytest.mark.parametrize("size", [0, 1, 1 << 12, 3_000_000, (1 << 23) + 5, 20_000_000])
def test_the_dictionary_is_as_large_as_what_comes_out(size: int) -> None:
    chance = np.random.default_rng(0).integers(0, 256, max(1, size // 9), np.uint8).tobytes()
    plain = (chance * 10)[:size]  # repeated from afar
    content = compress(plain)
    assert _announced(content) == size
    assert decompress(content, size) == plain


TOKENS = st.lists(st.text(st.characters(), min_size=1, max_size=8), unique=True)


@given(TOKENS, st.lists(st.text(st.characters(), max_size=8)))
def test_look_up_equals_a_dicts(tokens: list[str], others: list[str]) -> None:
    vocabulary = Vocabulary(tokens)
    oracle = {token: row for row, token in enumerate(tokens)}
    for token in tokens + others:
        assert vocabulary.get(token) == oracle.get(token)
        assert (token in vocabulary) == (token in oracle)
    assert list(vocabulary) == tokens
    assert [vocabulary.token(row) for row in range(len(tokens))] == tokens


@given(TOKENS)
def test_equal_lists_are_equal_and_others_are_not(tokens: list[str]) -> None:
    vocabulary = Vocabulary(tokens)
    same = Vocabulary(iter(tokens))
    assert vocabulary == same
    assert hash(vocabulary) == hash(same)
    assert vocabulary == copy.deepcopy(vocabulary) == pickle.loads(pickle.dumps(vocabulary))
    assert vocabulary != Vocabulary([*tokens, "another token"])
    joined = Vocabulary(["".join(tokens)]) if len(tokens) > 1 else None
    assert vocabulary != joined  # the same bytes, cut elsewhere


def test_a_pickled_vocabulary_finds_its_tokens_in_a_process_of_another_hash_seed() -> None:
    content = pickle.dumps(Vocabulary([f"w{i}" for i in range(100)]))
    code = (
        "import pickle, sys; v = pickle.load(sys.stdin.buffer); "
        "print([v[f'w{i}'] for i in range(100)] == list(range(100)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], input=content, capture_output=True, check=True
    )
    assert found.stdout == b"True\n"


@pytest.mark.parametrize("token", ["\ud800", "a\udfffb", "\ud83d\ude00", "\x00", "\x1f", "\uffff"])
def test_case_22_lone_surrogates_and_control_characters_are_tokens(token: str) -> None:
    vocabulary = Vocabulary(["a", token])
    assert [vocabulary[token], vocabulary.token(1)] == [1, token]
    assert vocabulary.get(token + "b") is None
    assert list(decode_tokens(encode_tokens(["a", token]), 2)) == ["a", token]


@pytest.mark.parametrize("token", [5, None, b"able", ("a",)])
def test_case_29_what_is_no_str_is_named(token: object) -> None:
    vocabulary = Vocabulary(["able", "5"])
    assert token not in vocabulary
    for look_up in (vocabulary.get, vocabulary.__getitem__):
        with pytest.raises(InputTypeError, match=f"received {type(token).__name__}"):
            look_up(token)
    with pytest.raises(InputTypeError, match=f"row 1: .* received {type(token).__name__}"):
        Vocabulary(["able", token])


def test_case_50_a_string_is_no_list_of_tokens() -> None:
    with pytest.raises(InputTypeError, match="received one str"):
        Vocabulary("able")


def test_special_names_may_be_empty_or_stand_twice() -> None:
    vocabulary = Vocabulary(["", "", "x", "x"], special_ids=[0, 1, 3])
    assert [vocabulary["x"], vocabulary.get(""), list(vocabulary)] == [2, None, ["", "", "x", "x"]]


def test_no_tokens_and_nothing_but_special_ones() -> None:
    assert [len(Vocabulary([])), Vocabulary([]).get("a")] == [0, None]
    assert list(decode_tokens(encode_tokens([]), 0)) == []
    assert Vocabulary(["<PAD>"], pad_id=0).get("<PAD>") is None


def test_neighbours_are_scattered() -> None:
    """Tokens that differ in one byte are neighbours as numbers: their places must not be."""
    tokens = ["".join(letters) for letters in itertools.product("abcdefghijkl", repeat=4)]
    table = np.array(Vocabulary(tokens)._index._table)
    free = np.flatnonzero(table < 0)
    assert np.diff(free).max() < 200  # what a look-up steps through


LETTERS = st.text(st.sampled_from("ab\x00é\U0001f600\ud800"), max_size=200)


@given(st.lists(LETTERS), st.integers(2, 2**30 - 1))
def test_packed_tokens_against_python(tokens: list[str], modulus: int) -> None:
    packed = TokenList.of(tokens)
    coded = [token.encode("utf-8", "surrogatepass") for token in tokens]
    assert list(packed) == tokens
    assert packed.remainders(modulus).tolist() == [number_of(c) % modulus for c in coded]
    misplaced = [row for row in range(1, len(coded)) if coded[row - 1] >= coded[row]]
    assert packed.first_misplaced() == (misplaced[0] if misplaced else None)
    ordered = TokenList.of(sorted(set(tokens)))
    assert ordered.first_misplaced() is None
    assert list(decode_tokens(encode_tokens(list(ordered)), len(ordered))) == list(ordered)
    assert list(packed + ordered) == [*tokens, *ordered]


def test_many_tokens_are_read_block_by_block() -> None:
    tokens = sorted({f"{n:x}{'long' * (n % 40)}" for n in range(70_000)})
    packed = TokenList.of(tokens)
    assert packed.first_misplaced() is None
    for row in (1, 32_768, 32_769, len(tokens) - 1):
        swapped = [*tokens[: row - 1], tokens[row], tokens[row - 1], *tokens[row + 1 :]]
        assert TokenList.of(swapped).first_misplaced() == row
    assert list(decode_tokens(encode_tokens(tokens), len(tokens))) == tokens
    vocabulary = Vocabulary(packed)
    assert [vocabulary[token] for token in tokens] == list(range(len(tokens)))
    with pytest.raises(InputError, match=f"row {len(tokens)}: .* already in row 7"):
        Vocabulary([*tokens, tokens[7]])


def test_memory_is_a_fraction_of_a_dicts() -> None:
    tokens = [f"token{i}" for i in range(10000)]
    oracle = {token: row for row, token in enumerate(tokens)}
    strings = sum(map(sys.getsizeof, tokens)) + sum(map(sys.getsizeof, oracle.values()))
    assert Vocabulary(tokens).nbytes * 5 < sys.getsizeof(oracle) + strings


def test_a_vocabulary_that_expands_beyond_the_limit_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found in an audit: 154 KB expanded to 2 GB before it was refused."""
    monkeypatch.setattr(token_coding, "_MOST", 1 << 16)
    packed = compress(bytes((1 << 16) + 1))
    with pytest.raises(FileFormatError, match="far larger"):
        decode_tokens(zlib.crc32(packed).to_bytes(4, "little") + packed, 3)
