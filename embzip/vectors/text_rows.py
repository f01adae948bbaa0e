"""Reads the rows of vectors in text, a block of lines at a time.

What a row is, `dialects.row_of` says; `decimals` reads plain ones by compiled code, and leaves all
others to it.
"""

from pathlib import Path
from typing import IO

import numpy as np

from embzip.errors import InputError
from embzip.types import Matrix
from embzip.vectors.changes import Accepted, Changes
from embzip.vectors.dialects import Dialect, dialect_of, row_of
from embzip.vectors.row_files import RowFile

BLOCK = 1 << 20  # bytes read at a time
_LONGEST = 1 << 24  # bytes of a line
_SMALL = 1 << 18  # bytes; less is read before compiled code is loaded


def read_text(
    path: Path, file: IO[bytes], size: int | None, accepted: Accepted
) -> tuple[list[str], Matrix, Changes]:
    """Return the tokens, the rows and what was left out of a text file.

    Parameters
    ----------
    file
        Its bytes, from the start.
    size
        How many there are; None if that is not known.

    Raises
    ------
    InputError
        For a row or a header that is not accepted. The message names the row.
    """
    head = file.read(BLOCK)
    dialect = dialect_of(path, head)
    if dialect.dim < 1:
        dialect = Dialect(1, dialect.rows, dialect.comma, dialect.start)  # no row has a number
    reader = _Reader(path, dialect, size, accepted)
    rest = head[dialect.start :]
    while not reader.full:
        end = rest.rfind(b"\n") + 1
        if end:
            reader.add(rest[:end])
            rest = rest[end:]
        elif len(rest) > _LONGEST:
            raise InputError(
                f"{path}, row {reader.row}: a row of vectors must end within {_LONGEST >> 20} MB, "
                "and this one does not: if the file is binary, pass --format binary "
                "(format='binary')"
            )
        block = file.read(BLOCK)
        if not block:
            if rest and not reader.full:
                reader.ends = True
                reader.add(rest)
            break
        rest += block
    return reader.finished()


class _Reader:
    """Rows read so far."""

    def __init__(self, path: Path, dialect: Dialect, size: int | None, accepted: Accepted) -> None:
        self._path, self._dialect = path, dialect
        least = 2 * dialect.dim  # bytes of a row
        self._file = RowFile.of(path, dialect.rows, dialect.dim, accepted, size, least)
        self._gathered, self._rows = self._file.gathered, self._file.rows
        self.row = 0  # that comes next, those left out counted
        self.ends = False  # whether the last line is read, which has no end
        self._blanks = 0  # lines before it of which is not known whether a row follows

    @property
    def full(self) -> bool:
        return self._gathered.full

    def add(self, text: bytes) -> None:
        """Read a block of whole lines."""
        if not text.strip():
            self._blanks += text.count(b"\n")
            return
        while self._blanks:
            self._blanks -= 1
            self._bad("an empty token")
        end = len(text.rstrip())
        blanks = text.count(b"\n", end) - 1
        if blanks > 0:
            text = text[:end] + b"\n"
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
        if not text.endswith(b"\n"):
            ends = np.append(ends, len(text))
        at = 0
        while at < len(ends) and not self.full:
            stop, start = self._most(len(ends) - at), int(ends[at - 1]) if at else 0
            self._read(text[start : ends[at + stop - 1]], stop)
            at += stop
        self._blanks = max(0, blanks)

    def _most(self, lines: int) -> int:
        """Return how many of the next lines are read: not more than there are rows to be read."""
        limit = self._gathered.accepted.limit
        return lines if limit is None else min(lines, limit - self._rows.rows)

    def _read(self, text: bytes, lines: int) -> None:
        dialect, first = self._dialect, self.row
        rows = self._rows.room(lines)
        if len(text) < _SMALL:
            tokens, odd = [b""] * lines, np.ones(lines, bool)
        else:
            from embzip.vectors.decimals import parse  # imported here: it loads numba

            starts, ends, odd = parse(text, lines, dialect.dim, dialect.comma, rows)
            tokens = [text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        if odd.any():
            split, good = text.split(b"\n", lines), np.ones(lines, bool)
            for line in np.flatnonzero(odd).tolist():
                read = row_of(split[line], dialect)
                if isinstance(read, str):
                    good[line] = False
                    self.row = first + line
                    self._bad(read)
                else:
                    tokens[line], rows[line] = read
            if not good.all():
                tokens = [token for token, kept in zip(tokens, good, strict=True) if kept]
                rows[: len(tokens)] = rows[good]
        self._keep(tokens, rows, first)
        self.row = first + lines
        self._check_number(self.row)

    def _keep(self, tokens: list[bytes], rows: Matrix, first: int) -> None:
        kept = self._gathered.add_all(tokens, lambda i: self._where(first + i))
        if kept is None:
            self._rows.keep(len(tokens))
            return
        rows[: sum(kept)] = rows[: len(kept)][np.array(kept, bool)]
        self._rows.keep(sum(kept))

    def _check_number(self, rows: int) -> None:
        """Refuse more rows than the header declares, unless that is accepted."""
        declared, skip = self._dialect.rows, self._gathered.accepted.skip_bad
        if declared is not None and rows > declared and not (skip or self.full):
            raise InputError(
                f"{self._where(declared)}: the header declares {declared} rows, found more: "
                "correct the header, or pass --skip-bad (skip_bad=True) to take all"
            )

    def _bad(self, found: str) -> None:
        self._check_number(self.row + 1)
        if self.ends:
            found += ", where the file ends: it may be cut short"
        expected = f"a token and {self._dialect.dim} numbers"
        self._gathered.bad(self._where(self.row), found, expected)
        self.row += 1

    def _where(self, row: int) -> str:
        return f"{self._path}, row {row} (line {row + self._dialect.first_line})"

    def finished(self) -> tuple[list[str], Matrix, Changes]:
        gathered, declared = self._gathered, self._dialect.rows
        if declared is not None and not gathered.full:
            if self.row < declared and not gathered.accepted.skip_bad:
                raise self._file.cut_short(self.row)
            gathered.changes.declared = declared - self.row
        return self._file.finished()
