"""Further rows for a compressed table, encoded by what is stored of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.checking import real_numbers
from embzip.codecs.chain import Codec, params_of
from embzip.errors import InputError, MismatchError
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.growing import with_words
from embzip.types import Arrays, Matrix
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary


class Compressed(Protocol):
    """What is read of a compressed table."""

    @property
    def codec(self) -> Codec: ...
    @property
    def codes(self) -> Arrays: ...
    @property
    def params(self) -> Arrays: ...
    @property
    def tables(self) -> Arrays: ...
    @property
    def rows(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def vocabulary(self) -> Vocabulary | None: ...
    @property
    def tokenizer(self) -> Tokenizer | None: ...
    @property
    def counts(self) -> NDArray[np.int64] | None: ...


def extended(table: Compressed, vectors: Vectors | ArrayLike) -> Mapping[str, Any]:
    """Return the fields of a table that change with further rows; see its `append`."""
    words, matrix, counts = _new_rows(table, vectors)
    known = {**table.params, **table.tables}
    codec, codes = table.codec.extended(table.codes, known, table.rows, matrix)
    every = None if table.counts is None else np.concatenate([table.counts, counts])
    if table.tokenizer is not None:
        tokenizer, ids = with_words(table.tokenizer, words)
        return selected(codec, codes, table.params, every, ids, tokenizer)
    vocabulary = None if table.vocabulary is None else table.vocabulary.with_tokens(words)
    rows = table.rows + len(matrix)
    return {"codec": codec, "codes": codes, "rows": rows, "vocabulary": vocabulary, "counts": every}


def selected(
    codec: Codec,
    codes: Arrays,
    params: Arrays,
    counts: NDArray[np.int64] | None,
    ids: NDArray[np.int64],
    tokenizer: Tokenizer,
) -> Mapping[str, Any]:
    """Return the fields of a table that change where it has some rows, under another tokenizer."""
    own = params_of(params, len(codec.transforms))
    quantizer, chosen = codec.quantizer.select(codes, own, ids)
    return {
        "codec": Codec(codec.transforms, quantizer),
        "codes": chosen,
        "rows": len(ids),
        "vocabulary": tokenizer.vocabulary,
        "tokenizer": tokenizer,
        "counts": None if counts is None else counts[ids],
    }


def _new_rows(
    table: Compressed, vectors: Vectors | ArrayLike
) -> tuple[Sequence[str], Matrix, NDArray[np.int64]]:
    """Return the tokens, rows and counts of what is to be appended."""
    if isinstance(vectors, Vectors):
        ids = vectors.ordinary_ids()
        words = [vectors.vocabulary.token(index) for index in ids.tolist()]
        matrix = vectors.matrix[ids]
        counts = np.zeros(len(ids), np.int64) if vectors.counts is None else vectors.counts[ids]
    else:
        words, matrix = [], real_numbers("rows", vectors)
        if matrix.ndim != 2:
            raise InputError(f"rows must have shape (rows, dim), received {matrix.shape}")
        counts = np.zeros(len(matrix), np.int64)
    if matrix.shape[1] != table.dim:
        raise MismatchError(
            f"new rows must have the table's {table.dim} columns, received {matrix.shape[1]}"
        )
    if isinstance(vectors, Vectors) != (table.vocabulary is not None):
        one, other = ("none", "tokens") if table.vocabulary is None else ("tokens", "none")
        raise MismatchError(
            f"the table has {one} for its rows and the new rows have {other}: "
            "append Vectors to a table with tokens, and an array to one without"
        )
    held = [] if table.vocabulary is None else [word for word in words if word in table.vocabulary]
    if held:
        raise InputError(
            f"the table has {held[0]!r} already, and {len(held) - 1} others of the "
            f"{len(words)} new tokens: leave them out"
        )
    if len(matrix) == 0:
        raise InputError("there are no rows to append")
    return words, matrix, counts
