"""Vectors, and the files they are read from; gensim is the oracle of the word2vec formats."""

import bz2
import gzip
import lzma
import pickle
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zstandard
from gensim.models import KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embzip.compression import compress
from embzip.embz.format import save
from embzip.errors import (
    EmbzipError,
    InputError,
    InputTypeError,
    MismatchError,
    MissingFileError,
    OutputError,
    SpecError,
)
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.tokenizers.building import build_bpe
from embzip.vectors.base import Vectors, read_vectors, with_special_rows
from embzip.vectors.converting import write_vectors
from embzip.vectors.pruning import prune
from embzip.vectors.word2vec import to_gensim
from embzip.vocabulary import Vocabulary

TOKENS = ["sea", "größe", "日本", "<UNK>", "a\u00a0b", "x\u2028y", "."]
TEXT = b"3 2\nsea 0.5 -1\nship 2 0.25\nsun 1e-3 4\n"
BINARY = b"3 2\n" + b"".join(
    word + b" " + np.array(row, "<f4").tobytes()
    for word, row in ((b"sea", [0.5, -1]), (b"ship", [2, 0.25]), (b"sun", [1e-3, 4]))
)


def vectors_of(tokens: list[str], dim: int = 5, seed: int = 0) -> Vectors:
    matrix = np.random.default_rng(seed).normal(size=(len(tokens), dim)).astype(np.float32)
    return Vectors(Vocabulary(tokens), matrix)


def stored(folder: Path, content: bytes, name: str = "vectors.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refused(folder: Path, content: bytes, *parts: str, **options: object) -> None:
    """Check that a file is refused, with its name and all parts in a message of one line."""
    path = stored(folder, content)
    with pytest.raises(InputError) as caught:
        read_vectors(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *parts):
        assert part in message


# --- reading what others write


@pytest.mark.parametrize("binary", [False, True])
def test_gensims_files_are_read_exactly(tmp_path: Path, binary: bool) -> None:
    expected = vectors_of(TOKENS, 13)
    keyed = KeyedVectors(13)
    keyed.add_vectors(TOKENS, expected.matrix)
    keyed.save_word2vec_format(str(tmp_path / "v"), binary=binary)
    read = read_vectors(tmp_path / "v")
    assert list(read.vocabulary) == TOKENS
    np.testing.assert_array_equal(read.matrix, expected.matrix)
    assert read.vocabulary.special_ids == ()
    assert read.counts is None
    assert read.tokenizer is None


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_our_files_exactly(tmp_path: Path, binary: bool) -> None:
    vectors = vectors_of(TOKENS, 13)
    write_vectors(vectors, tmp_path / "v", binary=binary)
    keyed = KeyedVectors.load_word2vec_format(str(tmp_path / "v"), binary=binary)
    assert keyed.index_to_key == TOKENS
    np.testing.assert_array_equal(keyed.vectors, vectors.matrix)


@pytest.mark.parametrize("binary", [False, True])
def test_the_most_frequent_rows_are_written_first(tmp_path: Path, binary: bool) -> None:
    words = WordTokenizer(sorted(["a", "sea", "ship", "the", "zoo"]), Normalization())
    counts = np.array([0, 9, 2, 7, 2, 8, 2])
    table = Vectors(words.vocabulary, np.arange(14.0).reshape(7, 2), counts, words)
    write_vectors(table, tmp_path / "v", binary=binary)
    read = read_vectors(tmp_path / "v")
    assert list(read.vocabulary) == ["the", "sea", "a", "ship", "zoo"]
    for row, word in enumerate(read.vocabulary):
        np.testing.assert_array_equal(read.matrix[row], table.matrix[table.vocabulary[word]])
    # What believes that the first is the most frequent keeps the right ones.
    limited = KeyedVectors.load_word2vec_format(str(tmp_path / "v"), binary=binary, limit=2)
    assert limited.index_to_key == ["the", "sea"]
    assert list(prune(read, max_vocab=2).vectors.vocabulary) == ["the", "sea"]
    assert set(prune(table, max_vocab=2).vectors.vocabulary) == {"<PAD>", "<UNK>", "the", "sea"}
    keyed = to_gensim(table)
    assert keyed.index_to_key == list(read.vocabulary)
    assert [keyed.get_vecattr(word, "count") for word in keyed.index_to_key] == [8, 7, 2, 2, 2]


def test_what_is_written_is_pinned(tmp_path: Path) -> None:
    table = Vectors(Vocabulary(["a", "b"]), np.array([[0.5, -0.0], [1, 0.1]], np.float32))
    write_vectors(table, tmp_path / "t")
    assert (tmp_path / "t").read_bytes() == b"2 2\na 0.5 -0\nb 1 0.100000001\n"
    write_vectors(table, tmp_path / "b", binary=True)
    assert (tmp_path / "b").read_bytes() == (
        b"2 2\na \0\0\0\x3f\0\0\0\x80b \0\0\x80\x3f\xcd\xcc\xcc\x3d"
    )


def test_special_rows_are_not_written(tmp_path: Path) -> None:
    table = with_special_rows(vectors_of(["sea", "ship"]))
    write_vectors(table, tmp_path / "v")
    again = read_vectors(tmp_path / "v")
    assert list(again.vocabulary) == ["sea", "ship"]
    np.testing.assert_array_equal(with_special_rows(again).matrix, table.matrix)
    only_special = Vectors(Vocabulary(["<PAD>"], pad_id=0), np.zeros((1, 2)))
    with pytest.raises(InputError, match="every row of this table is special"):
        write_vectors(only_special, tmp_path / "v")


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b"\n", b" \n"),  # fastText and the C program leave a space behind
        TEXT.partition(b"\n")[2],  # GloVe
        b"\xef\xbb\xbf" + TEXT,
        BINARY,
        BINARY.replace(b"ship", b"\nship").replace(b"sun", b"\nsun") + b"\n",  # the C program
    ],
)
def test_dialects(tmp_path: Path, content: bytes) -> None:
    read = read_vectors(stored(tmp_path, content))
    assert list(read.vocabulary) == ["sea", "ship", "sun"]
    expected = np.array([[0.5, -1], [2, 0.25], [1e-3, 4]], np.float32)
    np.testing.assert_array_equal(read.matrix, expected)
    assert read.matrix.dtype == np.float32


def test_text_of_many_blocks(tmp_path: Path) -> None:
    vectors = vectors_of([f"word{i}" for i in range(6000)], 100)
    for binary in (False, True):
        write_vectors(vectors, tmp_path / "v", binary=binary)
        assert (tmp_path / "v").stat().st_size > (2 if binary else 5) * 10**6
        read = read_vectors(tmp_path / "v")
        assert read.vocabulary == vectors.vocabulary
        np.testing.assert_array_equal(read.matrix, vectors.matrix)
    content = (tmp_path / "v").read_bytes()
    refused(tmp_path, content[:-399], "ends in row 5999", "6000 rows")


@settings(deadline=None)  # writing waits for the disk
@given(
    matrix=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 6)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    ),
    letters=st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\v\f\r"),
        min_size=1,
        max_size=5,
    ),
    binary=st.booleans(),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, matrix: np.ndarray, letters: str, binary: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip"
    vectors = Vectors(Vocabulary(f"{letters}{i}" for i in range(len(matrix))), matrix)
    write_vectors(vectors, path, binary=binary)
    read = read_vectors(path, format="binary" if binary else "text")
    assert read.vocabulary == vectors.vocabulary
    assert read.matrix.tobytes() == vectors.matrix.tobytes()


def test_numbers_that_look_like_text_are_no_token(tmp_path: Path) -> None:
    """The float32 4.0900544e15 is the bytes ` ~hY`, and no line feed ends its row."""
    path = tmp_path / "v.bin"
    number = np.float32(4.0900544e15).tobytes()
    assert number == b" ~hY"
    path.write_bytes(b"2 1\n00 " + number + b"01 " + number)
    assert list(read_vectors(path, format="binary").vocabulary) == ["00", "01"]
    path.write_bytes(b"2 1\na b " + number + b"\nc d " + number + b"\n")
    assert list(read_vectors(path, format="binary").vocabulary) == ["a b", "c d"]


@settings(deadline=None)
@given(
    content=st.binary(max_size=60)
    | st.binary(max_size=40).map(lambda tail: BINARY[:20] + tail)
    | st.text("0123456789.-e ab\n", max_size=60).map(str.encode)
    | st.binary(max_size=60).map(lambda tail: b"\x93NUMPY\1\0v\0{'descr': '<f4'" + tail),
    format=st.sampled_from(["auto", "text", "binary", "npy"]),
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, format: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    refusal = ""
    try:
        read = read_vectors(path, format=format)  # type: ignore[arg-type]
    except EmbzipError as error:
        refusal = str(error)
    assert str(path) in refusal or np.isfinite(read.matrix).all()


@pytest.mark.parametrize("content", [TEXT, TEXT.partition(b"\n")[2]], ids=["header", "GloVe"])
@pytest.mark.parametrize("blank", [b"\n", b"\n\n \r\n\n", b"\n" * 5_000_000])
def test_blank_lines_at_the_end_are_no_rows(tmp_path: Path, content: bytes, blank: bytes) -> None:
    read = read_vectors(stored(tmp_path, content + blank))
    assert list(read.vocabulary) == ["sea", "ship", "sun"]
    refused(tmp_path, content + blank + b"moon 1 2\n", "row 3")
    refused(tmp_path, content.replace(b"ship", b"\nship"), "row 1", "an empty token")


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 8, 16, 32])
def test_small_binary_files_are_read_as_binary(tmp_path: Path, dim: int) -> None:
    for seed in range(50):
        for scale in (1, 1e-3):
            expected = vectors_of([f"t{i}" for i in range(20)], dim, seed)
            expected = Vectors(expected.vocabulary, expected.matrix * np.float32(scale))
            write_vectors(expected, tmp_path / "v", binary=True)
            read = read_vectors(tmp_path / "v")
            np.testing.assert_array_equal(read.matrix, expected.matrix)


COMPRESSED = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("content", [TEXT, BINARY, TEXT.partition(b"\n")[2]])
def test_compressed_vectors_are_read(tmp_path: Path, kind: str, content: bytes) -> None:
    packed = COMPRESSED[kind](content)
    read = read_vectors(stored(tmp_path, packed, "v.vec"))
    assert list(read.vocabulary) == ["sea", "ship", "sun"]
    assert read.matrix[1].tolist() == [2, 0.25]
    for length in range(16, len(packed)):
        refused(tmp_path, packed[:length], f"cannot be decompressed as {kind}")
    refused(tmp_path, COMPRESSED[kind](content[:-3]), "cut short")
    if content == TEXT:
        refused(tmp_path, COMPRESSED[kind](b"\0" * 30_000_000), "expands to more than 16,777,216")
        np.save(tmp_path / "v.npy", np.eye(3))
        npy = stored(tmp_path, COMPRESSED[kind]((tmp_path / "v.npy").read_bytes()), "w.npy")
        read = read_vectors(npy, words=stored(tmp_path, b"a\nb\nc\n", "words"))
        np.testing.assert_array_equal(read.matrix, np.eye(3))


# --- what is refused


@pytest.mark.parametrize("content", [TEXT, BINARY], ids=["text", "binary"])
def test_case_39_every_prefix_is_refused(tmp_path: Path, content: bytes) -> None:
    # Text may lack the end of its last line.
    for length in range(len(content) - (content == TEXT)):
        # Before the header ends, a prefix may look like anything; never like valid vectors.
        refused(tmp_path, content[:length])


def test_case_39_row_reached_and_row_expected(tmp_path: Path) -> None:
    refused(tmp_path, TEXT[:-3], "row 2 (line 4)", "1 numbers", "cut short")
    refused(tmp_path, TEXT[: TEXT.index(b"sun")], "declares 3 rows", "ends in row 2")
    refused(tmp_path, BINARY[:-5], "declares 3 rows", "ends in row 2")
    refused(tmp_path, TEXT.partition(b"\n")[2][:-3], "row 2", "cut short")


def test_case_40_more_rows_or_bytes_than_the_header(tmp_path: Path) -> None:
    refused(tmp_path, TEXT + b"moon 1 2\n", "row 3", "line 5", "declares 3 rows")
    refused(tmp_path, TEXT + b"\nmoon 1 2\n", "row 3", "declares 3 rows")
    refused(tmp_path, BINARY + b"moon \0\0\0\0\0\0\0\0", "more bytes follow", "3 rows")
    refused(tmp_path, BINARY + b"x", "more bytes follow")


@pytest.mark.parametrize("start", [b"2000000000 300\n", b"1 2000000000\n", b"9" * 40 + b" 300\n",
                                   b"3 " + b"9" * 26 + b"\n", b"3 %d\n" % 2**62])  # fmt: skip
@pytest.mark.parametrize("row", [b"sea 0.5 1\n", b"sea \0\0\0\0\0\0\0\0"], ids=["text", "binary"])
def test_case_41_a_huge_header_allocates_nothing(tmp_path: Path, start: bytes, row: bytes) -> None:
    tracemalloc.start()
    began = time.perf_counter()
    refused(tmp_path, start + row, "row 0")
    assert time.perf_counter() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_case_42_a_duplicate_names_both_rows(tmp_path: Path) -> None:
    refused(tmp_path, TEXT.replace(b"sun", b"sea"), "row 2", "'sea' stands already in row 0")
    refused(tmp_path, BINARY.replace(b"sun", b"sea"), "row 2", "'sea' stands already in row 0")


@pytest.mark.parametrize("content", [TEXT, TEXT.partition(b"\n")[2]], ids=["header", "GloVe"])
def test_case_43_no_token(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content.replace(b"ship", b""), "row 1", "an empty")
    refused(tmp_path, content.replace(b"ship", b"a\nship"), "row 1", "0 numbers")


def test_case_43_in_binary(tmp_path: Path) -> None:
    refused(tmp_path, BINARY.replace(b"ship", b"a ship"), "row")
    refused(tmp_path, BINARY.replace(b"ship", b""), "row 1", "an empty")
    refused(tmp_path, BINARY.replace(b"ship", b"a\nship"), "row 1", "'a\\nship'")
    refused(tmp_path, BINARY.replace(b"ship", b"\xff\xfe"), "row 1", "UTF-8")
    refused(tmp_path, TEXT.replace(b"ship", b"\xff\xfe"), "row 1", "UTF-8")


@pytest.mark.parametrize("token", ["New York", "a\nb", "a\tb", "a\rb"])
@pytest.mark.parametrize("binary", [False, True])
def test_case_43_white_space_is_not_written(tmp_path: Path, token: str, binary: bool) -> None:
    path = stored(tmp_path, b"old")
    with pytest.raises(InputError, match=r"row 1: .*white space"):
        write_vectors(vectors_of(["sea", token]), path, binary=binary)
    with pytest.raises(InputError, match=r"row 0: .*UTF-8"):
        write_vectors(vectors_of(["\ud800"]), path, binary=binary)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [b"nan", b"inf", b"-Infinity", b"1e400", b"1e39"])
def test_case_44_numbers_that_are_not_finite(tmp_path: Path, number: bytes) -> None:
    refused(tmp_path, TEXT.replace(b"0.25", number), "row 1", "'ship'", "finite", "column 1")


@pytest.mark.parametrize("number", [b"0x10", b"1_0", b"1,5", b"one", "１".encode()])
def test_case_44_what_is_no_number(tmp_path: Path, number: bytes) -> None:
    refused(tmp_path, TEXT.replace(b"0.25", number), "row 1 (line 3)", repr(number.decode()))


def test_case_44_in_binary_and_npy(tmp_path: Path) -> None:
    for bad in (np.nan, np.inf):
        content = BINARY.replace(np.float32(0.25).tobytes(), np.float32(bad).tobytes())
        refused(tmp_path, content, "row 1", "'ship'", str(bad), "column 1")
    words = stored(tmp_path, b"sea\nship\n", "words")
    np.save(tmp_path / "v.npy", np.array([[0.0, 1], [1e300, 0]]))
    with pytest.raises(InputError, match=r"v\.npy, row 1 \('ship'\).*1e\+300 in column 0"):
        read_vectors(tmp_path / "v.npy", words=words)


@pytest.mark.parametrize("header", [b"3 0", b"0 2", b"-3 2", b"3 -2"])
def test_case_45_headers_of_no_table(tmp_path: Path, header: bytes) -> None:
    for content in (TEXT, BINARY):
        refused(tmp_path, content.replace(b"3 2", header, 1), "line 1", repr(header.decode()))


def test_case_45_no_header(tmp_path: Path) -> None:
    read = read_vectors(stored(tmp_path, b"sea 0.5\nship 1\n"))
    assert read.matrix.tolist() == [[0.5], [1]]
    refused(tmp_path, BINARY.partition(b"\n")[2], "line 1", "header")
    refused(tmp_path, b"sea\nship\n", "row 0 (line 1)", "0 numbers")
    refused(tmp_path, b"", "no bytes")
    refused(tmp_path, b" \n\n", "blanks")


def test_case_46_binary_read_as_text_and_the_reverse(tmp_path: Path) -> None:
    refused(tmp_path, BINARY, "--format binary", "format='binary'", format="text")
    refused(tmp_path, TEXT, "--format text", "format='text'", format="binary")
    refused(tmp_path, TEXT.partition(b"\n")[2], "--format text", format="binary")
    refused(tmp_path, TEXT, "--format text", format="npy")
    # Only the first row is looked at: a long text read as binary, past any doubt of that row.
    refused(tmp_path, b"9 1\nx y\n" + b"a" * 20_000, "format='text'", format="binary")
    with pytest.raises(SpecError, match="auto, text, binary, npy"):
        read_vectors(tmp_path, format="word2vec")  # type: ignore[arg-type]


class Canary:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("format", ["auto", "text", "binary", "npy"])
def test_case_47_a_pickle_is_never_loaded(tmp_path: Path, protocol: int, format: str) -> None:
    canary = tmp_path / "canary"
    content = pickle.dumps(Canary(canary), protocol)
    path = stored(tmp_path, content, "vectors.kv")
    with pytest.raises(InputError, match=r"pickle.*save_word2vec_format"):
        read_vectors(path, format=format)  # type: ignore[arg-type]
    assert not canary.exists()
    pickle.loads(content).close()  # the canary works
    assert canary.exists()


def test_case_47_gensims_own_files(tmp_path: Path) -> None:
    keyed = KeyedVectors(2)
    keyed.add_vectors(["sea"], np.zeros((1, 2), np.float32))
    keyed.save(str(tmp_path / "vectors.kv"))
    with pytest.raises(InputError, match=r"KeyedVectors\.load\(.*save_word2vec_format"):
        read_vectors(tmp_path / "vectors.kv")


def test_case_47_npy_of_objects(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    array = np.array([[Canary(canary)]], object)
    np.save(tmp_path / "v.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match="pickle"):
        read_vectors(tmp_path / "v.npy", words=stored(tmp_path, b"sea\n"))
    assert not canary.exists()


def test_case_48_odd_tables_are_tables(tmp_path: Path) -> None:
    read = read_vectors(stored(tmp_path, b"1 1\nsea 0\n"))
    assert read.matrix.tolist() == [[0]]
    read = read_vectors(stored(tmp_path, b"2 2\nsea 0 7\nship 0 7\n"))
    assert read.matrix.tolist() == [[0, 7], [0, 7]]


def test_case_50_a_string_where_a_token_list_belongs() -> None:
    with pytest.raises(InputTypeError, match=r"Vocabulary, received str"):
        Vectors("sea", np.eye(3))  # type: ignore[arg-type]


def test_other_files_are_told(tmp_path: Path) -> None:
    refused(tmp_path, b"PK\x03\x04", "cannot be decompressed as zip")
    refused(
        tmp_path,
        b"\x20\0\0\0\0\0\0\0" + b'{"rows": 1}',
        "expected a safetensors file, found a header of 32",
    )
    save(compress(np.eye(2), "int8"), tmp_path / "v.embz")
    refused(tmp_path, (tmp_path / "v.embz").read_bytes(), "embzip.load")
    refused(tmp_path, TEXT, "--words", words=tmp_path / "vectors.txt")
    with pytest.raises(MissingFileError):
        read_vectors(tmp_path)
    with pytest.raises(MissingFileError):
        read_vectors(tmp_path / "none")
    with pytest.raises(OutputError):
        write_vectors(vectors_of(["sea"]), tmp_path / "none" / "v")


# --- .npy


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8", ">f8"])
def test_case_52_npy_of_any_float(tmp_path: Path, dtype: str, order: str) -> None:
    matrix = np.asarray(vectors_of(TOKENS).matrix.astype(dtype), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "v.npy", matrix)
    words = stored(tmp_path, "\n".join(TOKENS).encode())
    read = read_vectors(tmp_path / "v.npy", words=words)
    assert list(read.vocabulary) == TOKENS
    assert read.matrix.dtype == np.dtype("float32")
    assert read.matrix.dtype.isnative
    assert read.matrix.flags.c_contiguous
    np.testing.assert_array_equal(read.matrix, matrix.astype(np.float32))


def test_npy_is_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.zeros((50_000, 100), np.float32))
    words = stored(tmp_path, b"\n".join(b"%d" % i for i in range(50_000)))
    tracemalloc.start()
    read = read_vectors(tmp_path / "v.npy", words=words)
    assert read.rows == 50_000
    assert tracemalloc.get_traced_memory()[1] < 20_000_000  # tokens and one block's mask
    tracemalloc.stop()


def test_npy_headers_are_held_against_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((3, 2), np.float32))
    content = (tmp_path / "v.npy").read_bytes()
    words = stored(tmp_path, b"sea\nship\nsun\n", "words")
    for length in range(1, len(content)):
        refused(tmp_path, content[:length], words=words if length > 5 else None)
    refused(tmp_path, content[:-9], "3 rows of 2", "ends in row 1", words=words)
    refused(tmp_path, content + b"x", "found 1 more bytes", words=words)
    huge = content.replace(b"(3, 2), ", b"(2000000000, 300), ")
    refused(tmp_path, huge, "cut short", words=words)
    refused(
        tmp_path,
        content.replace(b"(3, 2)", b"(6,)  "),
        "2 dimensions",
        words=words,
    )
    refused(tmp_path, content.replace(b"(3, 2)", b"(0, 2)"), "at least 1 row", words=words)
    refused(tmp_path, content.replace(b"<f4", b"<i4"), "float32", words=words)
    refused(tmp_path, content, "--words FILE")
    for version in (b"\0\0", b"\1\x18", b"\4\0"):
        other = content[:6] + version + content[8:]
        refused(tmp_path, other, "version 1.0, 2.0 or 3.0 of the .npy format", words=words)


def test_case_75_words_of_another_number(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((3, 2), np.float32))
    with pytest.raises(MismatchError, match=r"words must have .* 2 tokens, and 3 rows"):
        read_vectors(tmp_path / "v.npy", words=stored(tmp_path, b"sea\nship\n", "words"))
    with pytest.raises(InputError, match=r"row 2: .*'sea' stands already in row 0"):
        read_vectors(tmp_path / "v.npy", words=stored(tmp_path, b"sea\nship\nsea\n", "words"))
    with pytest.raises(InputError, match=r"row 1: .*empty"):
        read_vectors(tmp_path / "v.npy", words=stored(tmp_path, b"sea\n\nsun\n", "words"))


# --- the record


def test_case_75_parts_that_do_not_belong_together() -> None:
    vocabulary = Vocabulary(["sea", "ship"])
    with pytest.raises(MismatchError, match=r"2 tokens and 3 rows"):
        Vectors(vocabulary, np.eye(3))
    with pytest.raises(MismatchError, match="2 counts"):
        Vectors(vocabulary, np.eye(2), np.array([1, 2, 3]))
    with pytest.raises(MismatchError, match="tokenizer"):
        Vectors(vocabulary, np.eye(2), tokenizer=WordTokenizer(["sea"], Normalization()))


def test_matrices_that_are_refused() -> None:
    vocabulary = Vocabulary(["sea", "ship"])
    for matrix in (np.eye(2, dtype=int), np.eye(2, dtype=complex), np.array([["a"], ["b"]])):
        with pytest.raises(InputTypeError, match=str(matrix.dtype)):
            Vectors(vocabulary, matrix)  # type: ignore[arg-type]
    for shape in ((2,), (2, 0), (2, 1, 1)):
        with pytest.raises(InputError, match=r"must have shape \(rows, dim\)"):
            Vectors(vocabulary, np.zeros(shape, np.float32))
    for counts in (np.array([1.0, 2]), np.array([1, -1])):
        with pytest.raises(InputError, match="at least 0"):
            Vectors(vocabulary, np.eye(2), counts)  # type: ignore[arg-type]


def test_case_52_conversion_and_no_copy() -> None:
    vocabulary = Vocabulary(["sea", "ship"])
    mine = np.eye(2, 3, dtype=np.float32)
    assert np.shares_memory(Vectors(vocabulary, mine).matrix, mine)
    for given_matrix in (mine.astype(">f8"), mine.astype("f2"), np.asfortranarray(mine)):
        converted = Vectors(vocabulary, given_matrix).matrix  # type: ignore[arg-type]
        assert converted.dtype == np.float32
        assert converted.flags.c_contiguous
        np.testing.assert_array_equal(converted, mine)


# --- special rows


def test_special_rows_are_added_in_front() -> None:
    table = Vectors(Vocabulary(["<PAD>", "sea"]), np.array([[1.0, 2], [3, 6]]), np.array([3, 4]))
    full = with_special_rows(table)
    # The foreign token <PAD> stays an ordinary one.
    assert list(full.vocabulary) == ["<PAD>", "<UNK>", "<PAD>", "sea"]
    assert (full.vocabulary.pad_id, full.vocabulary.unk_id) == (0, 1)
    assert full.vocabulary["<PAD>"] == 2
    assert full.matrix.tolist() == [[0, 0], [2, 4], [1, 2], [3, 6]]
    assert full.counts is not None
    assert full.counts.tolist() == [0, 0, 3, 4]
    assert with_special_rows(full) is full


def test_only_one_special_row_is_missing() -> None:
    matrix = np.array([[9.0], [1], [3]])
    no_pad = with_special_rows(Vectors(Vocabulary(["<UNK>", "a", "b"], unk_id=0), matrix))
    assert (no_pad.vocabulary.pad_id, no_pad.vocabulary.unk_id) == (0, 1)
    assert no_pad.matrix.tolist() == [[0], [9], [1], [3]]
    no_unk = with_special_rows(Vectors(Vocabulary(["a", "b", "<PAD>"], pad_id=2), matrix))
    assert (no_unk.vocabulary.pad_id, no_unk.vocabulary.unk_id) == (3, 0)
    assert no_unk.matrix.tolist() == [[5], [9], [1], [3]]
    assert no_unk.vocabulary.special_ids == (0, 3)


# --- pruning

WORDS = ["ant", "bee", "cat", "dog"]


def words_table(counts: list[int] | None) -> Vectors:
    tokenizer = WordTokenizer(WORDS, Normalization())
    matrix = np.arange(12, dtype=np.float32).reshape(6, 2)
    return Vectors(
        tokenizer.vocabulary, matrix, None if counts is None else np.array(counts), tokenizer
    )


def test_prune_keeps_the_most_frequent_in_their_order() -> None:
    pruned = prune(words_table([0, 10, 2, 50, 8, 30]), max_vocab=2)
    assert (pruned.rows_before, pruned.rows_after) == (6, 4)
    assert list(pruned.vectors.vocabulary) == ["<PAD>", "<UNK>", "bee", "dog"]
    assert pruned.vectors.matrix.tolist() == [[0, 1], [2, 3], [6, 7], [10, 11]]
    assert pruned.coverage == 80 / 100
    assert pruned.vectors.counts is not None
    assert pruned.vectors.counts.tolist() == [0, 20, 50, 30]
    tokenizer = pruned.vectors.tokenizer
    assert isinstance(tokenizer, WordTokenizer)
    assert tokenizer.counts is not None
    assert tokenizer.counts.tolist() == [0, 20, 50, 30]
    assert tokenizer.encode(["ant bee cat dog"]) == [[1, 2, 1, 3]]
    again = prune(pruned.vectors, max_vocab=1)
    assert again.coverage == 50 / 100


def test_prune_by_count_and_by_both() -> None:
    table = words_table([0, 0, 2, 50, 8, 8])
    assert list(prune(table, min_count=8).vectors.vocabulary)[2:] == ["bee", "cat", "dog"]
    assert list(prune(table, max_vocab=2).vectors.vocabulary)[2:] == ["bee", "cat"]
    assert list(prune(table, max_vocab=3, min_count=9).vectors.vocabulary)[2:] == ["bee"]
    assert prune(table, max_vocab=99).coverage == 1
    with pytest.raises(InputError, match="occurs 51 times"):
        prune(table, min_count=51)


def test_prune_without_counts() -> None:
    foreign = with_special_rows(vectors_of(["the", "a", "zebra"]))
    pruned = prune(foreign, max_vocab=2)
    assert list(pruned.vectors.vocabulary) == ["<PAD>", "<UNK>", "the", "a"]
    assert pruned.coverage is None
    assert pruned.vectors.counts is None
    with pytest.raises(InputError, match="--max-vocab"):
        prune(foreign, min_count=2)
    # Rows of our own word tables stand by their letters: the first are not the most frequent.
    with pytest.raises(InputError, match="embzip train-vectors"):
        prune(words_table(None), max_vocab=2)


@pytest.mark.parametrize("bounds", [{}, {"max_vocab": 0}, {"min_count": -1}, {"max_vocab": 2.5}])
def test_prune_refuses_bounds(bounds: dict[str, int]) -> None:
    with pytest.raises(SpecError):
        prune(words_table([1] * 6), **bounds)


def test_prune_refuses_bpe(tmp_path: Path) -> None:
    corpus = stored(tmp_path, b"the cat and the dog\n" * 9, "corpus.txt")
    tokenizer = build_bpe(corpus, vocab=20)
    rows = len(tokenizer.vocabulary)
    table = Vectors(tokenizer.vocabulary, np.eye(rows), np.ones(rows, int), tokenizer)
    with pytest.raises(InputError, match=r"embzip build-bpe --vocab N"):
        prune(table, max_vocab=2)
