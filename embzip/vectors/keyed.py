"""Tables of gensim in memory, told by what they have: gensim is not imported for them."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError


class Keyed(Protocol):
    """gensim's KeyedVectors, as far as they are read; a whole model has them as `wv`."""

    index_to_key: list[str]
    vectors: NDArray[np.floating[Any]]


def is_keyed(table: object) -> bool:
    """Say whether something is a KeyedVectors of gensim, or a model with one."""
    keyed = getattr(table, "wv", table)
    return hasattr(keyed, "index_to_key") and hasattr(keyed, "vectors")


def parts_of(
    table: Any,  # KeyedVectors, or a model with them
) -> tuple[list[str], NDArray[np.floating[Any]], NDArray[np.int64] | None]:
    """Return the tokens, the rows and the counts (None if they are not known) of a table.

    Raises
    ------
    InputError
        For a table in which a row has no key, as duplicates leave it.
    """
    keyed = getattr(table, "wv", table)
    tokens = list(keyed.index_to_key)
    if None in tokens:
        raise InputError(
            f"row {tokens.index(None)} of the KeyedVectors has no key, as a token that was added "
            "twice leaves it: add each token once"
        )
    counts = getattr(keyed, "expandos", {}).get("count")
    known = counts is not None and len(counts) == len(tokens) and np.min(counts, initial=0) >= 0
    return tokens, keyed.vectors, np.asarray(counts, np.int64) if known else None
