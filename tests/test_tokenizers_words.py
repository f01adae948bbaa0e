"""Whole words: counting, encoding, and the words file under attack."""

import json
import pickle
import re
import time
import unicodedata
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embzip.errors import (
    EmbzipError,
    FileFormatError,
    IdRangeError,
    InputError,
    InputTypeError,
    MissingFileError,
    OutputError,
    TokenizerError,
)
from embzip.tokenizers import (
    AliasedWords,
    Normalization,
    WordTokenizer,
    load_tokenizer,
    tokenizer_from_bytes,
)
from embzip.tokenizers.building import build_words
from embzip.tokenizers.word_pattern import word_pattern

CORPUS = "The cat sat, the cat ran.\nA dog!\n"
TINY = WordTokenizer(["!", "café", "cat", "the"], Normalization(), [0, 1, 2, 3, 4, 5])


def corpus(folder: Path, text: str = CORPUS) -> Path:
    path = folder / "corpus.txt"
    path.write_bytes(text.encode())
    return path


def test_counting_by_hand(tmp_path: Path) -> None:
    tokenizer = build_words(corpus(tmp_path), min_count=1)
    assert list(tokenizer.vocabulary) == (
        ["<PAD>", "<UNK>", "!", ",", ".", "a", "cat", "dog", "ran", "sat", "the"]
    )
    assert tokenizer.counts is not None
    assert tokenizer.counts.tolist() == [0, 0, 1, 1, 1, 1, 2, 1, 1, 1, 2]
    assert tokenizer.encode(["A CAT sat; ok"]) == [[5, 6, 9, 1, 1]]
    assert tokenizer.decode([5, 6, 9, 1, 0]) == "a cat sat <UNK> <PAD>"


def test_min_count_and_max_vocab(tmp_path: Path) -> None:
    path = corpus(tmp_path)
    frequent = build_words(path)
    assert list(frequent.vocabulary)[2:] == ["cat", "the"]
    assert frequent.counts is not None
    assert frequent.counts.tolist() == [0, 7, 2, 2]
    one = build_words(path, max_vocab=1)
    assert list(one.vocabulary)[2:] == ["cat"]


@given(st.lists(st.text(alphabet="aAbé é,.\t\x00\u2028中", max_size=30), min_size=1))
def test_counts_agree_with_encoding(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = corpus(tmp_path_factory.mktemp("words"), "".join(f"{text}\n" for text in texts))
    words = re.findall(r"\w+|[^\w\s]", "\n".join(texts).lower())
    if not words:
        with pytest.raises(InputError):
            build_words(path, min_count=1)
        return
    tokenizer = build_words(path, min_count=1, max_vocab=2)
    ids = np.concatenate([np.asarray(row, np.int64) for row in tokenizer.encode(texts)])
    assert tokenizer.counts is not None
    assert np.bincount(ids, minlength=len(tokenizer.vocabulary)).tolist() == (
        tokenizer.counts.tolist()
    )
    assert set(tokenizer.vocabulary) - {"<PAD>", "<UNK>"} <= set(words)


def words_of(text: str) -> list[str]:
    return word_pattern(text).findall(text)


def is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी की किताब।", ["हिन्दी", "की", "किताब", "।"]),
        ("ที่นี่ น้ำ", ["ที่นี่", "น้ำ"]),
        (unicodedata.normalize("NFD", "größe, café!"), ["gro\u0308ße", ",", "cafe\u0301", "!"]),
        ("தமிழ் עִבְרִית عَرَبِيّ", ["தமிழ்", "עִבְרִית", "عَرَبِيّ"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("क्\u200dष क्\u200cष", ["क्\u200dष", "क्\u200cष"]),
        ("\u200cab\u200d, 👨\u200d👩", ["\u200c", "ab", "\u200d", ",", "👨", "\u200d", "👩"]),
        ("a\u200c\u200d\u0301b\u200c \u200d", ["a\u200c\u200d\u0301b", "\u200c", "\u200d"]),
        ("i ❤\ufe0flove 1\ufe0f\u20e3", ["i", "❤", "\ufe0f", "love", "1\ufe0f\u20e3"]),
        ("𑄌𑄋𑄴𑄟𑄳𑄦", ["𑄌𑄋𑄴𑄟𑄳𑄦"]),  # marks above U+FFFF
    ],
)
def test_marks_belong_to_the_word_before_them(text: str, words: list[str]) -> None:
    assert words_of(text) == words
    tokenizer = WordTokenizer(sorted(set(words)), Normalization(unicode="none"))
    assert [tokenizer.decode([i]) for i in tokenizer.encode([text])[0]] == words
    again = tokenizer_from_bytes(
        "words", tokenizer.to_bytes(), len(tokenizer.vocabulary), tokenizer.normalization
    )
    aliased = AliasedWords(tokenizer, {})
    assert again.encode([text]) == aliased.encode([text]) == tokenizer.encode([text])


@given(st.text(st.sampled_from("a é_1!.,\u3000😀") | st.characters(exclude_categories=["M"])))
def test_a_text_without_marks_has_the_words_it_had(text: str) -> None:
    text = re.sub("[\u200c\u200d]", "", text)
    assert words_of(text) == re.findall(r"\w+|[^\w\s]", text)


MARKED = st.sampled_from("aé1_ .!\u0301\u093f\u20e3\u200c\u200d\U00011134क")


@given(st.text(MARKED | st.characters()))
def test_words_are_cut_as_by_hand(text: str) -> None:
    def belongs(character: str) -> bool:
        return bool(re.match(r"\w", character)) or (character != "" and is_mark(character))

    words: list[str] = []
    kind = ""  # of the last token: a word, marks, or another character
    for index, character in enumerate(text):
        rest = text[index:].lstrip("\u200c\u200d")[:1]
        joins = character in "\u200c\u200d" and belongs(rest)
        mark = is_mark(character)
        if (kind == "word" and (belongs(character) or joins)) or (kind == "marks" and mark):
            words[-1] += character
        elif character.isspace():
            kind = ""
        else:
            words.append(character)
            kind = "marks" if mark else "word" if belongs(character) else "other"
    assert words_of(text) == words
    assert "".join(words) == "".join(text.split())


def test_every_mark_of_unicode_is_one() -> None:
    every = map(chr, range(0x110000))
    expected = {c for c in every if is_mark(c)}
    assert len(expected) > 2000
    assert {mark for mark in expected if words_of(f"a{mark}b") != [f"a{mark}b"]} == set()


ANY = st.text(st.sampled_from("the cat!,é\x1c\x85\u2028\u3000_") | st.characters(), max_size=80)


@given(st.lists(ANY))
def test_pieces_between_white_space_have_the_words_of_the_text(texts: list[str]) -> None:
    ids = {word: index for index, word in enumerate(TINY.vocabulary) if index > 1}
    for _ in range(2):  # the second time pieces are remembered
        assert TINY.encode(texts) == [
            [ids.get(word, 1) for word in words_of(TINY.normalization.apply(text))]
            for text in texts
        ]


def test_what_is_remembered_is_bounded() -> None:
    words = sorted(f"w{index}" for index in range(20_000))
    tokenizer = WordTokenizer(words, Normalization())
    assert tokenizer.encode([" ".join(words)]) == [list(range(2, 20_002))]
    assert tokenizer.encode(["unknown w1.w1 " + "w1." * 1000])[0][:3] == [
        1,
        words.index("w1") + 2,
        1,
    ]
    assert len(tokenizer._met) == 16_384
    assert max(map(len, tokenizer._met)) <= 64


@given(st.text(st.characters(max_codepoint=0x24F), max_size=30), st.booleans())
def test_ascii_needs_no_normal_form(text: str, lowercase: bool) -> None:
    for form in ("NFC", "NFKC", "NFD", "NFKD", "none"):
        expected = text if form == "none" else unicodedata.normalize(form, text)
        if lowercase:
            expected = expected.lower()
            expected = expected if form == "none" else unicodedata.normalize(form, expected)
        assert Normalization(lowercase=lowercase, unicode=form).apply(text) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_count": 0}, "min_count must be at least 1, received 0"),
        ({"max_vocab": 0}, "max_vocab must be at least 1, received 0"),
        ({"max_vocab": -5}, "received -5"),
        ({"min_count": 99}, "no word occurs 99 times or more: lower min_count"),
        ({"unicode": "UTF-8"}, "unknown normal form 'UTF-8': the known"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        build_words(corpus(tmp_path), **options)


@pytest.mark.parametrize("text", ["", " \n\t\n\u3000\u00a0\n"])
def test_case_03_and_04_no_text(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"corpus.txt: expected text, found no word"):
        build_words(corpus(tmp_path, text))


def test_case_01_and_02_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(MissingFileError):
            build_words(path)
        with pytest.raises(MissingFileError):
            WordTokenizer.load(path)


def test_case_08_and_10_bom_and_crlf_give_the_same_words(tmp_path: Path) -> None:
    plain = build_words(corpus(tmp_path), min_count=1).to_bytes()
    dressed = corpus(tmp_path, "\ufeff" + CORPUS.replace("\n", "\r\n"))
    assert build_words(dressed, min_count=1).to_bytes() == plain


def test_case_09_nul_is_a_mark_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    build_words(corpus(tmp_path, "a\0b and more text, so that it is no UTF-16"), path, min_count=1)
    tokenizer = WordTokenizer.load(path)
    assert tokenizer.decode(tokenizer.encode(["a\0b"])[0]) == "a \0 b"


def test_case_17_and_31_one_long_line_and_one_long_word_in_bounded_time(tmp_path: Path) -> None:
    # 21 MB of the catalogue's 100: time is linear, and the tests of BPE take them all.
    start = time.perf_counter()
    tokenizer = build_words(corpus(tmp_path, "the cat sat on a mat " * 1_000_000))
    assert tokenizer.encode(["x" * 10_000_000, "cat"]) == [[1], [3]]
    assert time.perf_counter() - start < 20


def test_case_19_output_not_writable_keeps_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        build_words(corpus(tmp_path), tmp_path / "absent" / "words.tsv")
    (tmp_path / "words.tsv").mkdir()
    with pytest.raises(OutputError):
        build_words(corpus(tmp_path), tmp_path / "words.tsv")


def test_case_22_lone_surrogates_are_unknown_marks() -> None:
    assert TINY.encode(["cat \ud800"]) == [[4, 1]]


def test_case_24_literal_special_names_are_text(tmp_path: Path) -> None:
    tokenizer = build_words(corpus(tmp_path, "<PAD> <UNK>\n"), min_count=1)
    assert list(tokenizer.vocabulary)[2:] == ["<", ">", "pad", "unk"]
    assert tokenizer.encode(["<PAD> <UNK>"]) == [[2, 4, 3, 2, 5, 3]]
    assert TINY.encode(["<PAD><UNK>"]) == [[1] * 6]


def test_case_25_unicode_spaces_separate_words() -> None:
    for space in " \t\xa0\u3000\u2028\x85\u2009":
        assert TINY.encode([f"the{space}cat"]) == [[5, 4]]


def test_case_26_normal_forms_follow_the_record() -> None:
    assert TINY.encode(["Cafe\u0301", "caf\u00e9"]) == [[3], [3]]
    raw = WordTokenizer(["caf\u00e9"], Normalization(lowercase=False, unicode="none"))
    assert raw.encode(["caf\u00e9", "Caf\u00e9"]) == [[2], [1]]
    assert raw.encode(["cafe\u0301"])[0][0] == 1


def test_case_27_unknown_script_is_unk() -> None:
    assert TINY.encode(["中文 кот"]) == [[1, 1]]


def test_case_28_empty_texts_have_no_ids() -> None:
    assert TINY.encode(["", "   "]) == [[], []]
    assert TINY.encode([]) == []
    assert TINY.decode([]) == ""


def test_case_29_types() -> None:
    assert TINY.encode(text for text in ["cat"]) == [[4]]
    for received, name in (("cat", "one str"), (b"cat", "one bytes"), (None, "NoneType")):
        with pytest.raises(InputTypeError, match=name):
            TINY.encode(received)  # type: ignore[arg-type]
    for element, name in ((b"cat", "bytes"), (None, "NoneType"), (4, "int")):
        with pytest.raises(InputTypeError, match=f"text 1: expected str, received {name}"):
            TINY.encode(["cat", element])  # type: ignore[list-item]


def test_case_30_decode_checks_ids() -> None:
    assert TINY.decode(np.array([4, 5], np.uint16)) == "cat the"
    for outside in (-1, 6, 2**70):
        with pytest.raises(IdRangeError, match=r"id 1: expected 0\.\.5"):
            TINY.decode([4, outside])
    for wrong in ([1.0], ["1"], "1", 1):
        with pytest.raises(InputTypeError):
            TINY.decode(wrong)  # type: ignore[arg-type]


def test_the_file_by_eye(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    TINY.save(path)
    first, *rows = path.read_text("utf-8").splitlines()
    assert rows == ["<PAD>\t0", "<UNK>\t1", "!\t2", "café\t3", "cat\t4", "the\t5"]
    record = json.loads(first)
    assert (record["format"], record["version"]) == ("embzip-words", 1)
    assert (record["lowercase"], record["unicode"]) == (True, "NFC")


def test_file_and_bytes_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    other = Normalization(lowercase=False, unicode="NFKD")
    for tokenizer in (TINY, WordTokenizer(["a", "b"], other), WordTokenizer([], other)):
        tokenizer.save(path)
        rows = len(tokenizer.vocabulary)
        copies = [
            WordTokenizer.load(path),
            load_tokenizer(path),
            tokenizer_from_bytes("words", tokenizer.to_bytes(), rows, tokenizer.normalization),
            pickle.loads(pickle.dumps(tokenizer)),
        ]
        for copy in copies:
            assert copy.kind == "words"
            assert copy.vocabulary == tokenizer.vocabulary
            assert copy.normalization == tokenizer.normalization
        assert (copies[0].counts is None) == (tokenizer.counts is None)  # type: ignore[attr-defined]


def test_words_must_be_sorted_and_counts_must_fit() -> None:
    for words in (["b", "a"], ["a", "a"]):
        with pytest.raises(TokenizerError, match=r"id 3: .* pass sorted\(set\(words\)\)"):
            WordTokenizer(words, Normalization())
    with pytest.raises(TokenizerError, match=r"expected 3 counts, one per id"):
        WordTokenizer(["a"], Normalization(), [1])
    with pytest.raises(InputError, match="must not be empty"):
        WordTokenizer([""], Normalization())


def test_bytes_of_another_size_are_refused() -> None:
    for rows in (2, 5, 7):
        with pytest.raises(FileFormatError):
            tokenizer_from_bytes("words", TINY.to_bytes(), rows, Normalization())
    with pytest.raises(TokenizerError, match="at least 2 rows"):
        tokenizer_from_bytes("words", TINY.to_bytes(), 1, Normalization())
    with pytest.raises(TokenizerError, match="found 'char'"):
        tokenizer_from_bytes("char", b"", 1, Normalization())


def test_case_32_every_prefix_of_a_words_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    TINY.save(path)
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(EmbzipError):
            WordTokenizer.load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cat\t4", "cat", r"line 6: expected token<TAB>count, found 'cat'"),
        ("cat\t4", "cat\t-4", "line 6"),
        ("cat\t4", "cat\t" + "9" * 19, "line 6"),
        ("cat\t4", "\t4", "line 6"),
        ("cat\t4", "zoo\t4", "code point order"),
        ("cat\t4", "café\t4", "code point order"),
        ("<PAD>\t0", "PAD\t0", "the first two rows must be <PAD> and <UNK>"),
        ("the\t5\n", "", "declares 6 rows, found 5"),
        ("the\t5\n", "the\t5\nzoo\t1\n", "declares 6 rows, found 7"),
        ('"NFC"', '"ABC"', "line 1: unicode must be one of"),
        ('"lowercase": true', '"lowercase": 1', "line 1: lowercase must be true or false"),
        ('"version": 1', '"version": 2', "newer embzip"),
        ("embzip-words", "words", "line 1: expected the JSON line of an embzip-words file"),
        ("{", "[" * 100_000, "line 1: expected the JSON line"),
    ],
)
def test_case_34_a_damaged_words_file_names_the_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "words.tsv"
    TINY.save(path)
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(TokenizerError, match=message) as caught:
        WordTokenizer.load(path)
    assert "words.tsv" in str(caught.value)


def test_case_34_bytes_that_are_no_text_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    TINY.save(path)
    path.write_bytes(path.read_bytes().replace(b"cat", b"c\xfft"))
    with pytest.raises(TokenizerError, match=r"line 6, offset \d+: expected UTF-8"):
        WordTokenizer.load(path)


def test_progress_rises_to_the_size_of_the_corpus(tmp_path: Path) -> None:
    path = corpus(tmp_path, "the cat sat on a mat\n" * 150_000)
    seen: list[tuple[int, int]] = []
    build_words(path, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {path.stat().st_size}
    assert seen[-1][0] == path.stat().st_size


STEMMED = WordTokenizer(["abcde", "distil", "plant", "planted"], Normalization(), stems=True)


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("plants", "planted"),  # its neighbour in order: five characters, then one and two
        ("planting", "<UNK>"),  # three more than the word before it, no stem of the one behind
        ("planteds", "planted"),
        ("plante", "plant"),  # the word before comes first
        ("plan", "<UNK>"),  # too short
        ("abcdefg", "abcde"),
        ("abcdefgh", "<UNK>"),
        ("abcd", "<UNK>"),
        ("disti", "distil"),  # begins the word behind it
        ("DISTILL", "distil"),
        ("aaaaa", "<UNK>"),
        ("zzzzz", "<UNK>"),
        ("plant", "plant"),
    ],
)
def test_unknown_words_read_as_their_stem(word: str, read: str) -> None:
    assert STEMMED.decode(STEMMED.encode([word])[0]) == read
    plain = WordTokenizer(list(STEMMED.vocabulary)[2:], Normalization())
    assert plain.decode(plain.encode([word])[0]) == (word if word == "plant" else "<UNK>")


def test_words_that_read_as_a_stem_are_not_remembered() -> None:
    tokenizer = WordTokenizer(["distil", "plant"], Normalization(), stems=True)
    assert tokenizer.encode(["plant distill plants,"]) == [[3, 2, 3, 1]]
    assert list(tokenizer._met) == ["plant"], "untrusted texts must not fill it"


def test_stems_are_kept_by_files_bytes_and_pickles(tmp_path: Path) -> None:
    STEMMED.save(tmp_path / "words.tsv")
    content = STEMMED.to_bytes()
    again = [
        load_tokenizer(tmp_path / "words.tsv"),
        tokenizer_from_bytes(STEMMED.kind, content, 6, Normalization()),
        pickle.loads(pickle.dumps(STEMMED)),
    ]
    assert [tokenizer.kind for tokenizer in again] == ["words+stems"] * 3
    assert [tokenizer.encode(["a distill, plants"]) for tokenizer in again] == [[[1, 3, 1, 5]]] * 3
    plain = tokenizer_from_bytes("words", content, 6, Normalization())
    assert plain.encode(["distill"]) == [[1]]


@given(st.lists(st.text("abc", min_size=1, max_size=9), unique=True), st.text("abc", max_size=9))
def test_a_stem_is_a_known_word_of_equal_beginning(words: list[str], word: str) -> None:
    tokenizer = WordTokenizer(sorted(words), Normalization(), stems=True)
    for index in tokenizer.encode([word])[0]:
        near = tokenizer.vocabulary.token(index)
        if index > 1 and near != word:
            same = sum(
                1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(word, near, strict=False))
            )
            assert same >= 5
            assert max(len(word), len(near)) - same <= 2
