"""Words that may take each other's place in a mutilated copy: near to one another in a table."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain

import numpy as np

from embzip.classifier import Classifier
from embzip.vectors.neighbours import near_rows

_ROWS = 8192  # of the most frequent words
_NEAR = 8


def near_words(teacher: Classifier, texts: Iterable[str]) -> dict[str, list[str]]:
    """Return the words of some texts, each with those whose rows are near to its own.

    A word is what stands between spaces, if the teacher reads it as one row: no punctuation is on
    it, and of pieces it is a whole one. Of words with one row, the most frequent stands for all.

    Parameters
    ----------
    teacher
        Whose table it is.
    texts
        Of which the most frequent 8,192 rows are compared.

    Returns
    -------
    At most 8 words for each, the nearest first.

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
    >>> near_words(teacher, ["Coast sea", "sea, vote"])
    {'Coast': ['sea', 'vote'], 'sea': ['Coast', 'vote'], 'vote': ['Coast', 'sea']}
    """
    counts = Counter(chain.from_iterable(text.split() for text in texts))
    units = [unit for unit, _ in counts.most_common()]
    special = teacher.tokenizer.vocabulary.special_ids
    row_of = {
        unit: ids[0]
        for unit, ids in zip(units, teacher.tokenizer.encode(units), strict=True)
        if len(ids) == 1 and ids[0] not in special
    }
    named: dict[int, str] = {}
    for unit, row in row_of.items():
        named.setdefault(row, unit)
    frequent = np.array(list(named), np.int64)[:_ROWS]
    matrix = teacher.embedding[frequent]
    shown = matrix.any(axis=1)  # a row of zeros is near to nothing
    rows = frequent[shown].tolist()
    near = {
        row: [named[rows[other]] for other in others]
        for row, others in zip(rows, near_rows(matrix[shown], _NEAR).tolist(), strict=True)
    }
    return {unit: near[row] for unit, row in row_of.items() if row in near}
