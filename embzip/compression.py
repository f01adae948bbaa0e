"""`compress`: a table and a codec's spec in, a `CompressedEmbedding` out, in blocks of rows.

Tables, weights and metrics are checked here; the arithmetic is in `embzip.codecs`.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.checking import real_numbers
from embzip.codecs.chain import Codec
from embzip.codecs.registry import parse_codec
from embzip.embedding import CompressedEmbedding
from embzip.engine import Table
from embzip.errors import InputError, MismatchError
from embzip.seeds import check_seed
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix, Progress
from embzip.vectors.base import Vectors, vectors_of
from embzip.vectors.keyed import Keyed, is_keyed
from embzip.vocabulary import Vocabulary

_LEAST_WEIGHT = 1e-30  # of the largest; squares of it are still above 0
_LEAST_EIGENVALUE = 1e-7  # of the largest: what float32 rounds is less
_ASYMMETRIC = 1e-5  # of the largest entry

Weights = NDArray[np.floating[Any]] | Literal["sqrt-counts", "equal"] | None


def compress(
    vectors: Vectors | CompressedEmbedding | Keyed | ArrayLike,
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
        (rows, dim) numbers: `Vectors`, a table compressed before, gensim's KeyedVectors, or an
        array. Row order and count are kept and nothing is inserted. Other dtypes are converted to
        float32.
    spec
        A codec, such as 'svd:64|int8'. The size of `auto:300KB` bounds the table, its codes and
        params; commands and recipes bound the file.
    weights
        (rows,) non-negative importance of each row's error, 'sqrt-counts' for the square root of
        the table's token counts (a token that was never seen weighs as one that was once), or
        'equal'. None is 'sqrt-counts' where the table has counts, else 'equal'.
    metric
        (dim, dim) symmetric and positive definite: the error of a row is measured by it. It acts
        through `svd` and `opq`, which turn and scale the columns by it, and through the choice
        that `auto` makes. Chains without them store the same with it and without.
    progress
        Called with (rows done, rows).

    Raises
    ------
    SpecError
        For a spec that cannot be read, or does not fit the table.
    InputError
        For numbers that are not finite, and for weights that are not finite or negative; names the
        row. For a metric that is not symmetric and positive definite. For numbers so near to the
        largest float32 that decoding would go beyond it.
    InputTypeError
        For arguments of other types.

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
    measured = None if metric is None else _checked_metric(metric, dim)
    codec = parse_codec(spec)
    codec = codec.resolve(source.table, weights=weighted, metric=measured, seed=seed)
    fitted = codec.fit(source.table, weights=weighted, metric=measured, seed=seed)
    codes = fitted.encode(progress)
    known = {**fitted.params, **codec.tables(fitted.params, dim)}
    row = codec.overflowing_row(codes, known, rows)
    if row is not None:
        raise InputError(
            f"row {row}: {codec.spec!r} would decode it to numbers beyond the largest float32: "
            "scale the table down, by 1e-3 or more"
        )
    return CompressedEmbedding(
        codec, codes, fitted.params, rows, dim, source.vocabulary, source.tokenizer, source.counts
    )


@dataclass(frozen=True)
class _Source:
    table: Table
    vocabulary: Vocabulary | None = None
    tokenizer: Tokenizer | None = None
    counts: NDArray[np.int64] | None = None


def _source(vectors: Vectors | CompressedEmbedding | Keyed | ArrayLike) -> _Source:
    if is_keyed(vectors):
        vectors = vectors_of(cast(Keyed, vectors))
    if isinstance(vectors, Vectors):
        return _Source(vectors.matrix, vectors.vocabulary, vectors.tokenizer, vectors.counts)
    if isinstance(vectors, CompressedEmbedding):
        return _Source(vectors, vectors.vocabulary, vectors.tokenizer, vectors.counts)
    matrix = real_numbers("a table", cast(ArrayLike, vectors))
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"a table must have at least one row and one column, received shape {matrix.shape}"
        )
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
    checked = real_numbers("weights", weights).astype(np.float64)
    if checked.shape != (rows,):
        raise MismatchError(
            f"weights must be one number for each of {rows} rows, received shape {checked.shape}"
        )
    bad = np.flatnonzero(~(np.isfinite(checked) & (checked >= 0)))
    if len(bad):
        raise InputError(
            f"weights must be finite and not negative, row {bad[0]} has {checked[bad[0]]}"
        )
    largest = checked.max()
    if largest == 0:
        raise InputError("weights must not all be zero: leave them out to weigh rows alike")
    # Only their ratios count: sums and squares of these neither overflow nor vanish.
    return np.where(checked > 0, np.maximum(checked / largest, _LEAST_WEIGHT), 0)


def _checked_metric(metric: ArrayLike, dim: int) -> Matrix:
    """Return a metric of trace `dim`: only the ratios count."""
    checked = real_numbers("the metric", metric).astype(np.float64)
    if checked.shape != (dim, dim):
        raise MismatchError(f"the metric must be {dim} x {dim}, received {checked.shape}")
    if not np.isfinite(checked).all():
        row, column = np.argwhere(~np.isfinite(checked))[0]
        raise InputError(
            f"the metric must be finite, row {row}, column {column} is {checked[row, column]}"
        )
    largest = np.abs(checked).max()
    unit = checked / largest if largest else checked
    if np.abs(unit - unit.T).max() > _ASYMMETRIC:
        raise InputError("the metric must be symmetric: pass (metric + metric.T) / 2")
    unit = (unit + unit.T) / 2
    values = np.linalg.eigvalsh(unit)
    if not values[0] > _LEAST_EIGENVALUE * values[-1]:
        raise InputError(
            "the metric must be positive definite, with no eigenvalue below "
            f"{_LEAST_EIGENVALUE:g} of the largest; found {values[0] * largest:g} and "
            f"{values[-1] * largest:g}: add a share of the identity matrix to it"
        )
    return np.asarray(unit * (dim / np.trace(unit)), np.float32)
