"""`compress`: a table and a codec's spec in, a `CompressedEmbedding` out, in blocks of rows.

What can be compressed, and what may weigh its error, is checked here; arithmetic is the codecs'.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.codecs.arrays import Progress, Table
from embzip.codecs.chain import Codec
from embzip.codecs.registry import parse_codec
from embzip.embedding import CompressedEmbedding, Matrix
from embzip.errors import InputError, InputTypeError, MismatchError
from embzip.seeds import check_seed
from embzip.tokenizers.base import Tokenizer
from embzip.vectors import Vectors
from embzip.vocabulary import Vocabulary

Weights = NDArray[np.floating[Any]] | Literal["sqrt-counts", "equal"] | None


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
        (rows,) non-negative importance of each row's error, 'sqrt-counts' for the square root of
        the table's token counts (a token that never ran by weighs as one that did once), or
        'equal'. None is 'sqrt-counts' where the table has counts, else 'equal'.
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
    codec = codec.resolve(source.table, weights=weighted, metric=metric, seed=seed)
    fitted = codec.fit(source.table, weights=weighted, metric=metric, seed=seed)
    codes = fitted.encode(progress)
    return CompressedEmbedding(
        codec, codes, fitted.params, rows, dim, source.vocabulary, source.tokenizer, source.counts
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
        weights = "equal" if counts is None else "sqrt-counts"
    if isinstance(weights, str):
        if weights == "equal":
            return None
        if weights != "sqrt-counts":
            raise InputError(
                f"weights must be numbers, 'sqrt-counts' or 'equal', received {weights!r}"
            )
        if counts is None:
            raise InputError("weights='sqrt-counts' needs token counts, and this table has none")
        weights = np.sqrt(np.maximum(counts, 1))
    checked = np.asarray(weights, np.float64)
    if checked.shape != (rows,):
        raise MismatchError(f"weights must be one number a row ({rows}), received {checked.shape}")
    if not np.isfinite(checked).all() or (checked < 0).any() or checked.sum() == 0:
        raise InputError("weights must be finite, not negative, and not all zero")
    return checked
