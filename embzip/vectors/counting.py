"""How often the rows of a table occur in a corpus: what weighs their errors in `compress`."""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from embzip.engine import count_texts
from embzip.errors import InputError
from embzip.tokenizers.base import Normalization, Tokenizer
from embzip.tokenizers.word_pattern import word_pattern
from embzip.vocabulary import Vocabulary

_AS_WRITTEN = Normalization(lowercase=False)


def row_counts(vocabulary: Vocabulary, counts: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the count of each row's token, (rows,); 0 for those that have none.

    Raises
    ------
    InputError
        Where no token has a count.

    Examples
    --------
    >>> row_counts(Vocabulary(["sea", "ship"]), {"ship": 3, "sun": 1}).tolist()
    [0, 3]
    """
    found = np.zeros(len(vocabulary), np.int64)
    for token, count in counts.items():
        row = vocabulary.get(token)
        if row is not None:
            found[row] = count
    if not found.any():
        raise InputError(
            f"none of the table's {len(vocabulary)} tokens is among those that were counted: count "
            "texts in the language and the case of the table"
        )
    return found


def counts_in(
    texts: Iterable[str], vocabulary: Vocabulary, tokenizer: Tokenizer | None = None
) -> NDArray[np.int64]:
    """Return how often each row of a table occurs in texts, (rows,).

    Parameters
    ----------
    tokenizer
        Of the table. Of a foreign table, which has none, the words of the texts are looked up as
        they are written, and lower-cased where that is no token.

    Raises
    ------
    InputError
        Where no token of the table occurs.

    Examples
    --------
    >>> counts_in(["The sea, the Sea"], Vocabulary(["sea", "The", "ship"])).tolist()
    [2, 1, 0]
    """
    special = set(vocabulary.special_ids)

    def counted(block: list[str]) -> Counter[str]:
        found: Counter[str] = Counter()
        if tokenizer is not None:
            ids = Counter(index for text in tokenizer.encode(block) for index in text)
            return Counter({vocabulary.token(i): n for i, n in ids.items() if i not in special})
        for text in map(_AS_WRITTEN.apply, block):
            words = word_pattern(text).findall(text)
            tokens = (word if word in vocabulary else word.lower() for word in words)
            found.update(token for token in tokens if token in vocabulary)
        return found

    with count_texts(counted, texts) as counts:
        return row_counts(vocabulary, dict(counts.items()))
