"""Reads tokens and float32 rows from foreign files: word2vec, GloVe, fastText, .npy.

A text file has a `rows dim` header, which GloVe leaves out, then one line
`token number number ...` per row. A binary word2vec file has the same header, then for each row the
token, a space, and `dim` little-endian float32. A .npy file contains only numbers; its tokens are
in a separate words file.

Every file is treated as damaged or hostile: nothing is unpickled, the sizes that a header declares
are compared with the size of the file, and no row is ever skipped. Numbers that are not finite and
duplicate tokens are checked in `base`. Messages count rows from 0 and lines from 1.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal, NamedTuple, NoReturn, cast, get_args

import numpy as np
from numpy.typing import NDArray

from embzip.choices import chosen
from embzip.errors import InputError
from embzip.files.reading import existing_file
from embzip.files.streams import compression_of, expanded
from embzip.types import Matrix
from embzip.vectors.npy import read_npy
from embzip.vectors.recognizing import BOM, HEADER, LONGEST_WORD, NUMBER, format_of

Format = Literal["auto", "text", "binary", "npy"]

_BLOCK = 1 << 22  # bytes parsed at a time
_HEAD = 1 << 16  # bytes that tell the format


class _Source(NamedTuple):
    """An open file and what its header declares."""

    path: Path
    file: IO[bytes]
    size: int  # bytes
    start: int  # bytes before the first row
    rows: int | None  # None without a header
    dim: int


def read_rows(
    path: str | Path, *, words: str | Path | None = None, format: Format = "auto"
) -> tuple[list[str], NDArray[np.floating]]:
    """Return the tokens of a vector file and its matrix, (rows, dim).

    Text and binary files give float32; a .npy file is memory-mapped and keeps its dtype.

    Raises
    ------
    MissingFileError
        If a file does not exist or is a directory.
    InputError
        For an incomplete or invalid file. The message names the row.
    MismatchError
        If a .npy file has another number of rows than its words file has tokens.
    """
    format = cast(Format, chosen(format, get_args(Format), "format"))
    path = existing_file(path)
    with path.open("rb") as file:
        kind = compression_of(file.read(_HEAD))
    with path.open("rb") if kind is None else expanded(path, kind) as file:
        head = file.read(_HEAD)
        looks = format_of(path, head)
        if looks is not None and format not in ("auto", looks):
            raise InputError(
                f"{path}: expected vectors as {format}, found {looks}: pass "
                f"--format {looks} (format={looks!r})"
            )
        if (words is not None) != (looks == "npy"):
            raise InputError(
                f"{path}: a .npy file contains no tokens: pass --words FILE (words=), with one "
                "token per line"
                if words is None
                else f"{path}: --words (words=) is for .npy files only; {looks or 'text'} vectors "
                "contain their tokens: leave it out"
            )
        if words is not None and kind is not None:
            raise InputError(f"{path}: a .npy file is not read compressed: use `{kind} -d` first")
        if words is not None:
            return read_npy(path, file, words)
        size = os.fstat(file.fileno()).st_size
        start = len(BOM) if head.startswith(BOM) else 0
        header = HEADER.match(head, start)
        if header is None:
            file.seek(start)
            dim = len(file.readline().split()) - 1
            source = _Source(path, file, size, start, None, dim)
        else:
            rows, dim = int(header[1]), int(header[2])
            source = _Source(path, file, size, header.end(), rows, dim)
            if rows < 1 or dim < 1:
                raise InputError(
                    f"{path}, line 1: expected a header with at least 1 row and 1 dimension, "
                    f"found {header[0].decode().strip()!r}"
                )
            if 2 * dim > source.size:  # a number takes two bytes at least
                raise _cut_short(source, 0)
        if "binary" in (looks, format):
            return _read_binary(source)
        return _read_text(source)


def _cut_short(source: _Source, row: int) -> InputError:
    least = (source.rows or 0) * source.dim
    return InputError(
        f"{source.path}: the file is cut short: its header declares {source.rows} rows of "
        f"{source.dim} numbers ({least:,} numbers in a file of {source.size:,} bytes), but it "
        f"ends in row {row}: obtain it again"
    )


def _decode(source: _Source, row: int, word: bytes) -> str:
    if len(word.split()) != 1 or word.split()[0] != word:
        raise InputError(
            f"{source.path}, row {row}: expected a token without white space, found "
            + (repr(word[:80].decode("utf-8", "replace")) if word else "an empty one")
            + ": rename it, or remove the row"
        )
    try:
        return word.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source.path}, row {row}: expected a token in UTF-8, found {word[:80]!r}: "
            "write the vectors again in UTF-8"
        ) from error


def _read_binary(source: _Source) -> tuple[list[str], Matrix]:
    path, file, size, start, rows, dim = source
    if rows is None:
        raise InputError(
            f"{path}, line 1: binary vectors begin with a header `rows dim`, but this file does "
            "not: if it is text, pass --format text (format='text')"
        )
    width = 4 * dim
    file.seek(start)
    tokens: list[str] = []
    # A row takes at least a byte of token and a space, so the size of the file bounds the memory.
    matrix = np.empty((min(rows, (size - start) // (width + 2)), dim), np.float32)
    buffer, at = b"", 0
    for row in range(rows):
        space = buffer.find(b" ", at)
        if space < 0 or len(buffer) < space + 1 + width:
            left = size - file.tell()
            buffer = buffer[at:] + file.read(min(max(_BLOCK, width + LONGEST_WORD), left))
            at = 0
            space = buffer.find(b" ")
        if space - at > LONGEST_WORD or (space < 0 and len(buffer) - at > LONGEST_WORD):
            raise InputError(
                f"{path}, row {row}: a token of binary vectors must end within {LONGEST_WORD:,} "
                "bytes, and this one does not: if the file is text, pass --format text "
                "(format='text')"
            )
        if space < 0 or len(buffer) < space + 1 + width or row >= len(matrix):
            raise _cut_short(source, row)
        # The C program ends each row with a line feed, gensim does not.
        tokens.append(_decode(source, row, buffer[at:space].removeprefix(b"\n")))
        matrix[row] = np.frombuffer(buffer, "<f4", dim, space + 1)
        at = space + 1 + width
    trailing = len(buffer) - at + size - file.tell()
    if trailing > 1 or buffer[at:] + file.read(1) not in (b"", b"\n"):
        raise InputError(
            f"{path}: the header declares {rows} rows of {dim} numbers, but {trailing:,} bytes "
            "follow the last row: correct the header, or a token that contains a space"
        )
    return tokens, matrix


def _read_text(source: _Source) -> tuple[list[str], Matrix]:
    _, file, size, start, rows, dim = source
    if rows is None:
        file.seek(start)
        rows = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_BLOCK), b"")) + 1
    file.seek(start)
    tokens: list[str] = []
    # A row takes at least 2 bytes plus 2 per number, so the size of the file bounds the memory.
    capacity = (size - start) // (2 * dim + 2) if dim > 0 else 0
    matrix = np.empty((min(rows, capacity), max(dim, 0)), np.float32)
    while lines := file.readlines(_BLOCK):
        first = len(tokens)
        lines = _without_blank_end(file, lines)
        if not lines:
            break
        pairs = [line.partition(b" ") for line in lines]
        numbers = [rest for _, _, rest in pairs]
        # loadtxt would skip blank rows; a row without a token is shorter than any valid one.
        blank = any(not word.strip() or not rest.strip() for word, _, rest in pairs)
        if blank or dim < 1 or not lines[-1].endswith(b"\n") or first + len(lines) > rows:
            _explain(source, first, lines)
        try:
            block = np.loadtxt(numbers, np.float32, comments=None, ndmin=2)
        except ValueError:
            _explain(source, first, lines)
        if block.shape != (len(lines), dim):
            _explain(source, first, lines)
        matrix[first : first + len(lines)] = block
        tokens.extend(_decode(source, first + i, pair[0]) for i, pair in enumerate(pairs))
    if source.rows is not None and len(tokens) < source.rows:
        raise _cut_short(source, len(tokens))
    return tokens, matrix[: len(tokens)]


def _without_blank_end(file: IO[bytes], lines: list[bytes]) -> list[bytes]:
    """Return lines without the blank ones at their end, if nothing else follows in the file."""
    left = len(lines)
    while left and not lines[left - 1].strip():
        left -= 1
    if left == len(lines) or any(block.strip() for block in iter(lambda: file.read(_BLOCK), b"")):
        return lines  # a blank line within is refused as a row
    return lines[:left]


def _explain(source: _Source, first: int, lines: Sequence[bytes]) -> NoReturn:
    """Find the first invalid row, which takes time, and raise an error that says what is wrong."""
    dim = source.dim
    for row, line in enumerate(lines, start=first):
        where = f"{source.path}, row {row} (line {row + 1 + (source.rows is not None)})"
        if source.rows is not None and row >= source.rows:
            raise InputError(
                f"{where}: the header declares {source.rows} rows, found more: correct the header"
            )
        word, _, rest = line.partition(b" ")
        fields = rest.split()
        wrong = next((field for field in fields if not NUMBER.fullmatch(field)), None)
        if not word.strip():
            found = "an empty token"
        elif len(fields) > dim:
            found = (
                f"{len(fields)} fields after {word[:40].decode('utf-8', 'replace')!r}: a token "
                "must not contain a space"
            )
        elif wrong is not None:
            found = f"{wrong[:40].decode('utf-8', 'replace')!r} instead of a number"
        elif len(fields) < max(dim, 1):
            found = f"{len(fields)} numbers"
        elif not line.endswith(b"\n"):
            found = "no line end"
        else:
            continue
        raise InputError(
            f"{where}: expected a token, a space and {max(dim, 1)} numbers, found {found}"
            + ("" if line.endswith(b"\n") else _unfinished(source, row))
        )
    raise InputError(f"{source.path}, row {first} or later: a number cannot be read")


def _unfinished(source: _Source, row: int) -> str:
    of = "" if source.rows is None else f" of {source.rows}"
    return (
        f". The file ends in row {row}{of}: it is cut short, so obtain it again; or, if it is "
        "complete, add a line end"
    )
