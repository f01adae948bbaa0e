"""Words as sums of pieces: what `transfer` solves. One equation a word, with its weight."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.tokenizers.base import Tokenizer
from embzip.tokenizers.yttm_model import SPACE_MARK
from embzip.types import Matrix
from embzip.vectors.base import Vectors
from embzip.vectors.foreign_tokens import is_alphabetical

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Weighting = Literal["counts", "file order", "uniform"]
Floats = NDArray[np.float64]
_ROWS = 1 << 14  # words processed at a time; bounds the memory


@dataclass(frozen=True, eq=False)
class WordParts:
    """The words of the problem, one equation each."""

    matrix: Matrix  # the whole table, (rows, dim); may be mapped from a file
    ids: NDArray[np.int64]  # the words' rows in it
    parts: "csr_array"  # (words, pieces): each piece's share of the word
    weights: Floats  # their mean is 1
    weighting: Weighting
    piece_counts: NDArray[np.int64] | None
    unknown_rate: float

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Yield the words' rows in blocks, so that the table is never copied as a whole."""
        for first in range(0, len(self.ids), _ROWS):
            chosen = slice(first, first + _ROWS)
            yield chosen, self.matrix[self.ids[chosen]].astype(np.float64)


def word_parts(table: Vectors, tokenizer: Tokenizer, given: Mapping[str, int] | None) -> WordParts:
    from scipy import sparse  # imported here, so that `import embzip` stays fast

    ids = table.ordinary_ids()
    tokens = [table.vocabulary.token(i) for i in ids.tolist()]
    counts = None if table.counts is None else table.counts[ids]
    if given is not None:
        counts = np.array([given.get(token, 0) for token in tokens], np.int64)
    weights, weighting = _weights(tokens, counts)
    vocabulary = tokenizer.vocabulary
    encoded = [
        _as_in_text(token, pieces, vocabulary.get(SPACE_MARK))
        for token, pieces in zip(tokens, tokenizer.encode(tokens), strict=True)
    ]
    unk_id = -1 if vocabulary.unk_id is None else vocabulary.unk_id
    unknown = np.array([pieces.count(unk_id) for pieces in encoded])
    tokens_weight = float(weights @ np.array([len(pieces) for pieces in encoded]))
    rate = float(weights @ unknown) / tokens_weight if tokens_weight else 0.0
    known = [bool(pieces) and unk_id not in pieces for pieces in encoded]
    if not any(known):
        raise InputError(
            f"the tokenizer can encode none of the {len(tokens)} words, the first of which is "
            f"{tokens[0]!r}: is it a tokenizer for their language?"
        )
    kept = np.flatnonzero(np.array(known) & (weights > 0))
    if not len(kept):
        raise InputError(
            f"no word that the tokenizer can encode has a count above 0, the first being "
            f"{tokens[0]!r}: are these the counts of another corpus?"
        )
    encoded = [encoded[place] for place in kept.tolist()]
    lengths = np.array([len(pieces) for pieces in encoded])
    columns = np.concatenate([np.array(pieces, np.int64) for pieces in encoded])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(kept), len(vocabulary))
    parts = sparse.csr_array((np.repeat(1 / lengths, lengths), columns, starts), shape=shape)
    parts.sum_duplicates()
    piece_counts = None
    if counts is not None:
        running = np.repeat(counts[kept], lengths)
        piece_counts = np.bincount(columns, running, len(vocabulary)).astype(np.int64)
    weights = weights[kept] / weights[kept].mean()
    return WordParts(table.matrix, ids[kept], parts, weights, weighting, piece_counts, rate)


def _as_in_text(token: str, pieces: list[int], mark: int | None) -> list[int]:
    """Drop the word mark that punctuation gets on its own; in texts it is attached to a word."""
    if len(pieces) > 1 and pieces[0] == mark and not any(map(str.isalnum, token)):
        return pieces[1:]
    return pieces


def _weights(tokens: list[str], counts: NDArray[np.int64] | None) -> tuple[Floats, Weighting]:
    if counts is not None:
        return counts.astype(np.float64), "counts"
    if is_alphabetical(tokens):
        return np.ones(len(tokens)), "uniform"
    return 1 / (np.arange(len(tokens)) + 2.7), "file order"  # Mandelbrot's offset to Zipf's law
