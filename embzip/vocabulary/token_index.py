"""A compact table of tokens: id -> token by offset, token -> id by hashing.

All tokens stand in one string of UTF-8 bytes with an offset each; an open-addressing hash table of
32-bit ids, two places a token, finds them (linear probing). That is 12 bytes a token beside its
text, where a dict of str takes 120. Python's own hash of bytes is used: it is seeded anew in each
process, so that no file can be made to collide, and so the table is never stored.
"""

from array import array
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError, InputTypeError


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
        For a token that is no str.
    InputError
        For an empty token or a duplicate; names the row.

    Examples
    --------
    >>> index = TokenIndex(["<PAD>", "sea", "ship"], {0})
    >>> index.find("ship"), index.find("<PAD>"), index.token(1)
    (2, -1, 'sea')
    """

    __slots__ = ("_places", "_table", "offsets", "text")

    def __init__(self, tokens: Sequence[str], hidden: Collection[int] = ()) -> None:
        try:
            encoded = [token.encode() for token in tokens]
        except (UnicodeEncodeError, AttributeError):
            encoded = [_utf8(token, row) for row, token in enumerate(tokens)]
        rows = len(encoded)
        self.text = b"".join(encoded)
        lengths = np.fromiter(map(len, encoded), np.int64, rows)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        kind = "i" if len(self.text) < 2**31 else "q"
        self.offsets = array(kind, ends.astype(kind).tobytes())
        visible = np.ones(rows, bool)
        visible[list(hidden)] = False
        ids = np.flatnonzero(visible)
        hashes = np.fromiter(map(hash, encoded), np.int64, rows)[ids]
        ordered = np.sort(hashes)
        # Equal hashes are nearly always equal tokens; only then is each row looked at.
        if (lengths[ids] == 0).any() or (ordered[1:] == ordered[:-1]).any():
            _check(tokens, ids.tolist())
        self._places = max(1, 2 * len(ids))
        self._table = _hash_table(hashes % self._places, ids, self._places)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """The bytes of the table, the offsets and the text."""
        numbers = sum(len(part) * part.itemsize for part in (self._table, self.offsets))
        return numbers + len(self.text)

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
            key = _utf8(token)
        place = hash(key) % self._places
        table, offsets, text = self._table, self.offsets, self.text
        # The last place is always empty: probing ends there.
        while (found := table[place]) >= 0:
            if text[offsets[found] : offsets[found + 1]] == key:
                return found
            place += 1
        return -1

    def token(self, index: int) -> str:
        """Return the token of an id from 0 to len - 1, which is not checked."""
        coded = self.text[self.offsets[index] : self.offsets[index + 1]]
        return coded.decode("utf-8", "surrogatepass")


def _hash_table(slots: NDArray[np.int64], ids: NDArray[np.int64], places: int) -> "array[int]":
    """Put each id at the first free place from its slot on, all at once: in order of slots."""
    order = np.argsort(slots, kind="stable")
    row = np.arange(len(order))
    place = np.maximum.accumulate(slots[order] - row) + row
    table = np.full(max(places, int(place.max(initial=0)) + 1) + 1, -1, np.int32)
    table[place] = ids[order]
    return array("i", table.tobytes())


def _utf8(token: str, row: int | None = None) -> bytes:
    if not isinstance(token, str):
        where = "" if row is None else f"row {row}: "
        raise InputTypeError(f"{where}a token must be a str, received {type(token).__name__}")
    return token.encode("utf-8", "surrogatepass")


def _check(tokens: Sequence[str], ids: Sequence[int]) -> None:
    first: dict[str, int] = {}
    for row in ids:
        token = tokens[row]
        if not token:
            raise InputError(f"row {row}: a token must not be empty")
        if first.setdefault(token, row) != row:
            raise InputError(
                f"row {row}: the token {token!r} stands already in row {first[token]}; "
                "tokens must be distinct"
            )
