"""Words that may take each other's place in a mutilated copy: near to one another in a table."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from embzip.classifier import Classifier
from embzip.vectors.neighbours import near_rows

_WORDS = 8192  # the most frequent ones
_NEAR = 8
_BEGIN = "\u2581"  # of a piece that begins a word


class NearWords:
    """For each of the words that are frequent in some texts, those whose rows are near to its own.

    Parameters
    ----------
    teacher
        Whose table it is. Of pieces, those are words that begin one, and are more than its mark.
    texts
        As ids of the teacher.

    Examples
    --------
    >>> from embzip.classifier import MeanConfig
    >>> from embzip.compression import compress
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["coast", "sea", "vote"], Normalization())
    >>> rows = np.array([[0, 0], [0, 0], [3, 4], [4, 4], [-1, 1]], np.float32)
    >>> table = compress(Vectors(words.vocabulary, rows, tokenizer=words), "float32")
    >>> arrays = {"dense.kernel": np.eye(2, dtype=np.float32), "dense.bias": np.zeros(2)}
    >>> teacher = Classifier(table, ("a", "b"), MeanConfig(2, 9), arrays)
    >>> near = NearWords(teacher, teacher.encode(["coast sea sea vote"]))
    >>> near.of("Coast")
    ['sea', 'vote']
    """

    def __init__(self, teacher: Classifier, texts: Sequence[Sequence[int]]) -> None:
        vocabulary = teacher.tokenizer.vocabulary
        pieces = teacher.tokenizer.kind == "bpe"
        counts = np.bincount([*chain.from_iterable(texts)], minlength=len(vocabulary))
        counts[list(vocabulary.special_ids)] = 0
        frequent = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)].tolist()
        named = {row: vocabulary.token(row) for row in frequent}
        if pieces:
            named = {row: token[1:] for row, token in named.items() if token[:1] == _BEGIN}
        rows = [row for row, word in named.items() if word][:_WORDS]
        near = near_rows(teacher.embedding[np.array(rows, np.int64)], _NEAR).tolist()
        self._normalized = teacher.tokenizer.normalization.apply
        self._near = {
            named[row]: [named[rows[other]] for other in others]
            for row, others in zip(rows, near, strict=True)
        }

    def of(self, unit: str) -> Sequence[str]:
        """Return the words near to a word, the nearest first; none for anything else."""
        return self._near.get(self._normalized(unit), ())
