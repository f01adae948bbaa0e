"""Fewer rows: the tokens worth keeping, chosen by how often they stand in the corpus.

The pruned vocabulary can also be trained anew: `build_words(max_vocab=N)`, then `train_vectors`.
"""

from dataclasses import dataclass

import numpy as np

from embzip.errors import InputError, SpecError
from embzip.tokenizers.words import WordTokenizer
from embzip.vectors import Table, Vectors, vectors_of


@dataclass(frozen=True, eq=False)
class Pruned:
    """What `prune` kept.

    Attributes
    ----------
    vectors
        The smaller table; its surviving rows stand in their old order.
    rows_before, rows_after
        Rows, special ones included.
    coverage
        The share of the corpus' running tokens with a row of their own, 0 to 1; tokens unknown
        before count as not covered. None where the table has no counts.
    """

    vectors: Vectors
    rows_before: int
    rows_after: int
    coverage: float | None


def prune(vectors: Table, *, max_vocab: int | None = None, min_count: int | None = None) -> Pruned:
    """Keep the rows of the most frequent tokens, and all special rows.

    Parameters
    ----------
    max_vocab
        How many rows to keep beside the special ones, by falling count; of equal counts the
        earlier row. Of a foreign table without counts the first rows are kept: word2vec, GloVe
        and fastText files stand by falling frequency.
    min_count
        The least count of a token that is kept. With `max_vocab` too, both must hold.

    Returns
    -------
    Pruned
        Rows keep their order. Texts' dropped tokens become unknown, and their counts those of the
        unknown row, whose vector stays as it was. A word tokenizer is pruned with its table.

    Raises
    ------
    SpecError
        Where no bound is given, or one is below 1.
    InputError
        Where counts are needed and missing, for a BPE table, whose pieces make up one another,
        or where nothing would be left.

    Examples
    --------
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["sea", "ship", "sun"]), np.eye(3), np.array([5, 1, 4]))
    >>> pruned = prune(table, max_vocab=2)
    >>> list(pruned.vectors.vocabulary), pruned.coverage
    (['sea', 'sun'], 0.9)
    """
    for name, bound in (("max_vocab", max_vocab), ("min_count", min_count)):
        if bound is not None and (not isinstance(bound, int) or bound < 1):
            raise SpecError(f"{name} must be a whole number of at least 1, received {bound!r}")
    if max_vocab is None and min_count is None:
        raise SpecError("prune needs a bound: pass max_vocab (--max-vocab) or min_count")
    vectors = vectors_of(vectors)
    counts = vectors.counts
    tokenizer = vectors.tokenizer
    if tokenizer is not None and tokenizer.kind != "words":
        raise InputError(
            f"a table of {tokenizer.kind} pieces cannot be pruned, because its pieces make up one "
            "another: build a smaller tokenizer (`embzip build-bpe --vocab N`) and train vectors "
            "for it (`embzip train-vectors`)"
        )
    if counts is None and (min_count is not None or tokenizer is not None):
        raise InputError(
            "this table has no counts of its tokens, by which to choose: train the vectors again "
            "(`embzip train-vectors`)"
            + ("" if tokenizer else ", or pass max_vocab (--max-vocab) to keep its first rows")
        )
    ids = vectors.ordinary_ids()
    kept = ids
    if counts is not None:
        kept = kept[counts[kept] >= (min_count or 0)]
        kept = kept[np.argsort(-counts[kept], kind="stable")]
    kept = np.sort(kept[:max_vocab])
    if not len(kept):
        raise InputError(f"no token stands {min_count or 1} times in the corpus: lower min_count")
    survivors = np.union1d(kept, np.asarray(vectors.vocabulary.special_ids, np.int64))
    coverage = None
    if counts is not None:
        unk_id = vectors.vocabulary.unk_id
        covered = int(counts[kept].sum())
        total = int(counts[ids].sum()) + (0 if unk_id is None else int(counts[unk_id]))
        coverage = covered / total if total else 0.0
        counts = counts.copy()
        if unk_id is not None:
            counts[unk_id] = total - covered
        counts = counts[survivors]
    if tokenizer is not None:
        words = [vectors.vocabulary.token(i) for i in kept.tolist()]
        tokenizer = WordTokenizer(words, tokenizer.normalization, counts)
    smaller = Vectors(
        vectors.vocabulary.subset(survivors), vectors.matrix[survivors], counts, tokenizer
    )
    return Pruned(smaller, vectors.rows, smaller.rows, coverage)
