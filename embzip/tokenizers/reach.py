"""What a tokenizer does not reach: tokens of texts without an id, tokens of its own no text gives.

A table whose tokenizer fits it badly trains without an error, and its model is bad. So both shares
are told, and warned of above a fifth.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from embzip.engine import map_texts
from embzip.tokenizers.base import Tokenizer

_MOST = 0.2
_NAMED = 5


@dataclass(frozen=True)
class Reach:
    """How a table's tokenizer fits texts and the table.

    Attributes
    ----------
    unknown_rate
        The share of the texts' tokens that are unknown, 0 to 1.
    unreachable
        The table's tokens that no text gives; None for a table with a tokenizer of its own, whose
        tokens come from texts.
    tokens
        The number of the table's tokens, without special ones.
    """

    unknown_rate: float
    unreachable: tuple[str, ...] | None = None
    tokens: int = 0


def unknown_rate(encoded: Iterable[Sequence[int]], unk_id: int | None) -> float:
    """Return the share of ids that are the unknown one; 0 without any ids.

    >>> unknown_rate([[1, 5], [], [1, 7]], 1)
    0.5
    """
    unknown = tokens = 0
    for ids in encoded:
        tokens += len(ids)
        unknown += 0 if unk_id is None else ids.count(unk_id)
    return unknown / tokens if tokens else 0.0


def unreachable(tokenizer: Tokenizer) -> list[str]:
    """Return the tokens of a tokenizer's vocabulary whose own text gives other ids.

    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> unreachable(WordTokenizer(["Mr", "n't", "sea", "u.s."], Normalization()))
    ['Mr', "n't", 'u.s.']
    """
    vocabulary = tokenizer.vocabulary
    special = set(vocabulary.special_ids)
    tokens = [(i, token) for i, token in enumerate(vocabulary) if i not in special]
    encoded = chain.from_iterable(map_texts(tokenizer.encode, (token for _, token in tokens)))
    return [token for (i, token), ids in zip(tokens, encoded, strict=True) if ids != [i]]


def warn_unknown(rate: float, whose: str, remedy: str) -> None:
    """Warn if more than a fifth of the tokens are unknown; `whose` names the texts."""
    if rate > _MOST:
        warnings.warn(
            f"{whose}: {rate:.1%} of the tokens are unknown to the tokenizer: {remedy}",
            stacklevel=3,
        )


def warn_unreachable(lost: Sequence[str], rows: int, remedy: str) -> None:
    """Warn if no text gives more than a fifth of a table's tokens."""
    if len(lost) > _MOST * rows:
        warnings.warn(
            f"{len(lost):,} of the table's {rows:,} tokens are never read, since the tokenizer "
            f"makes them of no text, such as {named(lost)}: {remedy}",
            stacklevel=3,
        )


def named(tokens: Sequence[str]) -> str:
    """Return the first of some tokens, for a message.

    >>> print(named(["n't", "u.s."]))
    "n't", 'u.s.'
    """
    return ", ".join(map(repr, tokens[:_NAMED]))
