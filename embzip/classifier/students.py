"""Makes a small float32 classifier out of a large one, for `embzip.tf.distill` to go on from.

The rows of the words that matter most, brought to fewer columns; the kernels that read them,
folded; the filters that contribute most. Nothing is trained here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.answering import features_of
from embzip.classifier.cnn import CnnConfig
from embzip.classifier.encoder import Encoder
from embzip.classifier.factorizing import multiplied
from embzip.classifier.mean import MeanConfig
from embzip.classifier.model import Classifier
from embzip.classifier.rebuilding import reading_metric
from embzip.classifier.student_shape import StudentShape
from embzip.errors import InputError
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.met_pieces import UNK
from embzip.tokenizers.words import WordTokenizer
from embzip.types import Matrix
from embzip.vectors.base import Vectors, vectors_of
from embzip.vectors.pruning import prune
from embzip.vectors.transferring import transfer

Ids = Sequence[Sequence[int]]
SAMPLE = 4096  # texts by which filters are chosen
_ROWS = 8000  # words, where a shape names no number
_DROPOUT = 0.2  # a student has no features to spare


@dataclass(frozen=True, eq=False)
class Start:
    """What a student starts from.

    Attributes
    ----------
    vectors
        Its table, float32, with its tokenizer and the counts of the training texts.
    config
        Its encoder.
    arrays
        The arrays that it takes over, by the names of `Classifier.arrays`; those that are missing
        start at random.
    """

    vectors: Vectors
    config: Encoder
    arrays: dict[str, Matrix]


def kept_table(
    teacher: Classifier,
    texts: Ids,
    *,
    rows: int | None = 0,
    tokenizer: Tokenizer | None = None,
    scores: NDArray[np.float64] | None = None,
    stems: bool = False,
) -> Vectors:
    """Return the teacher's rows that a student keeps, with the counts of some texts.

    Parameters
    ----------
    texts
        Training texts as ids of the teacher.
    rows
        Words with a row of their own, as in `StudentShape`.
    tokenizer
        What the student reads instead of the teacher's tokens. Its rows come from the teacher's
        by `embzip.transfer`.
    scores
        (rows,) how much each row of the teacher matters, by default its count.
    stems
        Whether words that are not kept read as their stem, which is counted.

    Raises
    ------
    InputError
        For more rows than the teacher has, or fewer than all of a table of pieces.
    """
    every = np.concatenate([*texts, np.zeros(0, np.int64)]).astype(np.int64)
    counts = np.bincount(every, minlength=teacher.embedding.rows)
    table = replace(vectors_of(teacher.embedding), counts=counts)
    if tokenizer is not None:
        table = transfer(table, tokenizer).vectors
        scores = None
    kept = kept_of(table, rows, scores)
    return _with_stems(kept, table) if stems else kept


def kept_of(table: Vectors, rows: int | None, scores: NDArray[np.float64] | None = None) -> Vectors:
    """Return so many rows of a table with counts; see `kept_table`."""
    most = len(table.ordinary_ids())
    pieces = table.tokenizer is not None and table.tokenizer.kind == "bpe"
    if rows is None:
        rows = most if pieces else min(_ROWS, most)
    if pieces and rows not in (0, most):
        raise InputError(
            f"pieces are built from one another, so that a student keeps all {most:,} of them; "
            f"received rows = {rows:,}: leave it out"
        )
    if rows > most:
        raise InputError(
            f"a student keeps rows of its teacher's table, which has {most:,}; received rows = "
            f"{rows:,}: name fewer, or 0 for all"
        )
    if rows in (0, most):
        return table
    return prune(table, max_vocab=rows, scores=scores).vectors


def stemmed(kept: Vectors) -> Vectors:
    """Return a table of words whose dropped words read as their stem; counts stay as they are."""
    old = kept.tokenizer
    if not isinstance(old, WordTokenizer):
        return kept
    tokenizer = WordTokenizer(list(old.vocabulary)[2:], old.normalization, stems=True)
    return replace(kept, tokenizer=tokenizer)


def _with_stems(kept: Vectors, every: Vectors) -> Vectors:
    """Return `stemmed`, with the counts of what then reads as each word."""
    tokenizer = stemmed(kept).tokenizer
    if not isinstance(tokenizer, WordTokenizer) or every.counts is None:
        return kept
    ordinary = every.ordinary_ids()
    read = tokenizer.encode(every.vocabulary.token(index) for index in ordinary.tolist())
    rows = [ids[0] if len(ids) == 1 else UNK for ids in read]  # foreign tokens may be two words
    counts = np.bincount(rows, every.counts[ordinary], kept.rows).astype(np.int64)
    counts[UNK] += every.counts[UNK]
    return replace(kept, tokenizer=tokenizer, counts=counts)


def start_of(teacher: Classifier, table: Vectors, texts: Ids, shape: StudentShape) -> Start:
    """Return what a student of a shape takes over from its teacher.

    The table's rows are brought to fewer columns by their singular vectors, as the teacher's
    kernels see them, each row weighted by the square root of its count; kernels are folded to
    match, so that they see what is left of each row.

    Parameters
    ----------
    table
        What `kept_table` returns.
    texts
        Training texts as ids of the teacher, by which the filters of a CNN are chosen: those that
        contribute most to its answers. The first `SAMPLE` are read.
    """
    teacher = multiplied(teacher)
    own, dim = teacher.config, min(shape.dim, table.dim)
    columns, back = _fewer_columns(table, reading_metric(teacher), dim)
    small, config = replace(table, matrix=columns), student_config(teacher, shape, dim)
    if not _takes_over(teacher, shape):
        return Start(small, config, {})
    arrays = {"dense.bias": teacher.arrays["dense.bias"]}
    if not (isinstance(own, CnnConfig) and isinstance(config, CnnConfig)):
        arrays["dense.kernel"] = _folded(teacher.arrays["dense.kernel"], back)
        return Start(small, config, arrays)
    dense = teacher.arrays["dense.kernel"].reshape(len(own.windows), own.filters, -1)
    rest = []
    for index, kept in enumerate(_contributing(teacher, own, texts[:SAMPLE], config.filters)):
        kernel = teacher.arrays[f"conv.{index}.kernel"][..., kept]
        arrays[f"conv.{index}.kernel"] = _folded(kernel, back)
        arrays[f"conv.{index}.bias"] = teacher.arrays[f"conv.{index}.bias"][kept]
        rest.append(dense[index][kept])
    arrays["dense.kernel"] = np.concatenate(rest)
    return Start(small, config, arrays)


def student_config(teacher: Classifier, shape: StudentShape, dim: int) -> Encoder:
    """Return the encoder of a student over `dim` columns; a CNN keeps its teacher's windows."""
    own, same = teacher.config, _takes_over(teacher, shape)
    indicator = own.indicator and same
    if shape.encoder == MeanConfig.kind:
        return MeanConfig(dim + indicator, own.max_length, _DROPOUT, indicator)
    if same and isinstance(own, CnnConfig):
        filters = min(shape.filters, own.filters)
        return replace(own, columns=dim + indicator, filters=filters, dropout=_DROPOUT)
    length = max(own.max_length, CnnConfig.least_length({}))
    return CnnConfig(dim, length, shape.filters, dropout=_DROPOUT)


def filled_shape(teacher: Classifier, table: Vectors, shape: StudentShape) -> StudentShape:
    """Return a shape with no more rows, columns and filters than the teacher has to give."""
    dim = min(shape.dim, table.dim)
    config = student_config(teacher, shape, dim)
    filters = config.filters if isinstance(config, CnnConfig) else shape.filters
    return replace(shape, rows=len(table.ordinary_ids()), dim=dim, filters=filters)


def _takes_over(teacher: Classifier, shape: StudentShape) -> bool:
    """Return whether the teacher's kernels become the student's."""
    return teacher.config.kind == shape.encoder


def _folded(kernel: Matrix, back: Matrix) -> Matrix:
    """Return a kernel (..., columns, outputs) for fewer columns; the indicator, if any, stays."""
    columns = back.shape[1]
    return np.concatenate([back @ kernel[..., :columns, :], kernel[..., columns:, :]], axis=-2)


def _fewer_columns(table: Vectors, metric: Matrix, dim: int) -> tuple[Matrix, Matrix]:
    """Return (rows, dim) numbers, and the (dim, columns) matrix that leads back to the table.

    The singular vectors of the weighted rows in the coordinates of the metric; scales of columns
    are evened out half-way, so that an optimizer moves all of them.
    """
    whiten = np.linalg.cholesky(metric.astype(np.float64))
    weights = np.sqrt(np.maximum(1 if table.counts is None else table.counts, 1))[:, None]
    seen = table.matrix @ whiten
    _, axes = np.linalg.eigh(seen.T @ (weights * seen))
    axes = axes[:, ::-1][:, :dim]
    columns = seen @ axes
    spread = np.sqrt((weights * columns**2).sum(axis=0) / weights.sum())
    scale = np.sqrt(np.maximum(spread, 1e-9 * spread.max()) * spread.max())
    back = np.linalg.solve(whiten.T, axes * scale).T
    return (columns / scale).astype(np.float32), back.astype(np.float32)


def _contributing(
    teacher: Classifier, config: CnnConfig, texts: Ids, filters: int
) -> list[NDArray[np.int64]]:
    """Return, for each window of a CNN, the filters that move the teacher's answers most.

    A filter contributes its standard deviation over texts times the spread of its weights over the
    classes: what is the same for every text, or for every class, changes no answer.
    """
    features = features_of(teacher.embedding, teacher.head, texts)
    contribution = features.std(axis=0) * teacher.arrays["dense.kernel"].std(axis=1)
    return [
        np.sort(np.argsort(-each, kind="stable")[:filters])
        for each in contribution.reshape(len(config.windows), config.filters)
    ]
