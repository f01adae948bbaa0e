"""Reading texts and examples: what a line is, and every way a file can be wrong."""

import bz2
import gzip
import io
import itertools
import lzma
import os
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from embzip import load, load_model
from embzip.artefacts import inspect
from embzip.corpus import Example, corpus_name, read_examples, read_texts
from embzip.errors import EmbzipError, InputError, MissingFileError, MissingPackageError
from embzip.files import streams
from embzip.pipeline.recipe import read_recipe
from embzip.sources import paths_of
from embzip.tokenizers import load_tokenizer
from embzip.tokenizers.counts import read_counts
from embzip.vectors.base import read_vectors


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


COMPRESSED = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


def test_several_files_follow_each_other_and_compressed_ones_are_read(tmp_path: Path) -> None:
    plain = written(tmp_path, b"a\n")
    zipped = written(tmp_path, gzip.compress(b"b\n"), "b.gz")
    xz = written(tmp_path, lzma.compress(b"c\n"), "c.xz")
    assert list(read_texts([plain, zipped, xz])) == ["a", "b", "c"]
    assert corpus_name([plain, xz]) == f"{plain}, {xz}"
    assert paths_of(plain) == [plain]


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("suffix", ["txt", "GZ", "zst", "tsv"])
def test_compression_is_told_by_content_whatever_the_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, suffix: str
) -> None:
    text = "größe\tein Satz\n" * 20_000
    twice = COMPRESSED[kind](text.encode()) * 2  # as `cat` joins them
    path = written(tmp_path, twice, f"corpus.{suffix}")
    assert list(read_texts(path, labelled=True)) == ["ein Satz"] * 40_000
    assert read_examples(path)[-1] == Example(text="ein Satz", label="größe")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(twice)))
    assert len(read_examples("-")) == 40_000
    assert list(read_texts(written(tmp_path, COMPRESSED[kind](b""), "empty"))) == []
    counts = written(tmp_path, COMPRESSED[kind](b"sea\t12\n"), "counts.tsv")
    assert read_counts(counts) == {"sea": 12}


def test_a_plain_text_may_have_any_suffix(tmp_path: Path) -> None:
    assert list(read_texts(written(tmp_path, b"BZh is a word\n", "corpus.gz"))) == ["BZh is a word"]


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("errors", ["strict", "replace"])
def test_broken_compression_names_the_file(tmp_path: Path, kind: str, errors: str) -> None:
    whole = COMPRESSED[kind](bytes(range(32, 127)) * 1000)
    for length in (20, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        path = written(tmp_path, whole[:length], "broken")
        with pytest.raises(InputError, match=f"broken: cannot be decompressed as {kind}"):
            list(read_texts(path, errors=errors))  # type: ignore[arg-type]


def test_an_archive_of_several_files_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "texts.txt", "w") as archive:
        archive.writestr("notes.txt", "some text")
    assert list(read_texts(tmp_path / "texts.txt")) == ["some text"]
    with zipfile.ZipFile(tmp_path / "texts.txt", "a") as archive:
        archive.writestr("more.txt", "more text")
    with pytest.raises(
        InputError, match=r"found a zip archive with 'notes\.txt' and others: unpack"
    ):
        list(read_texts(tmp_path / "texts.txt", errors="replace"))


def test_zstd_without_its_package_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = written(tmp_path, zstandard.compress(b"text\n"))
    with pytest.raises(MissingPackageError, match=r"zstandard.*`uv sync --extra texts`"):
        list(read_texts(path))


# --- pipes


@contextmanager
def fed(path: Path, blocks: Iterable[bytes]) -> Iterator[None]:
    """Write blocks to a named pipe from a thread, until all are read or nobody reads on."""

    def feed() -> None:
        with suppress(BrokenPipeError), path.open("wb") as pipe:
            for block in blocks:
                pipe.write(block)

    os.mkfifo(path)
    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("kind", ["plain", *COMPRESSED])
def test_a_pipe_is_streamed(tmp_path: Path, kind: str) -> None:
    block = b"sport\ta text of some length\npolitics\tanother\n" * 1000
    whole = COMPRESSED[kind](block * 20) if kind in COMPRESSED else block * 20
    pieces = [whole[:3], whole[3:1000], whole[1000:]]
    with fed(tmp_path / "pipe", pieces):
        assert len(read_examples(tmp_path / "pipe")) == 40_000


def test_texts_of_a_pipe_come_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    with fed(path, itertools.repeat(b"an endless text of one line\n" * 1000)):
        texts = iter(read_texts(path))
        assert [next(texts) for _ in range(5)] == ["an endless text of one line"] * 5
        texts.close()  # type: ignore[attr-defined]


def test_a_pipe_that_nobody_writes_to_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_PATIENCE", 0.3)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: nobody has opened this pipe for writing"):
        list(read_texts(tmp_path / "pipe"))
    with fed(tmp_path / "empty", []):
        assert list(read_texts(tmp_path / "empty")) == []


def test_a_line_without_end_does_not_fill_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embzip.files.lines.LONGEST", 1 << 20)
    path = tmp_path / "pipe"
    with fed(path, itertools.repeat(bytes(1 << 16))):
        tracemalloc.start()
        with pytest.raises(InputError, match="line 1, offset 0: a text must end within 1 MB"):
            list(read_texts(path))
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
        tracemalloc.stop()
    exact = written(tmp_path, b"x" * ((1 << 20) - 1) + b"\nshort\n")
    assert [len(text) for text in read_texts(exact)] == [(1 << 20) - 1, 5]


@pytest.mark.parametrize(
    "read",
    [load_tokenizer, load, load_model, read_vectors, read_recipe, inspect],
    ids=lambda read: read.__name__,
)
def test_formats_that_need_a_file_say_so(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EmbzipError, match=r"pipe: expected a "):
        read(tmp_path / "pipe")


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


def labelled(rows: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{label}\t{text}\n" for label, text in rows).encode()


GOOD = [("money", "bank interest deal"), ("sport", "coach penalty team")] * 10


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("label", "text"), *GOOD], "first row's label is in no other row, line 1 'label.ttext'"),
        ([*GOOD, ("sprot", "a goal")], "is in one row only, line 21 'sprot.ta goal': correct"),
        (
            [("label", "text"), *GOOD, ("sprot", "a goal"), ("mony", "x")],
            "line 1 'label.ttext': .*; .*line 22 'sprot.ta goal', and 1 more such label",
        ),
        (
            [(str(i), "\t".join(row)) for i, row in enumerate(GOOD)],
            "20 of 20 rows have a label that no other row has, such as line 1 '0.tmoney.tbank",
        ),
        (
            [(f"{text} {i}", label) for i, (label, text) in enumerate(GOOD)],
            r"longer than texts, 20 characters and 5 .* line 1 'bank interest deal 0.tmoney'",
        ),
    ],
    ids=["header", "once", "both", "ids", "text first"],
)
def test_case_21_labels_that_cannot_be_meant_are_warned_of_once(
    tmp_path: Path, rows: list[tuple[str, str]], message: str
) -> None:
    path = written(tmp_path, labelled(rows), "train.tsv")
    for read in (read_examples, partial(read_texts, labelled=True)):
        with pytest.warns(UserWarning, match=message) as caught:
            assert len(list(read(path))) == len(rows)
        assert len(caught) == 1
        assert str(path) in str(caught[0].message)
    assert len(read_examples(path, checked=True)) == len(rows)


def test_white_space_is_no_part_of_a_label(tmp_path: Path) -> None:
    path = written(
        tmp_path, "money \tone bank\n\u3000money\ttwo banks\nbig money\t three banks\n".encode() * 2
    )
    assert [(e.label, e.text) for e in read_examples(path)][:3] == [
        ("money", "one bank"),
        ("money", "two banks"),
        ("big money", " three banks"),
    ]


def test_labels_of_a_large_file_are_looked_at_in_bounded_memory(tmp_path: Path) -> None:
    path = written(tmp_path, b"".join(b"%d\ttext %d\n" % (i, i) for i in range(50_000)))
    tracemalloc.start()
    with pytest.warns(UserWarning, match=r"10,000 of 10,000 rows have a label that no other"):
        assert sum(1 for _ in read_texts(path, labelled=True)) == 50_000
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_fasttext_labels_read_as_text_are_warned_of(tmp_path: Path) -> None:
    path = written(tmp_path, b"__label__sport a goal\n__label__money a bank\n")
    with pytest.warns(UserWarning, match="begin with __label__"):
        assert len(list(read_texts(path))) == 2
    assert [example.label for example in read_examples(path)] == ["sport", "money"]


def test_labelled_texts_are_what_follows_the_first_tab(tmp_path: Path) -> None:
    path = written(tmp_path, b"a\tone\ttwo\nb\t\n")
    assert list(read_texts(path, labelled=True)) == ["one\ttwo", ""]
    assert read_examples(path) == [Example(text="one\ttwo", label="a"), Example(text="", label="b")]


def test_some_files_of_a_corpus_are_labelled(tmp_path: Path) -> None:
    plain = written(tmp_path, b"rain\tin the north\n\n", "plain.txt")
    train = written(tmp_path, b"sport\tthree goals\n", "train.tsv")
    for labelled in (train, str(train), [train]):
        assert list(read_texts([plain, str(train)], labelled=labelled)) == (
            ["rain\tin the north", "", "three goals"]
        )
    assert list(read_texts([train, plain], labelled=[train, plain])) == (
        ["three goals", "in the north", ""]
    )
    assert list(read_texts([train], labelled=[])) == ["sport\tthree goals"]
    with pytest.raises(InputError, match=r"train.tsv: a labelled file must be one of .*plain.txt"):
        list(read_texts(plain, labelled=train))


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
