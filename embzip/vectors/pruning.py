"""Prunes a table: keeps the tokens with the best scores, and maps or drops the others.

`by_count` and `by_norm` compute scores here, `embzip.sensitivity` computes how much a classifier
depends on each token. Nothing is trained here; to train vectors for a smaller vocabulary, use
`build_words(max_vocab=N)`, then `train_vectors`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embzip.errors import InputError, MismatchError, SpecError
from embzip.tokenizers import AliasedWords
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.words import WordTokenizer
from embzip.vectors.base import Table, Vectors, vectors_of
from embzip.vectors.foreign_tokens import is_alphabetical
from embzip.vectors.neighbours import directions

Ids = NDArray[np.int64]
Scores = NDArray[np.float64]
_BLOCK = 1 << 10  # dropped rows compared with all kept rows at a time


@dataclass(frozen=True, eq=False)
class Pruned:
    """The result of `prune`.

    Attributes
    ----------
    vectors
        The smaller table; the kept rows are in their old order.
    rows_before, rows_after
        The number of rows, special ones included.
    coverage
        The share of the tokens of the corpus, each occurrence counted, that have a row of their
        own, 0 to 1; tokens that were unknown before are not covered. None without counts.
    remapped
        The number of dropped tokens that read the row of another token.
    """

    vectors: Vectors
    rows_before: int
    rows_after: int
    coverage: float | None
    remapped: int = 0


def prune(
    vectors: Table,
    *,
    max_vocab: int | None = None,
    min_count: int | None = None,
    scores: ArrayLike | None = None,
    cover: Sequence[Sequence[int]] | None = None,
    remap: bool = False,
) -> Pruned:
    """Keep the rows of the best tokens, and all special rows.

    Parameters
    ----------
    max_vocab
        How many rows to keep besides the special ones: those with the highest scores; of equal
        scores, the earlier row. If the table has fewer, all are kept.
    min_count
        The smallest count of a token that is kept. If `max_vocab` is given too, both apply.
    scores
        (rows,), larger is better; by default the counts. Of a foreign table without counts, the
        first rows are kept: word2vec, GloVe and fastText files are sorted by falling frequency.
        Rows in alphabetical order are not guessed at, but refused.
    cover
        Texts as ids of the table. The best token of each text is kept first, so that no text
        loses all of its known tokens as long as `max_vocab` allows; then the best of the others.
    remap
        Whether a dropped token reads the kept row with the largest cosine similarity to its own,
        instead of becoming unknown. Needs a word tokenizer, which then keeps the dropped tokens.

    Returns
    -------
    Pruned
        Rows keep their order. Dropped tokens become unknown and their counts are added to those of
        the unknown row, whose vector does not change; with `remap`, they are added to those of the
        row that the token now reads. A word tokenizer is pruned with its table.

    Raises
    ------
    SpecError
        If neither `max_vocab` nor `min_count` is given, or one is below 1.
    InputError
        If counts are needed and missing, for a BPE table (its pieces are built from one another),
        for scores that are not finite, or if no row would be kept.
    MismatchError
        For scores or texts that belong to another table.

    References
    ----------
    Joulin, Grave, Bojanowski, Douze, Jégou, Mikolov: FastText.zip. 2016, arXiv:1612.03651, for
    keeping at least one feature of every text.

    Examples
    --------
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["sea", "ship", "sun"]), np.eye(3), np.array([5, 1, 4]))
    >>> pruned = prune(table, max_vocab=2)
    >>> list(pruned.vectors.vocabulary), pruned.coverage
    (['sea', 'sun'], 0.9)
    >>> list(prune(table, max_vocab=2, cover=[[0, 2], [1]]).vectors.vocabulary)
    ['sea', 'ship']
    """
    for name, bound in (("max_vocab", max_vocab), ("min_count", min_count)):
        if bound is not None and (not isinstance(bound, int) or bound < 1):
            raise SpecError(f"{name} must be a whole number of at least 1, received {bound!r}")
    if max_vocab is None and min_count is None:
        raise SpecError(
            "prune needs a limit: pass max_vocab (--max-vocab) or min_count (--min-count)"
        )
    vectors = vectors_of(vectors)
    counts = vectors.counts
    _check_prunable(vectors, remap)
    if counts is None and min_count is not None:
        raise InputError(_NO_COUNTS)
    ranked = by_count(vectors) if scores is None else _checked_scores(scores, vectors)
    ids = vectors.ordinary_ids()
    if counts is not None:
        ids = ids[counts[ids] >= (min_count or 0)]
    kept = _covering(ranked, ids, cover or (), vectors.rows)[:max_vocab]
    kept.sort()
    if not len(kept):
        raise InputError(
            f"no token occurs {min_count or 1} times or more in the corpus: lower min_count"
        )
    survivors = np.union1d(kept, np.asarray(vectors.vocabulary.special_ids, np.int64))
    unk_id = vectors.vocabulary.unk_id
    reads = np.full(vectors.rows, -1 if unk_id is None else unk_id)  # the old row a token reads now
    reads[survivors] = survivors
    if remap:
        gone = np.setdiff1d(vectors.ordinary_ids(), kept)
        reads[gone] = _nearest(vectors, gone, kept)
    coverage = None
    if counts is not None:
        total = int(counts.sum())
        coverage = int(counts[kept].sum()) / total if total else 0.0
        read = reads >= 0
        counts = np.bincount(reads[read], counts[read], vectors.rows).astype(np.int64)[survivors]
    vocabulary = vectors.vocabulary.subset(survivors)
    tokenizer = _tokenizer(vectors, survivors, reads, counts, remap)
    smaller = Vectors(vocabulary, vectors.matrix[survivors], counts, tokenizer)
    aliases = tokenizer.aliases if isinstance(tokenizer, AliasedWords) else ()
    return Pruned(smaller, vectors.rows, smaller.rows, coverage, len(aliases))


def by_count(vectors: Vectors) -> Scores:
    """Score rows by their counts, or rows of a foreign table without counts by their order.

    Raises
    ------
    InputError
        For a table without counts whose rows stand in alphabetical order, as they do in every
        table with a word tokenizer.
    """
    if vectors.counts is not None:
        return vectors.counts.astype(np.float64)
    if vectors.tokenizer is not None:
        raise InputError(_NO_COUNTS)
    tokens = [vectors.vocabulary.token(i) for i in vectors.ordinary_ids().tolist()]
    if is_alphabetical(tokens):
        raise InputError(
            f"choosing tokens by count needs counts, or rows by falling frequency, but the "
            f"{len(tokens):,} tokens from {tokens[0]!r} to {tokens[-1]!r} stand in alphabetical "
            "order: choose another score (--by norm), or train the vectors again into a .embz "
            "file, which holds counts (`embzip train-vectors`)"
        )
    return -np.arange(vectors.rows, dtype=np.float64)


def by_norm(vectors: Vectors) -> Scores:
    """Score rows by their Euclidean norm; training gives uninformative tokens small norms.

    >>> from embzip.vocabulary import Vocabulary
    >>> by_norm(Vectors(Vocabulary(["sea", "ship"]), np.array([[3.0, 4], [1, 0]]))).tolist()
    [5.0, 1.0]
    """
    lengths: Scores = np.linalg.norm(vectors.matrix, axis=1).astype(np.float64)
    return lengths


_NO_COUNTS = (
    "choosing tokens by count needs counts, and this table has none: train the vectors again "
    "(`embzip train-vectors`), choose another score (--by), or, for a foreign table, keep the "
    "first rows (--max-vocab)"
)


def _check_prunable(vectors: Vectors, remap: bool) -> None:
    tokenizer = vectors.tokenizer
    if tokenizer is not None and not isinstance(tokenizer, WordTokenizer | AliasedWords):
        raise InputError(
            f"a table of {tokenizer.kind} pieces cannot be pruned, because its pieces are built "
            "from one another: build a smaller tokenizer (`embzip build-bpe --vocab N`) and train "
            "vectors for it (`embzip train-vectors`)"
        )
    if remap and tokenizer is None:
        raise InputError(
            "mapping dropped tokens to kept rows needs a table with a word tokenizer, and this "
            "foreign table has none: leave out remap (--remap), or train the vectors "
            "(`embzip train-vectors`)"
        )


def _checked_scores(scores: ArrayLike, vectors: Vectors) -> Scores:
    checked = np.asarray(scores, np.float64)
    if checked.shape != (vectors.rows,):
        raise MismatchError(
            f"expected {vectors.rows} scores, one per row, received shape {checked.shape}"
        )
    if not np.isfinite(checked).all():
        row = int(np.flatnonzero(~np.isfinite(checked))[0])
        raise InputError(f"scores must be finite, received {checked[row]} for row {row}")
    return checked


def _covering(scores: Scores, ids: Ids, texts: Sequence[Sequence[int]], rows: int) -> Ids:
    """Return ids: first the best of each text, then the others, each in order of falling score.

    The paper goes through all tokens by falling score and keeps those that occur in a text without
    a kept token. That keeps the best token of each text, and no other.
    """
    ordered = ids[np.argsort(-scores[ids], kind="stable")]
    rank = np.full(rows, rows)
    rank[ordered] = np.arange(len(ordered))
    first = np.zeros(rows, bool)
    for number, text in enumerate(texts):
        if len(text) and not 0 <= min(text) <= max(text) < rows:
            bad = min(text) if min(text) < 0 else max(text)
            raise MismatchError(
                f"text {number}: ids of this table lie in 0..{rows - 1}, received {bad}"
            )
        best = min((int(rank[token]) for token in text), default=rows)
        if best < rows:
            first[ordered[best]] = True
    return np.concatenate([ordered[first[ordered]], ordered[~first[ordered]]])


def _nearest(vectors: Vectors, gone: Ids, kept: Ids) -> Ids:
    """Return, for each dropped row, the kept id with the largest cosine similarity."""
    targets = directions(vectors.matrix[kept]).T
    found = [
        kept[(directions(vectors.matrix[gone[first : first + _BLOCK]]) @ targets).argmax(axis=1)]
        for first in range(0, len(gone), _BLOCK)
    ]
    return np.concatenate([*found, np.zeros(0, np.int64)])


def _tokenizer(
    vectors: Vectors, survivors: Ids, reads: Ids, counts: Ids | None, remap: bool
) -> Tokenizer | None:
    old = vectors.tokenizer
    if old is None:
        return None
    special = set(vectors.vocabulary.special_ids)
    names = [vectors.vocabulary.token(i) for i in survivors.tolist() if i not in special]
    stems = isinstance(old, WordTokenizer) and old.stems
    words = WordTokenizer(names, old.normalization, counts, stems=stems)
    new_id = {int(index): place for place, index in enumerate(survivors)}
    aliases = dict(old.aliases) if isinstance(old, AliasedWords) else {}
    if remap:
        aliases |= {vectors.vocabulary.token(i): i for i in vectors.ordinary_ids().tolist()}
    # An alias follows the row it read; if that row became unknown, so does the alias.
    moved = {word: new_id[int(reads[index])] for word, index in aliases.items()}
    aliases = {
        word: index
        for word, index in moved.items()
        if index not in words.vocabulary.special_ids and word not in words.vocabulary
    }
    return AliasedWords(words, aliases) if aliases else words
