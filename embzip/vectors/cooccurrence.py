"""How often two tokens stand near each other in a corpus: whole numbers, in a sparse matrix.

Counted by blocks of texts, whose sums are exact: neither the blocks nor their order change them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embzip.engine import reduce_texts, spans
from embzip.errors import InputError
from embzip.memory import available_memory
from embzip.tokenizers.base import Tokenizer
from embzip.vectors.encoding import encoded_ids

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_TOKENS = 1 << 20  # of a block whose pairs are made at a time
# Bytes that a pair takes at most: a number of 8 bytes and a column of 4, in the half that is
# counted, in its mirror image, and in their sum, which has twice as many.
_PAIR_BYTES = 4 * 12


class Cooccurrences(NamedTuple):
    """What stands near what.

    Attributes
    ----------
    counts
        How often each id occurs, (rows,).
    pairs
        int64, (rows, rows), symmetric: how often two ids stand near each other, each time weighted
        by nearness: `window` for neighbours, 1 at a distance of `window` tokens.
    """

    counts: NDArray[np.int64]
    pairs: "csr_array[Any]"


def cooccurrences(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    *,
    window: int,
    where: str,
    reserved: int = 0,
    memory: int | None = None,
) -> Cooccurrences:
    """Count what stands near what within texts.

    A pair's weight falls with its distance, as in word2vec, which draws the window of each token
    from 1 to `window`: `window + 1 - distance` is `window` times what that gives on average.

    Parameters
    ----------
    window
        The largest distance of two tokens.
    where
        The name of the corpus in messages.
    reserved
        Bytes that are needed besides, for what is made of the pairs.
    memory
        How many bytes may be used; None asks the system.

    Raises
    ------
    InputError
        Where the pairs need more memory than there is; says how much, and what to do.
    InputTypeError, IdRangeError
        For a tokenizer that does not give lists of ids of its vocabulary.

    References
    ----------
    Levy, Goldberg, Dagan: Improving Distributional Similarity with Lessons Learned from Word
    Embeddings. TACL 2015: the dynamic context window.

    Examples
    --------
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> words = WordTokenizer(["sea", "ship", "sun"], Normalization())
    >>> found = cooccurrences(["sea ship sun", "sea ship"], words, window=2, where="two texts")
    >>> found.counts[2:].tolist(), found.pairs.toarray()[2:, 2:].tolist()
    ([2, 2, 1], [[0, 4, 1], [4, 0, 2], [1, 2, 0]])
    """
    rows = len(tokenizer.vocabulary)
    allowed = available_memory() if memory is None else memory

    def checked(found: Cooccurrences) -> Cooccurrences:
        needed = found.pairs.nnz * _PAIR_BYTES + reserved
        if needed > allowed:
            raise InputError(
                f"{where}: {found.pairs.nnz:,} pairs of tokens, counted in {found.counts.sum():,} "
                f"tokens of text, need {needed / 1e9:,.3f} GB of memory, and {allowed / 1e9:,.3f} "
                "GB may be used: pass a smaller window, or a tokenizer with fewer rows (a larger "
                "--min-count, a smaller --max-vocab or --vocab)"
            )
        return found

    def counted(block: list[str]) -> Cooccurrences:
        encoded, ids = encoded_ids(block, tokenizer)
        text_of = np.repeat(np.arange(len(encoded)), [len(text) for text in encoded])
        counts = np.bincount(ids, minlength=rows)
        return checked(Cooccurrences(counts, _half(ids, text_of, rows, window)))

    def added(one: Cooccurrences, other: Cooccurrences) -> Cooccurrences:
        return checked(Cooccurrences(one.counts + other.counts, one.pairs + other.pairs))

    half = reduce_texts(counted, added, texts)
    half = counted([]) if half is None else half
    return Cooccurrences(half.counts, (half.pairs + half.pairs.T).tocsr())


def _half(
    ids: NDArray[np.int64], text_of: NDArray[np.int64], rows: int, window: int
) -> "csr_array[Any]":
    """Return the weights of pairs (smaller id, larger id): one half of a symmetric matrix."""
    from scipy import sparse

    ids, text_of = ids.astype(np.int32), text_of.astype(np.int32)
    total = sparse.csr_array((rows, rows), dtype=np.int64)
    for part in spans(len(ids), _TOKENS):
        for distance in range(1, window + 1):
            after = slice(part.start + distance, part.stop + distance)
            right = ids[after]
            left = ids[part][: len(right)]
            same = text_of[part][: len(right)] == text_of[after]
            if not same.any():
                break  # no text is longer than that
            left, right = left[same], right[same]
            weights = np.full(len(left), window + 1 - distance, np.int64)
            places = (np.minimum(left, right), np.maximum(left, right))
            total = total + sparse.coo_array((weights, places), shape=(rows, rows)).tocsr()
    return total
