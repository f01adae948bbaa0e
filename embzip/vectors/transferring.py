"""Computes subword rows from word rows, without a corpus: a weighted sparse least-squares problem.

A classifier reads a word as the mean of its pieces, so that mean should be close to the word's row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError, SpecError
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.bpe import BpeTokenizer
from embzip.tokenizers.reach import warn_unknown
from embzip.types import Progress
from embzip.vectors.base import Table, Vectors, vectors_of
from embzip.vectors.matrix import mean_row
from embzip.vectors.word_parts import Floats, Weighting, WordParts, word_parts

_COLUMNS = 64  # columns solved at a time; bounds the memory
_ITERATIONS = 500  # of conjugate gradients; 15 to 40 are usual


@dataclass(frozen=True, eq=False)
class Transferred:
    """The result of `transfer`.

    Attributes
    ----------
    vectors
        One row for each id of the tokenizer; with counts if the words have counts.
    explained_energy
        1 - (weighted squared residual) / (weighted squared rows) of the words that were used.
    deciles
        The same, unweighted, for each tenth of those words, those with the largest weights first;
        for fewer than ten words, one value per word.
    weighting
        How words were weighted: by their counts, by their order in the file, or equally.
    words, skipped
        The number of words used, and of words skipped because the tokenizer does not know one of
        their characters or because their count is 0.
    unused
        The number of pieces, without special ones, that are part of no word.
    unknown_rate
        The share of the words' tokens that the tokenizer does not know, words weighted as they are
        in the fit.
    """

    vectors: Vectors
    explained_energy: float
    deciles: tuple[float, ...]
    weighting: Weighting
    words: int
    skipped: int
    unused: int
    unknown_rate: float


def transfer(
    vectors: Table,
    tokenizer: Tokenizer,
    *,
    counts: Mapping[str, int] | None = None,
    ridge: float = 0.1,
    progress: Progress | None = None,
) -> Transferred:
    """Compute rows for pieces from the rows of words.

    Minimizes sum_w weight_w |mean of P over the pieces of w - row_w|^2 over the rows P.

    Parameters
    ----------
    vectors
        A table of words.
    tokenizer
        The tokenizer that splits words into pieces, such as `load_tokenizer("bpe.model")`.
    counts
        How often words occur in text; by default the table's own counts. A word without a count
        has weight 0. Without any counts, words are weighted by rank, by Zipf's law, since files
        are sorted by falling frequency; words in alphabetical order are weighted equally.
    ridge
        How strongly each row is drawn to the mean of the words, in words of average weight.
    progress
        Called with (columns solved, columns).

    Returns
    -------
    Transferred
        A piece that is part of no word gets the mean of the parts it was merged from, or, if those
        are part of no word either, the mean of the words. The unknown row is that of the word
        table, or the mean of the words if it has none; other special rows are zero.

    Warns
    -----
    UserWarning
        Where more than a fifth of the words' tokens are unknown to the tokenizer.

    Raises
    ------
    InputError
        For a table of pieces, or if the tokenizer can encode none of the words, or if none of the
        words has a count.
    SpecError
        For a ridge that is not above 0.

    References
    ----------
    Zhao, Mudgal, Liang: Generalizing Word Embeddings using Bag of Subwords. EMNLP 2018, which
    also fits subword rows to word rows, but by gradient descent and for every substring.

    Examples
    --------
    >>> from embzip.tokenizers import Normalization, YttmModel
    >>> from embzip.vocabulary import Vocabulary
    >>> model = YttmModel.parse(b"3 1\\n9601 4\\n97 5\\n98 6\\n4 5 7\\n1 0 2 3\\n", "tiny")
    >>> pieces = BpeTokenizer(model, Normalization(), model.to_bytes())
    >>> words = Vectors(Vocabulary(["a", "aa", "ab"]), np.array([[2.0, 0], [1, 0], [2, 1]]))
    >>> done = transfer(words, pieces, ridge=1e-9)
    >>> list(pieces.vocabulary)[5:], done.vectors.matrix[5:].round(3).astype(int).tolist()
    (['a', 'b', '▁a'], [[0, 0], [2, 2], [2, 0]])
    """
    if not 0 < ridge < float("inf"):
        raise SpecError(f"ridge must be a number above 0, received {ridge!r}")
    table = vectors_of(vectors)
    if isinstance(table.tokenizer, BpeTokenizer):
        raise InputError(
            f"transfer needs a table of words, received one of {table.tokenizer.kind} pieces: pass "
            "a table with a word tokenizer, or foreign word vectors"
        )
    words = word_parts(table, tokenizer, counts)
    warn_unknown(
        words.unknown_rate,
        "the table's words",
        "pass a tokenizer that was built on text like that of the vectors",
    )
    rows = _solve(words, ridge, progress)
    explained, deciles = _explained(words, rows)
    used = np.asarray(words.parts.sum(axis=0)).reshape(-1) > 0
    unused = len(used) - int(used.sum()) - len(tokenizer.vocabulary.special_ids)
    if isinstance(tokenizer, BpeTokenizer):
        _merge_unused(rows, used, tokenizer)
    vocabulary = tokenizer.vocabulary
    rows[list(vocabulary.special_ids)] = 0
    if vocabulary.unk_id is not None:
        unk_id = table.vocabulary.unk_id
        unknown = mean_row(table.matrix, words.ids) if unk_id is None else table.matrix[unk_id]
        rows[vocabulary.unk_id] = unknown
    return Transferred(
        Vectors(vocabulary, rows.astype(np.float32), words.piece_counts, tokenizer),
        explained,
        deciles,
        words.weighting,
        len(words.ids),
        len(table.ordinary_ids()) - len(words.ids),
        unused,
        words.unknown_rate,
    )


def _solve(words: WordParts, ridge: float, progress: Progress | None) -> Floats:
    """Return the rows of all pieces, (pieces, dim), from the normal equations.

    Conjugate gradients need only the sparse matrix and a few blocks of columns. A factorization
    would fill in zeros, how many depends on the words. All columns of a block are solved as one
    system, whose matrix is block diagonal.
    """
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator, cg

    weighted = words.parts.multiply(words.weights[:, None]).tocsr()
    pieces, dim = words.parts.shape[1], words.matrix.shape[1]
    right = np.zeros((pieces, dim))
    mean = np.zeros(dim)
    for chosen, block in words.blocks():
        right += weighted[chosen].T @ block
        mean += words.weights[chosen] @ block
    mean /= words.weights.sum()
    right -= np.outer(weighted.sum(axis=0), mean)
    normal = (words.parts.T @ weighted + ridge * sparse.eye_array(pieces)).tocsr()
    diagonal = normal.diagonal()[:, None]
    rows = np.empty((pieces, dim))
    for first in range(0, dim, _COLUMNS):
        block = right[:, first : first + _COLUMNS]
        size = (block.size, block.size)

        def product(flat: Floats, shape: tuple[int, int] = block.shape) -> Floats:
            flattened: Floats = (normal @ flat.reshape(shape)).reshape(-1)
            return flattened

        def scaled(flat: Floats, shape: tuple[int, int] = block.shape) -> Floats:
            flattened: Floats = (flat.reshape(shape) / diagonal).reshape(-1)
            return flattened

        # If it has not converged, `explained_energy` shows it, because it is measured afterwards.
        found, _ = cg(
            LinearOperator(size, matvec=product, dtype=np.float64),
            block.reshape(-1),
            rtol=1e-5,
            maxiter=_ITERATIONS,
            M=LinearOperator(size, matvec=scaled, dtype=np.float64),
        )
        rows[:, first : first + _COLUMNS] = found.reshape(block.shape)
        if progress is not None:
            progress(min(first + _COLUMNS, dim), dim)
    rows += mean  # pieces that are part of no word get the mean
    return rows


def _explained(words: WordParts, rows: Floats) -> tuple[float, tuple[float, ...]]:
    residual = np.empty(len(words.ids))
    energy = np.empty(len(words.ids))
    for chosen, block in words.blocks():
        residual[chosen] = ((words.parts[chosen] @ rows - block) ** 2).sum(axis=1)
        energy[chosen] = (block**2).sum(axis=1)

    def share(weights: Floats, chosen: NDArray[np.int64]) -> float:
        total = float(weights @ energy[chosen])
        return 1 - float(weights @ residual[chosen]) / total if total else 1.0

    order = np.argsort(-words.weights, kind="stable")
    tenths = np.array_split(order, min(10, len(order)))
    deciles = tuple(share(np.ones(len(tenth)), tenth) for tenth in tenths)
    return share(words.weights[order], order), deciles


def _merge_unused(rows: Floats, used: NDArray[np.bool_], tokenizer: BpeTokenizer) -> None:
    """Set each piece that is part of no word to the mean of the known parts it was merged from."""
    parts: dict[int, list[int]] = {index: [index] for index in np.flatnonzero(used).tolist()}
    for left, right, new in tokenizer.model.merges:  # parts come before what is merged from them
        if not used[new]:
            parts[new] = parts.get(left, []) + parts.get(right, [])
            if parts[new]:
                rows[new] = rows[parts[new]].mean(axis=0)
