"""Reads the rows of word2vec binary: a token, a space, `dim` little-endian float32.

The C program ends each row with a line feed, and there a token may hold spaces: it ends at the
first one behind which the numbers of its row end with that line feed. gensim writes none, and there
a token ends at its first space.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from embzip.errors import InputError
from embzip.types import Matrix
from embzip.vectors.changes import Accepted, Changes, Gathered
from embzip.vectors.recognizing import HEADER, LONGEST_WORD
from embzip.vectors.row_files import RowFile, check_header

_BLOCK = 1 << 20  # bytes read at a time


def read_binary(
    path: Path, file: IO[bytes], size: int | None, accepted: Accepted
) -> tuple[list[str], Matrix, Changes]:
    """Return the tokens, the rows and what was left out of a binary file.

    Parameters
    ----------
    file
        Its bytes, from the start.
    size
        How many there are; None if that is not known.

    Raises
    ------
    InputError
        For a file without a header, that is cut short or too long, or a token that is not accepted.
        The message names the row.
    """
    buffer = file.read(_BLOCK)
    header = HEADER.match(buffer)
    if header is None:
        raise InputError(
            f"{path}, line 1: binary vectors begin with a header `rows dim`, but this file does "
            "not: if it is text, pass --format text (format='text')"
        )
    rows, dim = int(header[1]), int(header[2])
    check_header(path, rows, dim)
    width, at, row, more = 4 * dim, header.end(), 0, True
    reading = RowFile.of(path, rows, dim, accepted, size, width + 2)
    gathered, table = reading.gathered, reading.rows
    ended = False  # whether rows end with a line feed
    while row < rows and not gathered.full:
        if more and len(buffer) - at < LONGEST_WORD + 2 * width + 2:
            block = file.read(_BLOCK)
            more = bool(block)
            buffer, at = buffer[at:] + block, 0
            if more:
                continue
        space = _end_of_token(buffer, at, width, ended, first=row == 0, last=row == rows - 1)
        if space - at > LONGEST_WORD or (space < 0 and len(buffer) - at > LONGEST_WORD):
            raise InputError(
                f"{path}, row {row}: a token of binary vectors must end within {LONGEST_WORD:,} "
                "bytes, and this one does not: if the file is text, pass --format text "
                "(format='text')"
            )
        if space < 0 or len(buffer) < space + 1 + width:
            if accepted.skip_bad and gathered.tokens:
                break
            raise reading.cut_short(row)
        token, where = buffer[at:space].removeprefix(b"\n"), f"{path}, row {row}"
        numbers = np.frombuffer(buffer, "<f4", dim, space + 1)
        at = space + 1 + width
        ended = buffer[at : at + 1] == b"\n" and (ended or row == 0)
        row += 1
        found = _wrong(token, ended)
        if not found and not np.isfinite(numbers).all():
            column = int(np.argmin(np.isfinite(numbers)))
            name = repr(token.decode("utf-8", "replace"))
            found = f"{numbers[column]} in column {column} of {name}, where numbers must be finite"
        if found:
            gathered.bad(where, found, "a token without white space and finite numbers")
        elif gathered.add(token, lambda: where):  # noqa: B023  # called at once
            table.room(1)[0] = numbers
            table.keep(1)
    if not gathered.full:
        _check_end(path, buffer[at:] + file.read(2), (rows, row), gathered)
    return reading.finished()


def _end_of_token(
    buffer: bytes, at: int, width: int, ended: bool, *, first: bool, last: bool
) -> int:
    """Return where a token ends; -1 if it does not end within the buffer.

    Of the first row it is not known yet whether rows end with a line feed. Numbers may look like
    text, so that then the second row has to end with one too.
    """
    nearest = buffer.find(b" ", at, at + LONGEST_WORD + 2)
    for space in _spaces_before_feeds(buffer, at, width, last=last) if ended or first else ():
        after = space + 2 + width
        if ended or (
            _is_token(buffer[at:space])
            and (last or any(_spaces_before_feeds(buffer, after, width, last=True)))
        ):
            return space
    return nearest


def _spaces_before_feeds(buffer: bytes, at: int, width: int, *, last: bool) -> Iterator[int]:
    """Yield the spaces behind which a row of numbers and a line feed follow.

    Behind the last row there may be nothing.
    """
    space = buffer.find(b" ", at, at + LONGEST_WORD + 2)
    while space >= 0:
        behind = buffer[space + 1 + width : space + 2 + width]
        if behind == b"\n" or (last and not behind):
            yield space
        if b"\n" in buffer[at + 1 : space]:
            return  # the next row: this one has no line feed behind it
        space = buffer.find(b" ", space + 1, at + LONGEST_WORD + 2)


def _is_token(token: bytes) -> bool:
    """Say whether bytes are printable text."""
    try:
        return token.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _wrong(token: bytes, spaces: bool) -> str:
    """Return what is wrong with a token; nothing if it may stand."""
    shown = repr(token[:80].decode("utf-8", "replace"))
    parts = token.split()
    if not parts:
        return "an empty one"
    if token.strip() != token or (b" ".join(parts) != token if spaces else len(parts) != 1):
        return shown
    return ""


def _check_end(path: Path, left: bytes, counts: tuple[int, int], gathered: Gathered) -> None:
    """Refuse bytes behind the last row, or rows that are missing, unless that is accepted."""
    rows, row = counts
    gathered.changes.declared = rows - row
    if left not in (b"", b"\n") and row == rows:
        if not gathered.accepted.skip_bad:
            raise InputError(
                f"{path}: the header declares {rows} rows, but more bytes follow the last row: "
                "correct the header, or a token that contains a space, or pass --skip-bad "
                "(skip_bad=True) to take the rows that it declares"
            )
        gathered.changes.bad_rows += 1
        gathered.changes.first = gathered.changes.first or f"row {row} (bytes behind the last row)"
