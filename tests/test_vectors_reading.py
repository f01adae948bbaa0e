"""Files of vectors as people have them: what is read, what is accepted on request, what is counted.

gensim is the oracle where it reads the same file; Python's float where numbers are odd.
"""

import gzip
import json
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embzip.errors import DuplicateError, InputError, MismatchError, SpecError
from embzip.vectors.base import Vectors, read_vectors
from embzip.vectors.decimals import parse
from embzip.vectors.growing import GrowingRows
from tests.commands import outcome, stdout_of

ROWS = [["the", 0.5, -1.0], ["new york", 2.0, 0.25], [". .", 1e-3, 4.0], ["of", 1, 2], ["a", 3, 4]]


def stored(folder: Path, content: bytes | str, name: str = "v.vec") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(vectors: Vectors) -> list[list[object]]:
    return [
        [token, *row]
        for token, row in zip(vectors.vocabulary, vectors.matrix.tolist(), strict=True)
    ]


def as_float32(rows: list[list[object]]) -> list[list[object]]:
    return [[token, *np.array(row, np.float32).tolist()] for token, *row in rows]


# --- separators and tokens


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
@pytest.mark.parametrize("last", [True, False], ids=["final newline", "none"])
@pytest.mark.parametrize("between", [" ", "\t", "  ", ","])
def test_separators_and_tokens_that_hold_spaces(
    tmp_path: Path, header: bool, end: str, last: bool, between: str
) -> None:
    lines = [between.join(["5", "2"])] * header
    lines += [between.join(map(str, row)) for row in ROWS]
    text = end.join(lines) + end * last
    read = read_vectors(stored(tmp_path, text))
    assert rows_of(read) == as_float32(ROWS)
    assert read.changed == {}
    with_mark = read_vectors(stored(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert rows_of(with_mark) == as_float32(ROWS)


def test_a_token_may_hold_the_separator(tmp_path: Path) -> None:
    read = read_vectors(stored(tmp_path, ',,1.5,2\n"a ""b""",3,4\nx,5,6\na,b,5,6\nc,7,8\n'))
    assert rows_of(read)[:4] == [[",", 1.5, 2], ['a "b"', 3, 4], ["x", 5, 6], ["a,b", 5, 6]]
    mixed = read_vectors(stored(tmp_path, "the\t-2.25 0.5\nof\t1 2\n"))
    assert rows_of(mixed) == [["the", -2.25, 0.5], ["of", 1, 2]]


SHAPES = ["{}\t{}\t{}\n", "{}\t{} {}\n", "{},{},{}\n", "{}, {}, {}\n", '"{}",{},{}\n']


def test_a_token_may_end_in_a_number_where_that_is_no_field(tmp_path: Path) -> None:
    rows = [["the", 0.5, 2], ["gpt 3.5", 3, 4.25], ["3.5", 5, 6], ["of", 7, 8]]
    more = [[f"w{i}", 1.5, i] for i in range(17_000)]  # so many that they are read by compiled code
    for text, added in (*((text, []) for text in SHAPES), (SHAPES[0], more), (SHAPES[2], more)):
        path = stored(tmp_path, "".join(text.format(*row) for row in (*rows, *added)))
        read = read_vectors(path)
        assert list(read.vocabulary)[:4] == [row[0] for row in rows], text
        numbers = np.array([row[1:] for row in (*rows, *added)], np.float32)
        np.testing.assert_array_equal(read.matrix, numbers)
    quoted = stored(tmp_path, 'the,0.5,2\n"gpt,3.5",3,4.25\n')
    assert rows_of(read_vectors(quoted)) == [["the", 0.5, 2], ["gpt,3.5", 3, 4.25]]


@pytest.mark.parametrize("between", [" ", ",", "\t"])
@pytest.mark.parametrize("times", [1, 17_000], ids=["plain", "compiled"])
def test_a_field_too_many_is_no_token(tmp_path: Path, between: str, times: int) -> None:
    lines = ["the 0.5 2", "gpt 3.5 3 4.25", *(f"w{i}00000 1 2.5" for i in range(times))]
    path = stored(tmp_path, "\n".join(lines).replace(" ", between))
    with pytest.raises(InputError, match=r"row 1 \(line 2\): .* 3 numbers after 'gpt'"):
        read_vectors(path)


def test_dim_is_what_most_lines_share(tmp_path: Path) -> None:
    lines = ["at name@domain.example 1 2 3", *(f"w{i} 1 2 3" for i in range(60)), ". . . 4 5 6"]
    read = read_vectors(stored(tmp_path, "\n".join(lines)))
    assert read.dim == 3
    assert (read.vocabulary.token(0), read.vocabulary.token(61)) == (
        "at name@domain.example",
        ". . .",
    )


def test_a_row_of_another_length_is_refused_by_its_line_or_left_out(tmp_path: Path) -> None:
    path = stored(tmp_path, "the 1 2\nof 1.5 2 3\na 1\nin 3 4\n 5 6\n \t 7 8\nat nan 1\nto x 1\n")
    with pytest.raises(InputError, match=r"row 1 \(line 2\): .* 3 numbers after 'of'.*--skip-bad"):
        read_vectors(path)
    with pytest.warns(UserWarning, match=r"6 rows left out, the first in row 1 \(line 2\) \(3 num"):
        read = read_vectors(path, skip_bad=True)
    assert rows_of(read) == [["the", 1, 2], ["in", 3, 4]]
    assert read.changed == {"bad_rows": 6}


@pytest.mark.parametrize("declared", [2, 3, 5])
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_with_a_wrong_number_of_rows(tmp_path: Path, declared: int, packed: bool) -> None:
    text = f"{declared} 2\nthe 1 2\nof 3 4\na 5 6\nin 7 8\n".encode()
    path = stored(tmp_path, gzip.compress(text) if packed else text)
    with pytest.raises(InputError, match="skip_bad=True"):
        read_vectors(path)
    with pytest.warns(UserWarning, match=f"the header declares {abs(declared - 4)} row"):
        read = read_vectors(path, skip_bad=True)
    assert (read.rows, read.changed) == (4, {"declared": declared - 4})
    assert read_vectors(path, limit=2).rows == 2


def test_a_header_of_another_dim_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path, "3 3\nthe 1 2\nof 3 4\na 5 6\n")
    with pytest.raises(InputError, match="declares 3 numbers a row, and most rows have 2: correct"):
        read_vectors(path, skip_bad=True)


def test_limit_takes_the_first_rows(tmp_path: Path) -> None:
    text = "5 1\na 1\nb 2\n 3\nc 4\nd 5\n"
    path = stored(tmp_path, text)
    assert list(read_vectors(path, limit=2).vocabulary) == ["a", "b"]
    gensim = KeyedVectors.load_word2vec_format(str(path), limit=2)
    assert gensim.index_to_key == ["a", "b"]
    with pytest.warns(UserWarning, match="1 row left out"):
        assert list(read_vectors(path, limit=3, skip_bad=True).vocabulary) == ["a", "b", "c"]
    assert read_vectors(path, limit=2).matrix.base is None  # what was not read is not kept
    with pytest.raises(InputError, match=r"rows must lie in 1\.\."):
        read_vectors(path, limit=0)


def test_duplicates(tmp_path: Path) -> None:
    for text in ("the 1\nof 2\nthe 3\na 4\n", "4 1\nthe 1\nof 2\nthe 3\na 4\n"):
        path = stored(tmp_path, text)
        with pytest.raises(DuplicateError, match=r"row 2: .* row 0; .*--duplicates first"):
            read_vectors(path)
        with pytest.warns(UserWarning, match="1 row left out whose token stood there already"):
            read = read_vectors(path, duplicates="first")
        assert (rows_of(read), read.changed) == (
            [["the", 1], ["of", 2], ["a", 4]],
            {"duplicates": 1},
        )
    with pytest.raises(SpecError, match="error, first"):
        read_vectors(path, duplicates="last")  # type: ignore[arg-type]


@pytest.mark.parametrize("binary", [False, True])
def test_invalid_utf8(tmp_path: Path, binary: bool) -> None:
    rows = [(b"the", [1, 2]), (b"caf\xe9", [3, 4]), (b"\xc3", [5, 6])]
    for end in (b"", b"\n") if binary else (b"\n",):
        content = b"3 2\n" + b"".join(
            word
            + b" "
            + (np.array(row, "<f4").tobytes() if binary else b"%d %d" % tuple(row))
            + end
            for word, row in rows
        )
        path = stored(tmp_path, content)
        with pytest.raises(InputError, match=r"row 1.*UTF-8, found b'caf.xe9'.*--errors replace"):
            read_vectors(path)
        with pytest.warns(UserWarning, match=r"replaced by U\+FFFD in 2 tokens"):
            read = read_vectors(path, errors="replace")
        assert (rows_of(read)[1], read.changed) == (["caf\ufffd", 3, 4], {"replaced": 2})
        gensim = KeyedVectors.load_word2vec_format(
            str(path), binary=binary, unicode_errors="replace"
        )
        assert gensim.index_to_key == list(read.vocabulary)


@pytest.mark.parametrize("number", ["-2,25014", "1,5e3"])
def test_a_decimal_comma_is_refused_by_name(tmp_path: Path, number: str) -> None:
    path = stored(tmp_path, f"2 2\nthe 0,5 {number}\nof 1,5 {number}\n")
    with pytest.raises(InputError, match=f"decimal comma, such as '{number}': replace the commas"):
        read_vectors(path)


# --- binary


def binary(rows: list[tuple[bytes, list[float]]], end: bytes = b"\n", declared: int = 0) -> bytes:
    body = b"".join(word + b" " + np.array(row, "<f4").tobytes() + end for word, row in rows)
    return b"%d %d\n" % (declared or len(rows), len(rows[0][1])) + body


def test_a_binary_token_may_hold_spaces_where_rows_end_with_a_line_feed(tmp_path: Path) -> None:
    rows = [(b"the", [1.0, 2]), (b"new york city", [3, 4]), (b"end", [5, 6])]
    read = read_vectors(stored(tmp_path, binary(rows)))
    assert rows_of(read) == [["the", 1, 2], ["new york city", 3, 4], ["end", 5, 6]]
    # A line feed among the numbers is none that ends them.
    ten = np.frombuffer(b"\n\n\n\n", "<f4")[0]
    read = read_vectors(
        stored(tmp_path, binary([(b"the", [1, 2]), (b"a", [ten, ten]), (b"b", [5, 6])]))
    )
    assert list(read.vocabulary) == ["the", "a", "b"]
    with pytest.raises(InputError):
        read_vectors(stored(tmp_path, binary(rows, end=b"")))


def test_bad_binary_rows_are_left_out_on_request(tmp_path: Path) -> None:
    rows = [(b"the", [1.0, 2]), (b"", [3, 4]), (b"nan", [np.nan, 4]), (b"end", [5, 6])]
    path = stored(tmp_path, binary(rows, declared=6))
    with pytest.raises(InputError, match=r"row 1: .* an empty one.*--skip-bad"):
        read_vectors(path)
    with pytest.warns(
        UserWarning, match=r"2 rows left out, the first in row 1 .*; the header decl"
    ):
        read = read_vectors(path, skip_bad=True)
    assert rows_of(read) == [["the", 1, 2], ["end", 5, 6]]
    assert read.changed == {"bad_rows": 2, "declared": 2}
    assert read_vectors(path, limit=1).rows == 1


# --- compressed


def test_a_zip_of_one_file_is_read(tmp_path: Path) -> None:
    for names in (["v.vec"], ["folder/", "folder/v.vec", "__MACOSX/._v.vec"]):
        with zipfile.ZipFile(tmp_path / "v.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, "" if name.endswith("/") else "the 1 2\nof 3 4\n")
        assert rows_of(read_vectors(tmp_path / "v.zip")) == [["the", 1, 2], ["of", 3, 4]]
        assert outcome("compress", str(tmp_path / "v.zip"), "--codec", "int8",
                       "-o", str(tmp_path / "o.embz")).code == 0  # fmt: skip
    with zipfile.ZipFile(tmp_path / "v.zip", "w") as archive:
        archive.writestr("a.vec", "the 1 2\n")
        archive.writestr("b.vec", "the 1 2\n")
    with pytest.raises(InputError, match="expected a zip archive of one file, found 2: unpack it"):
        read_vectors(tmp_path / "v.zip")
    content = (tmp_path / "v.zip").read_bytes()
    for length in (10, len(content) // 2, len(content) - 3):
        with pytest.raises(InputError, match="cannot be decompressed as zip"):
            read_vectors(stored(tmp_path, content[:length], "cut.zip"))


# --- .npy with words


def test_words_files_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(6, dtype=np.float32).reshape(3, 2))

    def read(words: str, **options: object) -> Vectors:
        path = stored(tmp_path, words, "w.txt")
        return read_vectors(tmp_path / "v.npy", words=path, **options)  # type: ignore[arg-type]

    for words in ("a\nnew york\nc", "a\r\nnew york\r\nc\r\n", "a\nnew york\nc\n\n\n"):
        assert list(read(words).vocabulary) == ["a", "new york", "c"]
    with pytest.raises(InputError, match=r"w\.txt, row 1: .* an empty one.*--skip-bad"):
        read("a\n\nc\n")
    with pytest.warns(UserWarning, match="1 row left out"):
        assert rows_of(read("a\n\nc\n", skip_bad=True)) == [["a", 0, 1], ["c", 4, 5]]
    with pytest.warns(UserWarning, match="1 row left out"):
        assert rows_of(read("a\na\nc\n", duplicates="first")) == [["a", 0, 1], ["c", 4, 5]]
    limited = read("a\nb\nc\n", limit=2)
    assert rows_of(limited) == [["a", 0, 1], ["b", 2, 3]]
    with pytest.raises(MismatchError, match="2 tokens, and 3 rows"):
        read("a\nb\n")


# --- the compiled reader


def large(lines: list[str]) -> str:
    """Return lines often enough that compiled code reads them."""
    return "".join(f"{line}\n" for line in lines) * (1 + (1 << 19) // sum(map(len, lines)))


NUMBERS = [
    "0", "-0", "0.0", "1", "-1.5", "+2.", ".5", "1e5", "1E-5", "-1.25e+10", "123456789.123456789",
    "0.12573022373318672", "1e-38", "1.4e-45", "3.4028234e38", "1e-400",
    "0.00000000000000000000001",
    "12345678901234567890123", "7.006492321624085e-46", "16777217", "9007199254740993",
    "1e22", "1e23",
    "0.1000000014901161193847656250000001", "8.5899345920000001e9",
]  # fmt: skip


def test_numbers_are_those_of_python(tmp_path: Path) -> None:
    lines = [f"w{i} {number} 1" for i, number in enumerate(NUMBERS)]
    text = large(lines)
    count = text.count("\n")
    numbered = "".join(
        f"x{i}{line[line.index(' ') :]}\n" for i, line in enumerate(text.splitlines())
    )
    read = read_vectors(stored(tmp_path, numbered))
    expected = np.array([float(number) for number in NUMBERS]).astype(np.float32)
    assert read.matrix[: len(NUMBERS), 0].tobytes() == expected.tobytes()
    assert read.rows == count
    np.testing.assert_array_equal(read.matrix[:, 0], np.resize(expected, count))


@settings(deadline=None, max_examples=300)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(1, 17))
@example(1.0000000596046448, 17)
def test_compiled_numbers_are_right_or_left_alone(value: float, digits: int) -> None:
    for text in (f"{value:.{digits}g}", f"{value:.{digits}f}", repr(value)):
        line = f"word {text}\n".encode()
        rows = np.zeros((1, 1), np.float32)
        starts, ends, odd = parse(line, 1, 1, False, rows)
        if not odd[0]:
            assert line[starts[0] : ends[0]] == b"word"
            with np.errstate(over="ignore"):
                assert rows[0, 0].tobytes() == np.float32(float(text)).tobytes(), text
        else:
            assert sum(c.isdigit() for c in text) > 15 or "e" in text


LINES = st.lists(
    st.lists(
        st.sampled_from(
            ["a", "b c", "1", "-2.5", "1e5", "nan", "x1", "", " ", "\t", "é", ",", '"q"']
        ),
        max_size=5,
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(LINES, st.sampled_from([" ", "\t", ",", "  "]), st.integers(1, 3), st.booleans())
def test_compiled_and_plain_reading_agree(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[list[str]],
    between: str,
    dim: int,
    crlf: bool,
) -> None:
    """What compiled code does not leave alone, the definition reads alike."""
    from embzip.vectors.dialects import Dialect, row_of

    text = ("\r\n" if crlf else "\n").join(between.join(line) for line in lines).encode()
    parts = text.split(b"\n")
    comma = between == ","
    rows = np.zeros((len(parts), dim), np.float32)
    starts, ends, odd = parse(text, len(parts), dim, comma, rows)
    for line, part in enumerate(parts):
        read = row_of(part, Dialect(dim, None, comma, 0))
        if odd[line]:
            continue
        assert not isinstance(read, str), (part, read)
        assert read[0] == text[starts[line] : ends[line]], part
        assert read[1].tolist() == rows[line].tolist()


# gensim leaves a file without a header open.
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_large_text_is_read_like_gensim(tmp_path: Path, header: bool, packed: bool) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(20_000, 40)).astype(np.float32)
    lines = ["20000 40"] * header
    lines += [f"w{i} " + " ".join(f"{x:.6g}" for x in row) for i, row in enumerate(matrix)]
    text = "\n".join(lines).encode()
    assert len(text) > 6_000_000  # two blocks
    packing = (gzip.compress(text, 1), "v.vec.gz") if packed else (text, "v.vec")
    path = stored(tmp_path, *packing)
    read = read_vectors(path)
    gensim = KeyedVectors.load_word2vec_format(str(path), no_header=not header)
    np.testing.assert_array_equal(read.matrix, gensim.vectors)
    assert list(read.vocabulary) == gensim.index_to_key


def test_reading_takes_little_more_than_the_matrix(tmp_path: Path) -> None:
    row = " ".join(["0.1234"] * 300)
    path = stored(tmp_path, "".join(f"w{i} {row}\n" for i in range(20_000)))
    read_vectors(path, limit=1000)  # loads what is compiled
    tracemalloc.start()
    read = read_vectors(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The growth of an eighth, and some blocks of text.
    assert peak < 1.15 * read.matrix.nbytes + 8 * (1 << 22)


def test_rows_that_grow() -> None:
    table = GrowingRows(3, 0)
    for first in range(0, 100, 10):
        table.room(15)[:] = first
        table.keep(10)
    assert table.finished()[:, 0].tolist() == [
        first for first in range(0, 100, 10) for _ in range(10)
    ]


# --- the command line


@pytest.mark.filterwarnings("default::UserWarning")
def test_options_of_the_command_and_what_it_says(tmp_path: Path) -> None:
    path = stored(tmp_path, "4 1\nthe 1\nof 2\nthe 3\n 4\n")
    small = str(tmp_path / "o.embz")
    refused = outcome("compress", str(path), "--codec", "float32", "-o", small)
    assert (refused.code, refused.stderr.count("\n")) == (1, 1)
    assert "--skip-bad" in refused.stderr
    options = ["--skip-bad", "--duplicates", "first", "--limit", "5", "--json"]
    record = json.loads(stdout_of("compress", path, "--codec", "float32", "-o", small, *options))
    assert record["changed"] == {"bad_rows": 1, "duplicates": 1}
    assert record["rows"] == 2
    wrong = outcome("compress", small, "--codec", "int8", "--skip-bad", "-o", small + "2.embz")
    assert (wrong.code, "--skip-bad does not go with a .embz file" in wrong.stderr) == (2, True)
