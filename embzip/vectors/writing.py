"""Writes tokens and float32 rows as word2vec text or binary, for gensim and the C program."""

import re
from collections.abc import Sequence
from pathlib import Path

from embzip.errors import InputError
from embzip.files.writing import atomic_write
from embzip.types import Matrix

_ASCII_SPACE = re.compile(r"[ \t\n\v\f\r]")


def write_rows(
    path: str | Path, tokens: Sequence[str], matrix: Matrix, *, binary: bool = False
) -> None:
    """Write word2vec text or binary, atomically; numbers in text are restored exactly.

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
