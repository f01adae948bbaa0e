"""Texts to ids of a table's rows, with a tokenizer's answer checked; trains nothing."""

from itertools import chain

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputTypeError
from embzip.tokenizers.base import Tokenizer, check_ids


def encoded_ids(
    texts: list[str], tokenizer: Tokenizer
) -> tuple[list[list[int]], NDArray[np.int64]]:
    """Return the ids of each text, and of all of them in one array.

    Raises
    ------
    InputTypeError
        Where the tokenizer does not return a list of int for each text.
    IdRangeError
        For an id outside its vocabulary; names the position.

    Examples
    --------
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> encoded_ids(["sea sea", "sun"], WordTokenizer(["sea", "sun"], Normalization()))
    ([[2, 2], [3]], array([2, 2, 3]))
    """
    encoded = tokenizer.encode(texts)
    for ids in encoded:
        if not isinstance(ids, list):
            raise InputTypeError(
                "a tokenizer's encode must return a list of int for each text, received "
                f"{type(ids).__name__}"
            )
    together = list(chain.from_iterable(encoded))
    rows = len(tokenizer.vocabulary)
    found = np.asarray(together, None if together else np.int64)
    if len(found) and (found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= rows):
        check_ids(together, rows)
    return encoded, found.astype(np.int64, copy=False)
