"""Writes tokens and float32 rows in the formats of others."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.files.writing import atomic_write, write_bytes
from embzip.types import Matrix

_DTYPES = {"float32": "F32", "float16": "F16", "int8": "I8", "int64": "I64"}  # of safetensors
_ASCII_SPACE = re.compile(r"[ \t\n\v\f\r]")


def write_rows(
    path: str | Path,
    tokens: Sequence[str],
    matrix: Matrix,
    *,
    binary: bool = False,
    header: bool = True,
) -> None:
    """Write word2vec text or binary, or GloVe, which has no header; text restores numbers exactly.

    Raises
    ------
    InputError
        For a token that contains ASCII white space, at which readers split, or a duplicate.
    OutputError
        If the file cannot be written.
    """
    seen: dict[str, int] = {}
    for row, token in enumerate(tokens):
        if not token or _ASCII_SPACE.search(token):
            raise InputError(
                f"{path}, row {row}: a token of a word2vec file must not be empty or contain white "
                f"space, received {token!r}: rename it, or save a .embz file"
            )
        if seen.setdefault(token, row) != row:
            raise InputError(
                f"{path}, row {row}: tokens must be distinct, and {token!r} is also in row "
                f"{seen[token]}: rename it, or remove the row"
            )
    dim = matrix.shape[1]
    line = " ".join(["%s", *["%.9g"] * dim]) + "\n"  # 9 digits distinguish any two float32
    with atomic_write(path) as file:
        if header:
            file.write(f"{len(tokens)} {dim}\n".encode())
        for row, token in enumerate(tokens):
            try:
                if binary:
                    file.write(token.encode() + b" " + matrix[row].astype("<f4").tobytes())
                else:
                    file.write((line % (token, *matrix[row].tolist())).encode())
            except UnicodeEncodeError as error:
                raise InputError(
                    f"{path}, row {row}: {token!r} cannot be encoded as UTF-8: rename it"
                ) from error


WRITTEN = ("text", "binary", "glove", "npy", "safetensors")


def write_table(path: str | Path, tokens: Sequence[str], matrix: Matrix, format: str) -> list[Path]:
    """Write a table in one of the formats of `WRITTEN`, and return the files that were written.

    Arrays (npy, safetensors) have their tokens in a file beside: `table.npy` in `table.words.txt`.

    Raises
    ------
    InputError
        For a token that the format cannot hold.
    OutputError
        If a file cannot be written.
    """
    path = Path(path)
    if format in ("text", "binary"):
        write_rows(path, tokens, matrix, binary=format == "binary")
        return [path]
    if format == "glove":
        write_rows(path, tokens, matrix, header=False)
        return [path]
    for row, token in enumerate(tokens):
        if not token.strip() or "\n" in token or "\r" in token:
            raise InputError(
                f"{path}, row {row}: a token of a words file must be one line, received {token!r}"
            )
    words = path.with_suffix(".words.txt")
    write_bytes(words, "".join(f"{token}\n" for token in tokens).encode("utf-8", "surrogatepass"))
    if format == "npy":
        with atomic_write(path) as file:
            np.save(file, np.ascontiguousarray(matrix, "<f4"))
    else:
        write_safetensors(path, {"embeddings": matrix})
    return [path, words]


def write_safetensors(path: str | Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name as a safetensors file, wider numbers first, so that all are aligned.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    ordered = sorted(tensors.items(), key=lambda named: (-named[1].itemsize, named[0]))
    header, end = {}, 0
    for name, array in ordered:
        places = [end, end := end + array.nbytes]
        dtype = _DTYPES[array.dtype.name]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": places}
    record = json.dumps(header).encode()
    record += b" " * (-len(record) % 8)
    with atomic_write(path) as file:
        file.write(len(record).to_bytes(8, "little") + record)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
