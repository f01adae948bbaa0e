"""A compressed table: rows are decoded when they are asked for, and only those.

How it lies on the disk is the business of `embzip.fileformat`, the arithmetic that of the codecs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.codecs.arrays import Arrays, Progress, Table, row_blocks
from embzip.codecs.chain import Codec, Transformed, params_of, pulled_back
from embzip.codecs.ops import numpy_ops
from embzip.codecs.registry import parse_codec
from embzip.errors import (
    FileFormatError,
    IdRangeError,
    InputError,
    InputTypeError,
    MismatchError,
    UnknownTokenError,
)
from embzip.files import digest
from embzip.packing.arrays import PackedArray
from embzip.seeds import check_seed
from embzip.tokenizers.base import Tokenizer
from embzip.vectors import Vectors
from embzip.vocabulary import Vocabulary

Matrix = NDArray[np.float32]
Weights = NDArray[np.floating[Any]] | Literal["sqrt-counts"] | None


@dataclass(frozen=True, eq=False)
class CompressedEmbedding:
    """A (rows, dim) table as codes and params.

    Attributes
    ----------
    codec
        A resolved codec.
    codes, params
        Arrays a row each, and arrays shared by all rows.
    vocabulary
        The rows' tokens, or None for a bare matrix.
    tokenizer
        What the rows were trained with, or None in a foreign table.
    counts
        How often each row's token ran by, where it is known; not decoded from anything.

    Examples
    --------
    >>> import numpy as np
    >>> table = compress(np.eye(4, dtype=np.float32), "int8")
    >>> len(table), table.dim, table.nbytes
    (4, 4, 32)
    >>> table[[1, 2]].argmax(axis=1)
    array([1, 2])
    """

    codec: Codec
    codes: Arrays
    params: Arrays
    rows: int
    dim: int
    vocabulary: Vocabulary | None = None
    tokenizer: Tokenizer | None = None
    counts: NDArray[np.int64] | None = None
    digests: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for what, length in (("vocabulary", self.vocabulary), ("counts", self.counts)):
            if length is not None and len(length) != self.rows:
                raise MismatchError(
                    f"the {what} has {len(length)} entries, the table {self.rows} rows: "
                    "they must be the same"
                )

    def __len__(self) -> int:
        return self.rows

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, dim)."""
        return self.rows, self.dim

    @property
    def pad_id(self) -> int | None:
        """The padding row, which decodes to zeros, or None in foreign tables."""
        return None if self.vocabulary is None else self.vocabulary.pad_id

    @property
    def unk_id(self) -> int | None:
        """The row of unknown tokens, or None in foreign tables."""
        return None if self.vocabulary is None else self.vocabulary.unk_id

    @property
    def nbytes(self) -> int:
        """Bytes of codes and params, as stored."""
        return sum(array.nbytes for array in (*self.codes.values(), *self.params.values()))

    @cached_property
    def tables(self) -> Arrays:
        """What decoding looks up beside the params: made of them on first use, never stored."""
        return self.codec.tables(self.params, self.dim)

    @property
    def resident_nbytes(self) -> int:
        """Bytes of codes, params and tables, as held in memory."""
        return self.nbytes + sum(array.nbytes for array in self.tables.values())

    def __getitem__(self, ids: ArrayLike | slice) -> Matrix:
        """Return the rows of some ids.

        Parameters
        ----------
        ids
            Integers of any shape, or a slice.

        Returns
        -------
        float32, the ids' shape + (dim,).

        Raises
        ------
        IdRangeError
            For an id outside 0..rows-1; negative ids do not count from the end.
        InputTypeError
            For ids that are no integers.
        """
        if isinstance(ids, slice):
            ids = np.arange(*ids.indices(self.rows))
        wanted = np.asarray(ids)
        if wanted.size == 0:
            return np.zeros((*wanted.shape, self.dim), np.float32)
        if wanted.dtype.kind not in "iu":
            raise InputTypeError(f"ids must be integers, received {wanted.dtype}")
        low, high = int(wanted.min()), int(wanted.max())
        if low < 0 or high >= self.rows:
            raise IdRangeError(
                f"ids must lie in 0..{self.rows - 1}, received {low if low < 0 else high}"
            )
        flat = wanted.reshape(-1)
        taken = self.codec.quantizer.take(self.codes, flat)
        rows = self.codec.decode(taken, {**self.params, **self.tables}, numpy_ops)
        if self.pad_id is not None:
            rows = rows * (flat != self.pad_id).astype(np.float32)[:, None]
        decoded: Matrix = rows.reshape(*wanted.shape, self.dim)
        return decoded

    def decode(self) -> Matrix:
        """Return the whole table, (rows, dim) float32."""
        table = np.empty((self.rows, self.dim), np.float32)
        step = max(1, 250_000 // max(1, self.dim))  # what decoding writes in between stays cached
        for first in range(0, self.rows, step):
            table[first : first + step] = self[first : first + step]
        return table

    def vector(self, token: str) -> Matrix:
        """Return the (dim,) row of a token.

        Raises
        ------
        UnknownTokenError
            For a token that is not in the vocabulary.
        InputError
            For a table without a vocabulary.
        """
        if self.vocabulary is None:
            raise InputError("this table has no vocabulary: take rows by id, table[ids]")
        if token not in self.vocabulary:
            raise UnknownTokenError(f"the vocabulary has no token {token!r}")
        return self[self.vocabulary[token]]

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of each text, by the tokenizer the table was made with.

        Raises
        ------
        InputError
            For a table without a tokenizer.
        """
        if self.tokenizer is None:
            raise InputError(
                "this table has no tokenizer, so it cannot encode text: "
                "look tokens up with table.vocabulary"
            )
        return self.tokenizer.encode(texts)

    def verify(self) -> None:
        """Compare codes and params with the digests of the file they were mapped from.

        Raises
        ------
        FileFormatError
            Naming the first tensor that differs.
        """
        arrays = {f"codes.{name}": array for name, array in self.codes.items()}
        arrays |= {f"params.{name}": array for name, array in self.params.items()}
        for name, array in arrays.items():
            plain = array.content if isinstance(array, PackedArray) else array
            content = np.ascontiguousarray(plain).reshape(-1).view(np.uint8).data
            if name in self.digests and digest(content) != self.digests[name]:
                raise FileFormatError(f"tensor {name!r} does not match its digest")

    def take_rows(self, ids: NDArray[np.int64], tokenizer: Tokenizer) -> "CompressedEmbedding":
        """Return the table of some rows, in that order, under another tokenizer."""
        own = params_of(self.params, len(self.codec.transforms))
        quantizer, codes = self.codec.quantizer.select(self.codes, own, ids)
        return replace(
            self,
            codec=replace(self.codec, quantizer=quantizer),
            codes=codes,
            rows=len(ids),
            vocabulary=tokenizer.vocabulary,
            tokenizer=tokenizer,
            counts=None if self.counts is None else self.counts[ids],
            digests={},
        )


def compress(
    vectors: Vectors | CompressedEmbedding | ArrayLike,
    spec: str | Codec,
    *,
    weights: Weights = None,
    metric: Matrix | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> CompressedEmbedding:
    """Compress a table with a codec.

    Parameters
    ----------
    vectors
        (rows, dim) numbers: `Vectors`, a table compressed before, or an array. Row order and
        count are kept and nothing is inserted. Other dtypes are converted to float32.
    spec
        A codec, such as 'svd:64|int8'.
    weights
        (rows,) non-negative importance of each row's error, or 'sqrt-counts' for the square root
        of the table's token counts. None weighs all rows alike.
    metric
        (dim, dim) positive definite: the error of a row is measured by it.
    progress
        Called with (rows done, rows).

    Raises
    ------
    SpecError
        For a spec that is none, or does not fit the table.
    InputError
        For numbers that are not finite, and for bad weights; names the row.

    References
    ----------
    The metric of the layers that read a table: Jégou et al. 2011 for the idea of a learned
    distance; here it comes from the classifier's own kernels.

    Examples
    --------
    >>> import numpy as np
    >>> table = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> small = compress(table, "svd:4|int8")
    >>> small.codec.spec, small.nbytes, table.nbytes
    ('svd:4|int8', 928, 3200)
    """
    check_seed(seed)
    source = _source(vectors)
    rows, dim = source.table.shape
    weighted = _checked_weights(weights, source.counts, rows)
    if metric is not None and metric.shape != (dim, dim):
        raise MismatchError(f"the metric must be {dim} x {dim}, received {metric.shape}")
    codec = parse_codec(spec) if isinstance(spec, str) else spec
    # A layout first: a rank too large is refused before any work.
    codec = codec.resolve(source.table, weights=weighted, metric=metric, seed=seed)
    layout = codec.layout(rows, dim)
    params: dict[str, NDArray[Any]] = {}
    table: Table = source.table
    for index, transform in enumerate(codec.transforms):
        stored, extra = transform.fit(table, weights=weighted, metric=metric, seed=seed)
        table = Transformed(table, transform, {**stored, **extra})
        metric = pulled_back(metric, transform, stored, table.shape[1])
        params |= {f"{index}.{name}": array for name, array in stored.items()}
    fitted = codec.quantizer.fit(table, weights=weighted, seed=seed)
    named = {spec.name for spec in layout.params}
    last = {f"{len(codec.transforms)}.{name}": array for name, array in fitted.items()}
    params |= {name: array for name, array in last.items() if name in named}
    codes = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in layout.codes}
    for first, block in row_blocks(table):
        codec.quantizer.store(codes, block, fitted, first)
        if progress is not None:
            progress(first + len(block), rows)
    return CompressedEmbedding(
        codec, codes, params, rows, dim, source.vocabulary, source.tokenizer, source.counts
    )


@dataclass(frozen=True)
class _Source:
    table: Table
    vocabulary: Vocabulary | None = None
    tokenizer: Tokenizer | None = None
    counts: NDArray[np.int64] | None = None


def _source(vectors: Vectors | CompressedEmbedding | ArrayLike) -> _Source:
    if isinstance(vectors, Vectors):
        return _Source(vectors.matrix, vectors.vocabulary, vectors.tokenizer, vectors.counts)
    if isinstance(vectors, CompressedEmbedding):
        return _Source(vectors, vectors.vocabulary, vectors.tokenizer, vectors.counts)
    matrix = np.asanyarray(vectors)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"a table must have at least one row and one column, received shape {matrix.shape}"
        )
    if matrix.dtype.kind not in "fiu":
        raise InputTypeError(f"a table must hold real numbers, received {matrix.dtype}")
    return _Source(matrix)


def _checked_weights(
    weights: Weights, counts: NDArray[np.int64] | None, rows: int
) -> NDArray[np.float64] | None:
    if weights is None:
        return None
    if isinstance(weights, str):
        if weights != "sqrt-counts":
            raise InputError(f"weights must be numbers or 'sqrt-counts', received {weights!r}")
        if counts is None:
            raise InputError("weights='sqrt-counts' needs token counts, and this table has none")
        weights = np.sqrt(np.maximum(counts, 0))
    checked = np.asarray(weights, np.float64)
    if checked.shape != (rows,):
        raise MismatchError(f"weights must be one number a row ({rows}), received {checked.shape}")
    if not np.isfinite(checked).all() or (checked < 0).any() or checked.sum() == 0:
        raise InputError("weights must be finite, not negative, and not all zero")
    return checked
