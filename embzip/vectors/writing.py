"""Tokens and float32 rows -> word2vec text or binary, as gensim and the C program read them."""

import re
from collections.abc import Sequence
from pathlib import Path

from embzip.errors import InputError
from embzip.files import atomic_write
from embzip.types import Matrix

_ASCII_SPACE = re.compile(r"[ \t\n\v\f\r]")


def write_rows(
    path: str | Path, tokens: Sequence[str], matrix: Matrix, *, binary: bool = False
) -> None:
    """Write word2vec text or binary, atomically; numbers in text read back exactly.

    Raises
    ------
    InputError
        For a token with ASCII white space, where readers split, or a duplicate.
    OutputError
        Where the file cannot be written.
    """
    seen: dict[str, int] = {}
    for row, token in enumerate(tokens):
        if not token or _ASCII_SPACE.search(token):
            raise InputError(
                f"{path}, row {row}: a word2vec file cannot hold a token with white space in it "
                f"or an empty one, received {token!r}: rename it, or save a .embz file"
            )
        if seen.setdefault(token, row) != row:
            raise InputError(f"{path}, row {row}: {token!r} stands already in row {seen[token]}")
    dim = matrix.shape[1]
    line = " ".join(["%s", *["%.9g"] * dim]) + "\n"  # 9 digits tell any two float32 apart
    with atomic_write(path) as file:
        file.write(f"{len(tokens)} {dim}\n".encode())
        for row, token in enumerate(tokens):
            try:
                if binary:
                    file.write(token.encode() + b" " + matrix[row].astype("<f4").tobytes())
                else:
                    file.write((line % (token, *matrix[row].tolist())).encode())
            except UnicodeEncodeError as error:
                raise InputError(f"{path}, row {row}: {token!r} cannot be UTF-8") from error
