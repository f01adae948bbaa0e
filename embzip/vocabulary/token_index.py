"""A compact table of tokens: id -> token by offset, token -> id by hashing.

All tokens stand in one string of UTF-8 bytes with an offset each; an open-addressing hash table of
32-bit ids, two places a token, finds them (linear probing). That is 12 bytes a token beside its
text, where a dict of str takes 120. A token's place is its bytes, as one number, times a factor
modulo a prime, both drawn anew for each table: NumPy computes all places at once, neighbours are
scattered, and no file can be made to collide.
"""

import os
from array import array
from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from embzip.errors import DuplicateError, InputError
from embzip.vocabulary.token_list import TokenList, utf8

_BLOCK = 1 << 13  # rows at a time
_HIDDEN = 2**31 - 1  # above every number
_DIVISORS = np.array([2, *range(3, 1 << 15, 2)])


class TokenIndex:
    """Tokens in id order, and the id of each but the hidden ones.

    Parameters
    ----------
    tokens
        In id order.
    hidden
        Ids that no token finds; their texts may be empty or stand twice.

    Raises
    ------
    InputTypeError
        For a token that is not a str.
    InputError
        For an empty token or a duplicate; names the row.

    Examples
    --------
    >>> index = TokenIndex(["<PAD>", "sea", "ship"], {0})
    >>> index.find("ship"), index.find("<PAD>"), index.tokens[1]
    (2, -1, 'sea')
    """

    __slots__ = ("_factor", "_offsets", "_prime", "_step", "_table", "_text", "tokens")

    def __init__(self, tokens: Iterable[str], hidden: Collection[int] = ()) -> None:
        self.tokens = TokenList.of(tokens)
        self._text, self._offsets = self.tokens.text, self.tokens.offsets
        rows, shown = len(self.tokens), len(self.tokens) - len(set(hidden))
        self._prime, self._factor = _random_prime(), _random_prime()
        self._step = self._prime // max(1, 2 * shown) + 1  # numbers that share a place
        # Each step is in place: what is freed in between, the C library seldom gives back.
        numbers = self.tokens.remainders(self._prime)
        numbers *= self._factor
        numbers %= self._prime
        numbers[list(hidden)] = _HIDDEN
        # Number and id in one: sorting these is faster than finding the order of the numbers.
        numbers <<= 32
        for first in range(0, rows, _BLOCK):
            numbers[first : first + _BLOCK] |= np.arange(first, min(first + _BLOCK, rows))
        numbers.sort()
        numbers = numbers[:shown]
        ids = numbers.astype(np.uint32).view(np.int32)  # the lower half
        numbers >>= 32
        _check(self.tokens, ids, numbers)
        numbers //= self._step
        self._table = _hash_table(numbers, ids)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @property
    def nbytes(self) -> int:
        """The bytes of the table, the offsets and the text."""
        return len(self._table) * self._table.itemsize + self.tokens.nbytes

    def find(self, token: str) -> int:
        """Return a token's id, or -1.

        Raises
        ------
        InputTypeError
            For anything but a str.
        """
        try:
            key = token.encode()
        except (UnicodeEncodeError, AttributeError):
            key = utf8(token)
        # `number_of`, without the call.
        number = int.from_bytes(key + b"\x01", "little")
        place = number * self._factor % self._prime // self._step
        table, offsets, text = self._table, self._offsets, self._text
        # The last place is always empty: probing ends there.
        while (found := table[place]) >= 0:
            if text[offsets[found] : offsets[found + 1]] == key:
                return found
            place += 1
        return -1


def _random_prime() -> int:
    """Return a prime between 2**29 and 2**30, which Python divides by in one step."""
    while True:
        drawn = int.from_bytes(os.urandom(4), "little") % (1 << 29) + (1 << 29)
        if (drawn % _DIVISORS).all():
            return drawn


def _hash_table(slots: NDArray[np.int64], ids: NDArray[np.int32]) -> "array[int]":
    """Put each id at the first free place from its slot on, all at once: slots are in order.

    The slots are overwritten.
    """
    for first in range(0, len(slots), _BLOCK):
        slots[first : first + _BLOCK] -= np.arange(first, min(first + _BLOCK, len(slots)))
    np.maximum.accumulate(slots, out=slots)
    for first in range(0, len(slots), _BLOCK):
        slots[first : first + _BLOCK] += np.arange(first, min(first + _BLOCK, len(slots)))
    places = max(2 * len(ids), int(slots.max(initial=0)) + 1) + 1
    made = array("i", [-1]) * places
    np.frombuffer(made, np.int32)[slots] = ids
    return made


def _check(tokens: TokenList, ids: NDArray[np.int32], numbers: NDArray[np.int64]) -> None:
    """Raise for an empty token or a duplicate; only tokens of equal numbers may be equal."""
    same = np.zeros(len(ids) + 1, bool)
    np.equal(numbers[1:], numbers[:-1], out=same[1:-1])
    suspects = {*ids[same[1:] | same[:-1]].tolist()}
    empty = np.flatnonzero(tokens.lengths() == 0)
    suspects.update(empty[np.isin(empty, ids)].tolist())
    first: dict[str, int] = {}
    for row in sorted(suspects):
        token = tokens[row]
        if not token:
            raise InputError(f"row {row}: a token must not be empty")
        if first.setdefault(token, row) != row:
            raise DuplicateError(
                f"row {row}: the token {token!r} stands already in row {first[token]}; "
                "tokens must be distinct"
            )
