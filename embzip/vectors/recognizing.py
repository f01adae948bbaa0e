"""Tells text, binary and .npy vectors by their first bytes, and what is none of them."""

import re
from pathlib import Path
from typing import Literal, cast

from embzip.errors import InputError
from embzip.files.signatures import is_text, signature_of

LONGEST_WORD = 10_000  # bytes; a longer token means that the file is of another format
HEADER = re.compile(rb"[ \t]*(-?\d{1,40})[ \t]+(-?\d{1,40})[ \t]*\r?\n")
_NUMERIC = b"0123456789+-.eEnaifNAIFTYty \t\r\n"  # all characters of a row's numbers
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.I)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# Of what the first bytes say, what may be vectors; they are of a compressed file's content.
_READ = ("vectors", "text", "labelled", "json", "unknown")
BOM = b"\xef\xbb\xbf"


_OWN = ("npy", "npz", "safetensors", "fasttext")
_Kind = Literal["text", "binary", "npy", "npz", "safetensors", "fasttext"]


def format_of(path: Path, head: bytes) -> _Kind | None:
    """Return the format that a file's first bytes suggest; None for text or binary.

    Raises
    ------
    InputError
        For a file that is empty, or of a kind that holds no vectors; the message names the kind.
    """
    if not head.strip():
        raise InputError(f"{path}: expected vectors, found " + ("blanks" if head else "no bytes"))
    found = signature_of(path, head)
    if found.kind in _OWN:
        return cast(_Kind, found.kind)
    if found.kind == "embz":
        raise InputError(
            f"{path}: expected foreign vectors, found a .embz file, or one that was compressed: "
            "decompress it first, and read it with embzip.load"
        )
    if found.kind not in _READ:
        raise InputError(f"{path}: expected vectors, found {found}")
    header = HEADER.match(head, len(BOM) if head.startswith(BOM) else 0)
    row = head[header.end() :] if header else head
    numbers = row.partition(b" ")[2]
    line = numbers.partition(b"\n")[0]
    fields = line.split()
    numeric = header and len(fields) == int(header[2]) and all(map(NUMBER.fullmatch, fields))
    text = numeric or is_text(head)
    if header and not text and _has_binary_rows(head, header.end(), 4 * int(header[2])):
        return "binary"
    if line.strip() and not line.strip(_NUMERIC):
        return "text"
    width = max(4 * int(header[2]), 0) if header else len(line)
    return "binary" if _CONTROL.search(numbers[: min(width, len(numbers))]) else None


def _has_binary_rows(head: bytes, at: int, width: int) -> bool:
    """Say whether tokens stand where binary rows of so many bytes have them, as far as one sees."""
    rows = 0
    while width > 0 and (space := head.find(b" ", at)) >= 0 and space + width < len(head):
        token = head[at:space].removeprefix(b"\n")
        if len(token) > LONGEST_WORD or _CONTROL.search(token) or token.split() != [token]:
            return False
        at = space + 1 + width
        rows += 1
    return rows > 0
