"""Rows from counts: positive pointwise mutual information (PPMI), reduced to its largest parts.

Nothing is trained in steps: the corpus is read once, its pairs of near tokens are counted, and the
matrix of their mutual information is factorized.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embzip.engine import spans
from embzip.errors import InputError, SpecError
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix, Progress
from embzip.vectors.cooccurrence import cooccurrences
from embzip.vectors.options import PpmiOptions
from embzip.vectors.rows import TrainedRows, check_known
from embzip.vectors.singular import left_singular, projected_bytes

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SCALE = 0.1  # the root mean square of each row's numbers
_PAIRS = 1 << 18  # of a block: frequent tokens have rows of very many
_LEAST = 1e-5  # of the longest row


def ppmi_rows(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    options: PpmiOptions,
    *,
    where: str,
    seed: int = 0,
    progress: Progress | None = None,
    memory: int | None = None,
) -> TrainedRows:
    """Return the rows of the ids that stand beside others more often than by chance.

    A row is one of U S^p, singular vectors times a power of the singular values, made as long as
    the others: the root mean square of its numbers is 0.1, about that of word2vec. The length that
    it has in U S^p tells how frequent the token is; classifiers are better without that (measured).
    What is raised is told by `embzip.train_vectors`.

    Parameters
    ----------
    where
        The name of the corpus in messages.
    memory
        How many bytes may be used; None asks the system.

    References
    ----------
    Levy, Goldberg: Neural Word Embedding as Implicit Matrix Factorization. NeurIPS 2014.

    Examples
    --------
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> words = WordTokenizer(["blue", "hot", "red", "sea", "sun"], Normalization())
    >>> texts = ["blue sea", "red sea", "hot sun"]
    >>> found = ppmi_rows(texts, words, PpmiOptions(dim=4), where="three texts")
    >>> blue, hot, red, _, _ = found.matrix[2:]
    >>> bool(np.allclose(blue, red, atol=1e-5)), bool(np.allclose(blue, hot, atol=1e-5))
    (True, False)
    """
    vocabulary, dim = tokenizer.vocabulary, options.dim
    counts, pairs = cooccurrences(
        texts,
        tokenizer,
        window=options.window,
        where=where,
        reserved=projected_bytes(len(vocabulary), dim),
        memory=memory,
    )
    check_known(counts, vocabulary, where)
    information = ppmi(pairs, smoothing=options.smoothing, shift=options.shift)
    del pairs  # they take more memory than what was made of them
    learned = np.diff(information.indptr) > 0
    if not learned.any():
        raise InputError(
            f"{where}: ppmi learns from tokens that stand beside others more often than by chance, "
            f"and found none in {counts.sum():,} tokens ({np.count_nonzero(counts):,} different): "
            "add texts" + ", or pass a smaller shift" * (options.shift > 1)
        )
    if dim > learned.sum():
        raise SpecError(
            f"{where}: the dim of ppmi is at most the number of tokens that it learns of, "
            f"{learned.sum():,}, received {dim}: pass a smaller dim, or the method word2vec"
        )
    vectors, values = left_singular(information, dim, seed=seed, progress=progress)
    vectors *= (values / values[0]) ** options.exponent
    return TrainedRows(vectors, _even(vectors), counts)


def ppmi(pairs: "csr_array[Any]", *, smoothing: float = 1, shift: int = 1) -> "csr_array[Any]":
    """Return the positive part of the shifted pointwise mutual information of pairs.

    max(0, log p(i, j) / (p(i) q(j)) - log shift), where q(j) are the shares of counts raised to
    `smoothing`. The counts may be multiplied by any number.

    Parameters
    ----------
    pairs
        Whole numbers, (rows, rows), symmetric.

    Returns
    -------
    csr_array
        float32, without zeros.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> ppmi(csr_array(np.array([[0, 3], [3, 6]]))).toarray().astype(float).round(3).tolist()
    [[0.0, 0.288], [0.288, 0.0]]
    """
    from scipy import sparse

    words = pairs.sum(axis=1).astype(np.float64)
    contexts = np.where(words > 0, words**smoothing, 0)
    contexts /= max(contexts.sum(), 1)
    information = np.empty(pairs.nnz, np.float32)
    for part in spans(pairs.nnz, _PAIRS):
        row = np.searchsorted(pairs.indptr, np.arange(part.start, part.stop), side="right") - 1
        expected = words[row] * contexts[pairs.indices[part]]
        information[part] = np.log(pairs.data[part] / (expected * shift))
    np.maximum(information, 0, out=information)
    kept = (information, pairs.indices.copy(), pairs.indptr.copy())
    found = sparse.csr_array(kept, shape=pairs.shape)
    found.eliminate_zeros()
    return found


def _even(rows: Matrix) -> NDArray[np.bool_]:
    """Make all rows equally long, those that float32 can tell from zero, and say which they are."""
    lengths = np.linalg.norm(rows, axis=1)
    told: NDArray[np.bool_] = lengths > lengths.max() * _LEAST
    rows[~told] = 0
    rows[told] *= (SCALE * np.sqrt(rows.shape[1]) / lengths[told])[:, None].astype(np.float32)
    return told
