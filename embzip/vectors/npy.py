"""Reads vectors from a .npy file, memory-mapped, and their tokens from a text file beside it.

The header must match an exact pattern and the size of the file before anything is mapped. Arrays of
Python objects, which are pickles, are refused without loading them.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from embzip.corpus import read_texts
from embzip.errors import InputError, MismatchError
from embzip.files.signatures import NPY
from embzip.vectors.changes import Accepted, Changes, Gathered

_HEADER = re.compile(
    rb"\{'descr': '([<>]f[248])', 'fortran_order': (True|False), "
    rb"'shape': \((\d{1,40}), (\d{1,40})\),? *\}\s*"
)


def read_npy(
    path: Path, file: IO[bytes], words: str | Path, accepted: Accepted
) -> tuple[list[str], NDArray[np.floating], Changes]:
    """Return the tokens and the memory-mapped matrix, (rows, dim), in the dtype of the file.

    Where rows are left out, the matrix is a copy in memory.

    Raises
    ------
    InputError
        Unless the file is a complete array of floats in 2 dimensions.
    MismatchError
        If there are not as many tokens as rows.
    """
    file.seek(len(NPY))
    version = file.read(2)
    if version not in (b"\1\0", b"\2\0", b"\3\0"):
        raise InputError(
            f"{path}: expected version 1.0, 2.0 or 3.0 of the .npy format, found "
            f"{'.'.join(map(str, version))}: save it again with np.save"
        )
    wide = version != b"\1\0"  # version 1 has a header length of 2 bytes, later ones of 4
    length = int.from_bytes(file.read(4 if wide else 2), "little")
    text = file.read(min(length, 10_000))
    header = _HEADER.fullmatch(text)
    if b"'|O'" in text:
        raise InputError(
            f"{path}: this .npy file contains Python objects, as a pickle, which can run any code "
            "when it is loaded: save plain numbers with np.save(path, matrix.astype('float32'))"
        )
    if header is None:
        raise InputError(
            f"{path}: expected a .npy file of float16, float32 or float64 in 2 dimensions, found "
            f"{text[:120].decode('latin-1')!r}: save np.float32 of shape (rows, dim)"
        )
    dtype = np.dtype(header[1].decode())
    rows, dim = int(header[3]), int(header[4])
    offset = file.tell()
    size = path.stat().st_size
    if rows < 1 or dim < 1:
        raise InputError(f"{path}: expected at least 1 row and 1 dimension, found ({rows}, {dim})")
    expected = offset + rows * dim * dtype.itemsize
    if size < expected:
        raise InputError(
            f"{path}: expected {rows} rows of {dim} numbers, but the file is cut short: it ends in "
            f"row {(size - offset) // (dim * dtype.itemsize)}: obtain it again"
        )
    if size > expected:
        raise InputError(
            f"{path}: expected {rows} rows, found {size - expected:,} more bytes: the header is "
            "wrong, or the file contains several arrays; save one array with np.save"
        )
    order: Literal["F", "C"] = "F" if header[2] == b"True" else "C"
    matrix = np.memmap(path, dtype, "r", offset, (rows, dim), order)
    return with_words(path, matrix, words, accepted)


def with_words(
    path: Path, matrix: NDArray[np.floating], words: str | Path, accepted: Accepted
) -> tuple[list[str], NDArray[np.floating], Changes]:
    """Return the tokens of a words file and those of the rows that are accepted.

    Raises
    ------
    InputError
        For an empty line, unless bad rows are skipped; lines at the end of the file are no rows.
    MismatchError
        If there are not as many tokens as rows.
    """
    lines = list(read_texts(words, errors=accepted.errors))
    while len(lines) > len(matrix) and not lines[-1].strip():
        del lines[-1]
    if len(lines) != len(matrix):
        raise MismatchError(
            f"{words} must have one token per row, one per line in the order of the rows: found "
            f"{len(lines)} tokens, and {len(matrix)} rows in {path}"
        )
    return chosen_rows(str(words), lines, matrix, accepted)


def chosen_rows(
    where: str, tokens: Sequence[str], matrix: NDArray[np.floating], accepted: Accepted
) -> tuple[list[str], NDArray[np.floating], Changes]:
    """Return the tokens and the rows that are accepted, and what was left out."""
    gathered, kept = Gathered(accepted), []
    for row, token in enumerate(tokens):
        if gathered.full:
            break
        if not token.strip():
            gathered.bad(f"{where}, row {row}", "an empty one", "a token")
        elif gathered.take(token):
            kept.append(row)
    if not kept:
        raise InputError(f"{where}: expected tokens, found none that can be read")
    if len(kept) < len(tokens):
        in_front = kept[-1] == len(kept) - 1
        matrix = matrix[: len(kept)] if in_front else matrix[kept]
    return gathered.tokens, matrix, gathered.changes
