"""Reading texts and examples: what a line is, and every way a file can be wrong."""

import gzip
import io
import lzma
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embzip.corpus import (
    Example,
    check_training_labels,
    corpus_name,
    paths_of,
    read_examples,
    read_texts,
    split_examples,
)
from embzip.errors import EmbzipError, InputError, MissingFileError


def written(folder: Path, content: bytes, name: str = "corpus.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_lines_end_at_lf_only_and_keep_every_other_character(tmp_path: Path) -> None:
    content = "one\u0085two\n\u2028three\x00\n\nlast\x0cword".encode()
    texts = list(read_texts(written(tmp_path, content)))
    assert texts == ["one\u0085two", "\u2028three\x00", "", "last\x0cword"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"))))
def test_whatever_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, texts: list[str]):
    path = tmp_path_factory.mktemp("corpus") / "any.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "".join(f"{text}\n" for text in texts).encode())
    assert list(read_texts(path)) == texts or texts == []


def test_several_files_follow_each_other_and_compressed_ones_are_read(tmp_path: Path) -> None:
    plain = written(tmp_path, b"a\n")
    zipped = written(tmp_path, gzip.compress(b"b\n"), "b.gz")
    xz = written(tmp_path, lzma.compress(b"c\n"), "c.xz")
    assert list(read_texts([plain, zipped, xz])) == ["a", "b", "c"]
    assert corpus_name([plain, xz]) == f"{plain}, {xz}"
    assert paths_of(plain) == [plain]


@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_broken_compression_names_the_file(tmp_path: Path, suffix: str) -> None:
    whole = (gzip if suffix == "gz" else lzma).compress(b"text\n" * 1000)
    for content in (b"no archive", whole[: len(whole) // 2]):
        path = written(tmp_path, content, f"broken.{suffix}")
        with pytest.raises(InputError, match=f"broken.{suffix}: cannot be decompressed"):
            list(read_texts(path))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\r\nb\n")))
    assert list(read_texts("-")) == ["a", "b"]


def test_case_01_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        list(read_texts(tmp_path / "absent.txt"))


def test_case_02_directory(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="expected a file, found a directory"):
        list(read_texts(tmp_path))


def test_case_05_invalid_utf8(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbfgood\nbad \xff here\n\xc3\n\xef\xbf\xbd\n")
    with pytest.raises(InputError, match=r"corpus.txt, line 2, offset 12: .* byte 0xff") as caught:
        list(read_texts(path))
    assert "--errors replace" in str(caught.value)
    with pytest.warns(UserWarning, match=r"2 invalid UTF-8 .* line 2, offset 12"):
        assert list(read_texts(path, errors="replace"))[1:3] == ["bad \ufffd here", "\ufffd"]


def test_case_05_nothing_replaced_nothing_reported(tmp_path: Path) -> None:
    path = written(tmp_path, "a \ufffd already there\n".encode())
    assert list(read_texts(path, errors="replace")) == ["a \ufffd already there"]


def test_case_06_utf8_cut_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2, offset 6: expected UTF-8"):
        list(read_texts(written(tmp_path, b"good\nx\xe2\x82")))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_case_07_utf16(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "plain words here\n".encode(encoding))
    for errors in ("strict", "replace"):
        with pytest.raises(InputError, match="looks like UTF-16"):
            list(read_texts(path, errors=errors))


def test_case_08_byte_order_mark_is_dropped_at_the_start_only(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")
    assert list(read_texts(path)) == ["one", "\ufefftwo"]


def test_case_09_nul_is_a_character_of_the_text(tmp_path: Path) -> None:
    assert list(read_texts(written(tmp_path, b"a long line with one \x00 in it\n"))) == [
        "a long line with one \x00 in it"
    ]


def test_case_10_crlf_reads_as_lf(tmp_path: Path) -> None:
    assert list(read_texts(written(tmp_path, b"one\r\ntwo\r\n"))) == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tone\nno tab here\n", "line 2: expected label<TAB>text, found no tab in 'no tab"),
        (b"a\tone\n\ttext\n", "line 2: expected label<TAB>text, found an empty label"),
        (b" \ttext\n", "line 1: expected label<TAB>text, found an empty label"),
        (b"\n \n", "expected lines label<TAB>text, found only empty lines or none"),
        (b"", "expected lines label<TAB>text, found only empty lines or none"),
    ],
)
def test_case_21_labelled_rows(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_examples(written(tmp_path, content, "train.tsv"))


def test_case_21_one_class_only() -> None:
    with pytest.raises(InputError, match="at least two different labels, found only 'a'"):
        check_training_labels([Example("x", "a"), Example("y", "a")], "train.tsv")
    with pytest.raises(EmbzipError, match="found none"):
        check_training_labels([], "train.tsv")


def test_case_21_a_label_seen_once_is_a_label() -> None:
    examples = [Example("x", "b"), Example("y", "b"), Example("z", "a")]
    assert check_training_labels(examples, "train.tsv") == ("a", "b")


def test_labelled_texts_are_what_follows_the_first_tab(tmp_path: Path) -> None:
    path = written(tmp_path, b"a\tone\ttwo\nb\t\n")
    assert list(read_texts(path, labelled=True)) == ["one\ttwo", ""]
    assert read_examples(path) == [Example("one\ttwo", "a"), Example("", "b")]


def test_a_labelled_file_read_as_plain_text_is_warned_of(tmp_path: Path) -> None:
    path = written(tmp_path, b"sport\tthree goals\npolitics\ta vote\n\n" * 10)
    with pytest.warns(UserWarning, match=r"one of 2 words and a tab, such as 'sport'.*--labelled"):
        texts = list(read_texts(path))
    assert texts[:2] == ["sport\tthree goals", "politics\ta vote"]
    assert list(read_texts(path, labelled=True))[:3] == ["three goals", "a vote", ""]


@pytest.mark.parametrize(
    "content",
    [
        b"sport\tthree goals\n" * 19,  # too few lines to say
        b"a plain line\n" + b"sport\tthree goals\n" * 30,
        b"one\ttwo\tthree\n" * 30,
        b"".join(b"word%d\t12\n" % number for number in range(2000)),  # counts of words
        b"".join(b"sport\t%d\n" % number for number in range(30)) + b"\tindented\n",
    ],
)
def test_tabs_that_are_no_labels_are_not_warned_of(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    assert "\n".join(read_texts(path)).encode() == content.rstrip(b"\n")


def test_split_is_by_text_alone() -> None:
    examples = [Example(f"text {i % 500}", str(i % 3)) for i in range(1000)]
    kept, held_out = split_examples(examples, 0.2)
    assert not {e.text for e in kept} & {e.text for e in held_out}
    assert len(kept) + len(held_out) == 1000
    assert 140 < len(held_out) < 260
    again = split_examples(list(reversed(examples)), 0.2)[1]
    assert {e.text for e in again} == {e.text for e in held_out}
    assert split_examples([Example("\ud800", "a")], 1.0)[1] == [Example("\ud800", "a")]
