"""Tokens <-> ids: the vocabulary, and the choice of its tokens by counts.

Holds what ids mean; how a token is found is the business of `token_index.py`.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError, InputTypeError
from embzip.vocabulary.token_index import TokenIndex
from embzip.vocabulary.token_list import TokenList


class Vocabulary:
    """An immutable list of distinct tokens; a token's place is its id.

    Special ids (padding, unknown, ...) have a display name that text never matches: a literal
    `<UNK>` in a text is an ordinary token or an unknown one, and never the special id.

    Parameters
    ----------
    tokens
        In id order; those of special ids are display names.
    special_ids
        Ids that no token looks up. `pad_id` and `unk_id` belong to them by themselves.
    pad_id, unk_id
        None in foreign tables, which have no such rows.

    Raises
    ------
    InputTypeError
        For a token that is not a str, or for one str in place of the list.
    InputError
        For an empty token, a duplicate, or a special id outside the list.

    Examples
    --------
    >>> vocabulary = Vocabulary(["<PAD>", "<UNK>", "word"], pad_id=0, unk_id=1)
    >>> vocabulary["word"], vocabulary.token(2), "<UNK>" in vocabulary, len(vocabulary)
    (2, 'word', False, 3)
    """

    def __init__(
        self,
        tokens: Iterable[str],
        *,
        special_ids: Iterable[int] = (),
        pad_id: int | None = None,
        unk_id: int | None = None,
    ) -> None:
        if isinstance(tokens, str):
            raise InputTypeError("expected an iterable of tokens, received one str: pass [token]")
        tokens = TokenList.of(tokens)
        self.pad_id = pad_id
        self.unk_id = unk_id
        named = {i for i in (pad_id, unk_id) if i is not None}
        self.special_ids = tuple(sorted(named | set(special_ids)))
        for special in self.special_ids:
            if not 0 <= special < len(tokens):
                raise InputError(
                    f"a special id must lie in 0..{len(tokens) - 1}, received {special}"
                )
        self._index = TokenIndex(tokens, self.special_ids)

    def __reduce__(self) -> tuple[object, ...]:
        # Tables are not stored: a copy draws its own prime.
        return _restored, (self._index.tokens, self.special_ids, self.pad_id, self.unk_id)

    @property
    def nbytes(self) -> int:
        """The bytes of all tokens and of what finds them, in memory."""
        return self._index.nbytes

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.tokens)

    def __contains__(self, token: object) -> bool:
        return isinstance(token, str) and self._index.find(token) >= 0

    def __getitem__(self, token: str) -> int:
        found = self._index.find(token)
        if found < 0:
            raise KeyError(token)
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash((self._index.tokens.text, self.special_ids))

    def _content(self) -> tuple[object, ...]:
        tokens = self._index.tokens
        return tokens.text, tokens.offsets, self.special_ids, self.pad_id, self.unk_id

    def get(self, token: str, default: int | None = None) -> int | None:
        """Return a token's id, or `default`."""
        found = self._index.find(token)
        return found if found >= 0 else default

    def token(self, index: int) -> str:
        """Return the token, or the display name, of an id.

        Raises
        ------
        IndexError
            Outside 0..len-1; negative ids are refused too.
        """
        if not 0 <= index < len(self._index):
            raise IndexError(f"id {index} is outside 0..{len(self._index) - 1}")
        return self._index.tokens[index]

    def subset(self, ids: Sequence[int] | NDArray[np.int64]) -> "Vocabulary":
        """Return the vocabulary of some ids, in that order; special ids keep their role."""
        new_id = {int(old): new for new, old in enumerate(ids)}
        return Vocabulary(
            (self.token(int(i)) for i in ids),
            special_ids=(new_id[i] for i in self.special_ids if i in new_id),
            pad_id=None if self.pad_id is None else new_id.get(self.pad_id),
            unk_id=None if self.unk_id is None else new_id.get(self.unk_id),
        )

    def with_tokens(self, tokens: Sequence[str]) -> "Vocabulary":
        """Return the vocabulary with further tokens, which get the ids after the last."""
        return Vocabulary(
            self._index.tokens + TokenList.of(tokens),
            special_ids=self.special_ids,
            pad_id=self.pad_id,
            unk_id=self.unk_id,
        )


def _restored(
    tokens: TokenList, special_ids: tuple[int, ...], pad_id: int | None, unk_id: int | None
) -> Vocabulary:
    return Vocabulary(tokens, special_ids=special_ids, pad_id=pad_id, unk_id=unk_id)


def most_frequent(
    counts: Iterable[tuple[str, int]], *, min_count: int = 1, max_tokens: int
) -> dict[str, int]:
    """Return the most frequent of counted tokens, by falling count; equals in code point order.

    >>> most_frequent([("a", 1), ("b", 2), ("c", 3)], max_tokens=2)
    {'c': 3, 'b': 2}
    """
    enough = ((-count, token) for token, count in counts if count >= min_count)
    return {token: -less for less, token in heapq.nsmallest(max_tokens, enough)}
