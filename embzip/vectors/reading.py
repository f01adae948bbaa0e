"""Reads tokens and float32 rows from foreign files, plain or compressed, told by their content.

A text file has a `rows dim` header, which GloVe leaves out, then one line
`token number number ...` per row. A binary word2vec file has the same header, then for each row the
token, a space, and `dim` little-endian float32. A .npy file contains only numbers; its tokens are
in a separate words file.

Every file is treated as damaged or hostile: nothing is unpickled, nothing is allocated for what a
header merely declares, and no row is skipped unless that is accepted. Duplicate tokens are checked
in `base`. Messages count rows from 0 and lines from 1.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from embzip.choices import chosen
from embzip.errors import InputError
from embzip.files.reading import existing_file
from embzip.files.streams import bounded, compression_of
from embzip.vectors.binary_rows import read_binary
from embzip.vectors.changes import Accepted, Changes
from embzip.vectors.npy import read_npy
from embzip.vectors.recognizing import format_of
from embzip.vectors.text_rows import read_text

Format = Literal["auto", "text", "binary", "npy"]

_HEAD = 1 << 16  # bytes that tell the format


@dataclass(frozen=True, eq=False)
class Rows:
    """What a file of vectors holds.

    Attributes
    ----------
    tokens
        The token of each row.
    matrix
        (rows, dim); float32, or, of a .npy file, memory-mapped in the dtype that it has.
    changes
        What was left out or changed.
    """

    tokens: list[str]
    matrix: NDArray[np.floating]
    changes: Changes = field(default_factory=Changes)


def read_rows(
    path: str | Path,
    *,
    words: str | Path | None = None,
    format: Format = "auto",
    accepted: Accepted | None = None,
) -> Rows:
    """Return the tokens of a vector file and its matrix.

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
    accepted = accepted or Accepted()
    path = existing_file(path)
    with _opened(path) as (file, size):
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
    if words is not None:
        if size is None:
            kind = compression_of(path.read_bytes()[:16])
            raise InputError(f"{path}: a .npy file is not read compressed: use `{kind} -d` first")
        with path.open("rb") as file:
            return Rows(*read_npy(path, file, words, accepted))
    way = read_binary if "binary" in (looks, format) else read_text
    with _opened(path) as (file, size):
        return Rows(*way(path, file, size, accepted))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open a file, decompressed; its size is None where it is compressed."""
    with path.open("rb") as file:
        kind = compression_of(file.read(16))
    with bounded(path) as file:
        yield file, path.stat().st_size if kind is None else None
