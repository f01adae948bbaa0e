"""The YTTM model file: what is accepted means the same to youtokentome, all else is refused."""

import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import youtokentome
from hypothesis import given, settings
from hypothesis import strategies as st

from embzip.errors import EmbzipError, TokenizerError
from embzip.tokenizers import BpeTokenizer, Normalization, YttmModel, load_tokenizer
from embzip.tokenizers.yttm_model import MAX_CHARACTERS, read_record, with_record
from scripts.peaks import peak_growth

# a, b and the word mark; ab, the word mark + ab.
PLAIN = b"3 2\n97 5\n98 6\n9601 4\n5 6 7\n4 7 8\n1 0 2 3\n"
RECORD = with_record(PLAIN, {**Normalization().to_json(), "reproducible": True})


def youtokentome_ids(folder: Path, content: bytes, texts: list[str]) -> list[list[int]]:
    path = folder / "bare.model"
    path.write_bytes(content)
    encoder = youtokentome.BPE(model=str(path), n_threads=1)
    ids: list[list[int]] = encoder.encode(texts, output_type=youtokentome.OutputType.ID)
    return ids


def test_by_eye() -> None:
    model = YttmModel.parse(PLAIN, "tiny")
    assert model.codepoints == ((97, 5), (98, 6), (9601, 4))
    assert model.merges == ((5, 6, 7), (4, 7, 8))
    assert (model.unk_id, model.pad_id, model.bos_id, model.eos_id) == (1, 0, 2, 3)
    assert model.pieces() == ["<PAD>", "<UNK>", "<BOS>", "<EOS>", "▁", "a", "b", "ab", "▁ab"]
    assert model.to_bytes() == PLAIN
    assert YttmModel.parse(RECORD, "tiny") == model


def test_record_is_read_back_and_ignored_by_youtokentome(tmp_path: Path) -> None:
    record = read_record(RECORD, "tiny")
    assert record is not None
    assert (record["lowercase"], record["unicode"], record["reproducible"]) == (True, "NFC", True)
    assert read_record(PLAIN, "tiny") is None
    texts = ["ab abb ba c", ""]
    expected = [[8, 8, 6, 4, 6, 5, 4, 1], []]
    assert youtokentome_ids(tmp_path, PLAIN, texts) == expected
    assert youtokentome_ids(tmp_path, RECORD, texts) == expected
    assert [YttmModel.parse(PLAIN, "").to_tokenizers().encode(t).ids for t in texts] == expected


def random_model(seed: int) -> YttmModel:
    """Return a model whose merges no training would make, in an odd order of ids."""
    chance = random.Random(seed)
    alphabet = [*chance.sample("abcdeé中🙂\0", chance.randint(1, 8)), "▁"]
    merges = chance.randint(0, 30)
    ids = list(range(4, 4 + len(alphabet) + merges))
    chance.shuffle(ids)
    pieces = dict(zip(ids, alphabet, strict=False))
    codepoints = tuple((ord(piece), index) for index, piece in pieces.items())
    rules: list[tuple[int, int, int]] = []
    for new in ids[len(alphabet) :]:
        left, right = chance.choice(list(pieces)), chance.choice(list(pieces))
        if pieces[left] + pieces[right] in pieces.values():
            break
        pieces[new] = pieces[left] + pieces[right]
        rules.append((left, right, new))
    # Ids must be without holes.
    order = {old: 4 + place for place, old in enumerate(sorted(pieces))}
    return YttmModel(
        tuple((code, order[i]) for code, i in codepoints),
        tuple((order[a], order[b], order[c]) for a, b, c in rules),
    )


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6), st.lists(st.text(alphabet="abcdeé中🙂\0▁ \t\n\xa0\x85z", max_size=40))
)
def test_any_valid_model_means_the_same_to_both_engines(
    tmp_path_factory: pytest.TempPathFactory, seed: int, texts: list[str]
) -> None:
    model = random_model(seed)
    content = model.to_bytes()
    assert YttmModel.parse(content, "random") == model
    ids = youtokentome_ids(tmp_path_factory.mktemp("model"), content, texts)
    converted = model.to_tokenizers()
    assert [converted.encode(text).ids for text in texts] == ids


def test_absent_begin_and_end(tmp_path: Path) -> None:
    content = b"2 1\n97 3\n9601 2\n2 3 4\n1 0 -1 -1\n"
    model = YttmModel.parse(content, "tiny")
    assert model.special_ids() == (0, 1)
    assert model.pieces() == ["<PAD>", "<UNK>", "▁", "a", "▁a"]
    texts = ["a ba"]
    assert youtokentome_ids(tmp_path, content, texts) == [[4, 2, 1, 3]]
    assert model.to_tokenizers().encode("a ba").ids == [4, 2, 1, 3]


@pytest.mark.parametrize(
    ("special", "message"),
    [
        ("1 0 2 2", "line 7: special ids must be distinct"),
        ("1 0 0 3", "line 7: special ids must be distinct"),
        ("1 0 2 9", "line 7: special ids must be distinct and below 9"),
        ("0 1 2 3", "line 7: `unk pad bos eos` must have pad 0"),
        ("-1 0 2 3", "must have pad 0 and unk above 0"),
        ("1 -1 2 3", "must have pad 0"),
        ("1 0 2 4", "the id 4 is outside|already taken"),
        ("1 0 2", "line 7: expected 4 integers, found b'1 0 2'"),
        ("1 0 2 3 4", "line 7: expected 4 integers"),
        ("1 0 2 x", "line 7: expected 4 integers"),
    ],
)
def test_case_15_special_ids(special: str, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        YttmModel.parse(PLAIN.replace(b"1 0 2 3", special.encode()), "tiny")


@pytest.mark.parametrize("content", [PLAIN, RECORD])
def test_case_32_every_prefix(content: bytes) -> None:
    whole = YttmModel.parse(content, "tiny")
    for end in range(len(content)):
        if content[:end] == PLAIN:  # exactly a bare model, and the same ids
            assert YttmModel.parse(content[:end], "tiny") == whole
            continue
        with pytest.raises(TokenizerError, match="tiny"):
            YttmModel.parse(content[:end], "tiny")


def test_case_33_every_edited_byte_is_a_digest_error() -> None:
    digests = 0
    for at in range(len(RECORD)):
        for value in {0, 10, 32, 48, 57, 255, RECORD[at] ^ 1, RECORD[at] ^ 32} - {RECORD[at]}:
            with pytest.raises(TokenizerError) as caught:
                YttmModel.parse(RECORD[:at] + bytes([value]) + RECORD[at + 1 :], "tiny")
            digests += "digest" in str(caught.value)
    assert digests > len(RECORD)


def test_case_34_random_bytes_and_directories(tmp_path: Path) -> None:
    chance = random.Random(0)
    for size in (0, 1, 10, 1000, 100_000):
        path = tmp_path / "model"
        path.write_bytes(chance.randbytes(size))
        with pytest.raises(TokenizerError, match="model, line 1: expected 2 integers"):
            BpeTokenizer.load(path)
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(EmbzipError):
            load_tokenizer(folder)


@settings(max_examples=300)
@given(st.data())
def test_case_34_edited_lines_never_raise_anything_else(data: st.DataObject) -> None:
    lines = PLAIN.split(b"\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    number = st.integers(-3, 12) | st.sampled_from([2**31, 2**63, 10**9, 0xD800, 0x110000])
    row = data.draw(st.lists(number, max_size=4))
    lines[at] = " ".join(map(str, row)).encode()
    try:
        model = YttmModel.parse(b"\n".join(lines), "tiny")
    except TokenizerError:
        return
    assert len(set(model.pieces())) == len(model.pieces())


@pytest.mark.parametrize("header", ["3 2000000000", "2000000000 2", "2000000000 2000000000"])
def test_case_35_a_huge_header_is_refused_at_once(header: str) -> None:
    content = PLAIN.replace(b"3 2", header.encode(), 1)
    grown = peak_growth()
    start = time.perf_counter()
    with pytest.raises(TokenizerError, match=r"line 1: .* found 7 complete ones"):
        YttmModel.parse(content, "tiny")
    assert time.perf_counter() - start < 10  # 1 s on a quiet machine; a guard against hanging
    assert grown() < 50_000_000


def test_case_36_a_doubling_bomb() -> None:
    rules = [(5, 5, 6)] + [(5 + i, 5 + i, 6 + i) for i in range(1, 40)]
    rows = [(2, 40), (9601, 4), (97, 5), *rules, (1, 0, 2, 3)]
    content = "".join(" ".join(map(str, row)) + "\n" for row in rows).encode()
    start = time.perf_counter()
    with pytest.raises(TokenizerError, match=rf"line \d+: .* {MAX_CHARACTERS} characters"):
        YttmModel.parse(content, "bomb")
    assert time.perf_counter() - start < 10  # 1 s on a quiet machine; a guard against hanging


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("5 6 7", "5 9 7", r"line 5: the merge \(5, 9\) uses the id 9"),
        ("5 6 7", "5 8 7", r"line 5: the merge \(5, 8\) uses the id 8, which no earlier line"),
        ("5 6 7", "5 1 7", r"line 5: the merge \(5, 1\) uses the id 1"),
        ("5 6 7", "5 -1 7", r"line 5: the merge \(5, -1\) uses the id -1"),
        ("5 6 7", "5 6 6", "line 5: the id 6 is outside|already taken"),
        ("5 6 7", "5 6 99", r"line 5: the id 99 is outside 0\.\.8"),
        ("4 7 8", "5 6 8", "line 6: the merge .* occurs twice"),
        ("98 6", "55296 6", "line 3: 55296 is not the code point"),
        ("98 6", "1114112 6", "line 3: 1114112 is not the code point"),
        ("98 6", "-1 6", "line 3: -1 is not the code point"),
        ("98 6", "97 6", "line 3: the piece 'a' already has the id 5"),
        ("98 6", "32 6", "line 3: a character must not be white space, found code point 32"),
        ("98 6", "98  6", "line 3: expected 2 integers"),
        ("98 6", "98 06", "line 3: expected 2 integers"),
        ("98 6", "٩٨ 6", "line 3: expected 2 integers"),
    ],
)
def test_case_37_the_bad_row_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(TokenizerError, match=f"tiny.*{message}"):
        YttmModel.parse(PLAIN.replace(old.encode(), new.encode()), "tiny")


def test_one_piece_has_one_merge() -> None:
    # a + bc after ab + c: both are "abc", which no vocabulary may hold twice.
    content = b"4 4\n97 5\n98 6\n99 7\n9601 4\n5 6 8\n6 7 9\n8 7 10\n5 9 11\n1 0 2 3\n"
    with pytest.raises(TokenizerError, match="line 9: the piece 'abc' already has the id 10"):
        YttmModel.parse(content, "tiny")


def test_case_38_no_word_mark_no_special_line() -> None:
    with pytest.raises(TokenizerError, match=r"lacks U\+2581"):
        YttmModel.parse(PLAIN.replace(b"9601", b"9602"), "tiny")
    with pytest.raises(TokenizerError, match="take 7 lines, found 6 complete ones"):
        YttmModel.parse(PLAIN.replace(b"1 0 2 3\n", b""), "tiny")
    with pytest.raises(TokenizerError):
        YttmModel.parse(b"1 0 2 3\n", "tiny")


@pytest.mark.parametrize(
    "tail", [b"\n", b"{}\n", b"text\n", b"[" * 100_000, RECORD[len(PLAIN) :] * 2]
)
def test_anything_else_after_the_model_is_refused(tail: bytes) -> None:
    with pytest.raises(
        TokenizerError, match=r"line 8(: expected the end of the file or one JSON| is not JSON)"
    ):
        YttmModel.parse(PLAIN + tail, "tiny")


def test_a_record_of_the_future_asks_for_a_newer_embzip() -> None:
    with pytest.raises(TokenizerError, match="found version 2: install a newer"):
        YttmModel.parse(RECORD.replace(b'"version": 1', b'"version": 2'), "tiny")


def test_a_model_made_by_hand_is_checked_too() -> None:
    model = YttmModel.parse(PLAIN, "tiny")
    with pytest.raises(TokenizerError):
        replace(model, pad_id=5)


def test_reading_a_model_does_not_import_youtokentome() -> None:
    program = (
        "import sys; from embzip.tokenizers.yttm_model import YttmModel\n"
        f"YttmModel.parse({PLAIN!r}, 'tiny')\n"
        "print('youtokentome' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"
