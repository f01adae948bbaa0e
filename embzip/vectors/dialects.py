"""How a text file of vectors is written: header, separator, how many numbers a row has.

A token is all that stands before the last `dim` fields of its line. Fields end at blanks and tabs,
or at commas where the lines have nothing else. Where no header says it, `dim` is the number of
fields that most of the first hundred lines share, less one.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embzip.errors import InputError
from embzip.types import Matrix
from embzip.vectors.recognizing import BOM, NUMBER
from embzip.vectors.row_files import check_header

LOOKED_AT = 100  # lines
_HEADER = re.compile(rb"[ \t]*(-?\d{1,40})[ \t]*[ \t,][ \t]*(-?\d{1,40})[ \t]*(?:\r?\n|\Z)")
_DECIMAL_COMMA = re.compile(rb"[+-]?\d+,\d+([eE][+-]?\d+)?")
_FRACTION = re.compile(rb"[+-]?\d*\.\d+([eE][+-]?\d+)?|[+-]?\d+[eE][+-]?\d+")


@dataclass(frozen=True)
class Dialect:
    """How the rows of a text file are written.

    Attributes
    ----------
    dim
        Numbers a row.
    rows
        How many there are, by the header; None without one.
    comma
        Whether fields end at commas.
    start
        Where the first row begins, in bytes.
    """

    dim: int
    rows: int | None
    comma: bool
    start: int

    @property
    def first_line(self) -> int:
        """The number of the line in which the first row stands."""
        return 1 if self.rows is None else 2


def dialect_of(path: Path, head: bytes) -> Dialect:
    """Return how the rows of a file are written, by its first lines.

    Raises
    ------
    InputError
        For a header without rows or numbers, rows that all have another number of fields than it
        says, and numbers with a decimal comma.
    """
    start = len(BOM) if head.startswith(BOM) else 0
    header = _HEADER.match(head, start)
    rows = dim = None
    if header is not None:
        rows, dim = int(header[1]), int(header[2])
        start = header.end()
        check_header(path, rows, dim)
    lines = [line for line in head[start:].split(b"\n")[:LOOKED_AT] if line.strip()]
    comma = _has_commas(path, lines)
    counts = Counter(len(fields_of(line, comma)) - 1 for line in lines)
    usual = counts.most_common(1)[0][0] if counts else 0
    if dim is None:
        dim = usual
    elif usual > 0 and _is_wrong(dim, usual, lines, comma):
        raise InputError(
            f"{path}, line 1: the header declares {dim} numbers a row, and most rows have {usual}: "
            "correct the header"
        )
    return Dialect(dim, rows, comma, start)


def _is_wrong(dim: int, usual: int, lines: Sequence[bytes], comma: bool) -> bool:
    """Say whether most rows have another number of numbers than a header declares."""
    fields = [fields_of(line, comma) for line in lines]
    wrong = sum(
        len(each) == usual + 1 and (usual < dim or _FRACTION.fullmatch(each[-dim - 1]) is not None)
        for each in fields
    )
    return len(lines) > 1 and usual != dim and 2 * wrong > len(lines)


def fields_of(line: bytes, comma: bool, most: int = -1) -> list[bytes]:
    """Return the fields of a line; with `most`, the last so many, and what stands before them.

    >>> fields_of(b"new york 1 2\\n", False, 2), fields_of(b",,1,2\\n", True, 2)
    ([b'new york', b'1', b'2'], [b',', b'1', b'2'])
    """
    if not comma:
        return line.rsplit(None, most)
    return [field.strip() for field in line.rstrip().rsplit(b",", most)]


def row_of(line: bytes, dialect: Dialect) -> tuple[bytes, Matrix] | str:
    """Return the token and the numbers of a line, or what is wrong with it."""
    dim, comma = dialect.dim, dialect.comma
    fields = fields_of(line, comma, dim)
    numeric = [NUMBER.fullmatch(field) is not None for field in fields]
    if not line.strip():
        return "an empty token"
    if len(fields) <= dim:
        return "an empty token" if len(fields) == dim > 0 and all(numeric) else _few(fields)
    token, *numbers = fields
    if not all(numeric[1:]):
        wrong = numbers[numeric[1:].index(False)]
        if comma is False and len(line.split()) <= dim:
            return _few(line.split())
        return f"{wrong[:40].decode('utf-8', 'replace')!r} instead of a number"
    quoted = comma and len(token) > 1 and token[:1] == token[-1:] == b'"'
    if quoted:
        token = token[1:-1].replace(b'""', b'"')
    if not token.strip():
        return "an empty token"
    # Within a token that a tab ends are blanks no ends of fields.
    whole = quoted or (not comma and b"\t" not in token and _behind(line, token) == b"\t")
    parts = [token] if whole else token.split(b"," if comma else None)
    extra = next((i for i, part in enumerate(parts) if i and _FRACTION.fullmatch(part)), None)
    if extra is not None and _FRACTION.fullmatch(parts[-1]):
        word = token[: token.index(parts[extra])].strip(b" \t,")[:40].decode("utf-8", "replace")
        return f"{dim + len(parts) - extra} numbers after {word!r}"
    with np.errstate(over="ignore"):
        row = np.array([float(number) for number in numbers]).astype(np.float32)
    finite = np.isfinite(row)
    if not finite.all():
        column = int(np.argmin(finite))
        name = token[:40].decode("utf-8", "replace")
        return f"{row[column]} in column {column} of {name!r}, where numbers must be finite"
    return token, row


def _behind(line: bytes, token: bytes) -> bytes:
    """Return the byte that ends the token of a line."""
    end = line.index(token) + len(token)
    return line[end : end + 1]


def _few(fields: Sequence[bytes]) -> str:
    return f"{max(0, len(fields) - 1)} numbers"


def _has_commas(path: Path, lines: Sequence[bytes]) -> bool:
    """Say whether fields end at commas."""
    # Two numbers between commas, with blanks beside them or not, are no fields of anything else.
    pairs = [fields_of(line, True, 2)[1:] for line in lines]
    if 2 * sum(len(p) == 2 and all(map(NUMBER.fullmatch, p)) for p in pairs) > len(lines):
        return True
    last = [line.split()[-1] for line in lines]
    blank = sum(NUMBER.fullmatch(field) is not None for field in last)
    if 2 * blank >= len(lines):
        return False
    decimal = sum(
        _DECIMAL_COMMA.fullmatch(field) is not None and len(line.split()) > 2
        for field, line in zip(last, lines, strict=True)
    )
    if 2 * decimal > len(lines):
        raise InputError(
            f"{path}: expected numbers with a decimal point, found a decimal comma, such as "
            f"{last[0][:40].decode('utf-8', 'replace')!r}: replace the commas by points, such as "
            f"by `tr , . < {path}`"
        )
    return 2 * sum(NUMBER.fullmatch(line.rsplit(b",", 1)[-1].strip()) is not None and b"," in line
                   for line in lines) > len(lines)  # fmt: skip
