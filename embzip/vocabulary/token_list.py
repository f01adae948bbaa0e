"""A list of tokens as one string of UTF-8 bytes with an offset each, which NumPy reads whole.

A list of str takes 60 bytes a token beside its text, and Python steps through it; here are 4, and
what is asked of all tokens (their order, numbers that tell them apart) is asked of 8 bytes of
every token at once.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputTypeError

_BLOCK = 1 << 13  # rows at a time: temporary arrays stay in the caches, and in reused memory
_LONG = 64  # bytes; what is longer is rare, and Python compares it
_KEPT = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
_END = np.array([1 << 8 * count for count in range(8)], np.uint64)


class TokenList:
    """Tokens in id order, packed.

    Parameters
    ----------
    text
        The UTF-8 of all tokens, one after another; lone surrogates take three bytes.
    offsets
        Where each token begins, and the end of the last.

    Examples
    --------
    >>> tokens = TokenList.of(["sea", "ship"])
    >>> len(tokens), tokens[1], tokens.text, tokens.offsets.tolist()
    (2, 'ship', b'seaship', [0, 3, 7])
    """

    __slots__ = ("offsets", "text")

    def __init__(self, text: bytes, offsets: "array[int]") -> None:
        self.text = text
        self.offsets = offsets

    @staticmethod
    def of(tokens: Iterable[str]) -> "TokenList":
        """Pack tokens.

        Raises
        ------
        InputTypeError
            For a token that is not a str; names the row.
        """
        if isinstance(tokens, TokenList):
            return tokens
        left, parts, lengths = iter(tokens), [], array("q")
        while block := tuple(islice(left, _BLOCK)):
            try:
                encoded = [token.encode() for token in block]
            except (UnicodeEncodeError, AttributeError):
                encoded = [utf8(token, row) for row, token in enumerate(block, len(lengths))]
            parts.append(b"".join(encoded))
            lengths.extend(map(len, encoded))
        return TokenList.joined(b"".join(parts), np.asarray(lengths))

    @staticmethod
    def joined(text: bytes, lengths: NDArray[Any]) -> "TokenList":
        """Cut a text into tokens of given lengths in bytes."""
        kind = "i" if len(text) < 2**31 else "q"
        ends = np.zeros(len(lengths) + 1, kind)
        np.cumsum(lengths, out=ends[1:])
        offsets = array(kind)
        offsets.frombytes(ends.data.cast("B"))
        return TokenList(text, offsets)

    def __reduce__(self) -> tuple[object, ...]:
        return TokenList, (self.text, self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        """Return the token of a row from 0 to len - 1, which is not checked."""
        coded = self.text[self.offsets[row] : self.offsets[row + 1]]
        return coded.decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))

    def __add__(self, other: "TokenList") -> "TokenList":
        lengths = np.concatenate([self.lengths(), other.lengths()])
        return TokenList.joined(self.text + other.text, lengths)

    @property
    def nbytes(self) -> int:
        """The bytes of the text and the offsets."""
        return len(self.text) + len(self.offsets) * self.offsets.itemsize

    def lengths(self) -> NDArray[Any]:
        """Return the bytes of each token."""
        return np.diff(np.frombuffer(self.offsets, self.offsets.typecode))

    def first_misplaced(self) -> int | None:
        """Return the first row whose token does not stand above the one before in code point order.

        Code point order is that of the UTF-8 bytes.

        >>> TokenList.of(["a", "c", "b"]).first_misplaced()
        2
        """
        words = _Words(self)
        for first in range(0, len(self) - 1, _BLOCK):
            rows = np.arange(first, min(first + _BLOCK + 1, len(self)))
            values = words.take(rows, 0).byteswap()
            bad = self._misplaced(words, rows[1:], values[:-1], values[1:])
            if bad:
                return min(bad)
        return None

    def _misplaced(
        self,
        words: "_Words",
        rows: NDArray[np.int64],
        before: NDArray[np.uint64],
        here: NDArray[np.uint64],
    ) -> list[int]:
        """Return those of some rows that do not stand above the row before.

        `before` and `here` are the first eight bytes of the rows before and of these.
        """
        lengths, offsets, text = words.lengths, self.offsets, self.text
        bad: list[int] = []
        for at in range(8, _LONG, 8):
            bad += rows[before > here].tolist()
            rows = rows[before == here]
            # What is equal up to the end of both, zeros being appended, is told apart by length.
            ended = np.maximum(lengths[rows - 1], lengths[rows]) <= at
            tied, rows = rows[ended], rows[~ended]
            bad += tied[lengths[tied - 1] >= lengths[tied]].tolist()
            if not len(rows):
                return bad
            before, here = words.take(rows - 1, at).byteswap(), words.take(rows, at).byteswap()
        for row in rows.tolist():
            start, middle, end = offsets[row - 1 : row + 2]
            if text[start:middle] >= text[middle:end]:
                bad.append(row)
        return bad

    def remainders(self, modulus: int) -> NDArray[np.int64]:
        """Return `number_of` each token modulo a number below 2**30.

        >>> TokenList.of(["a", "ship"]).remainders(1009).tolist()
        [353, 388]
        >>> number_of(b"a") % 1009, number_of(b"ship") % 1009
        (353, 388)
        """
        words = _Words(self)
        numbers = np.zeros(len(self), np.int64)
        for first in range(0, len(self), _BLOCK):
            rows = np.arange(first, min(first + _BLOCK, len(self)))
            rows = rows[words.lengths[rows] < _LONG]
            for at in range(0, _LONG, 8):
                rows = rows[words.lengths[rows] >= at]
                if not len(rows):
                    break
                left = (words.take(rows, at, end=True) % np.uint64(modulus)).astype(np.int64)
                numbers[rows] = (numbers[rows] + left * pow(256, at, modulus)) % modulus
        offsets = self.offsets
        for row in np.flatnonzero(words.lengths >= _LONG).tolist():
            numbers[row] = number_of(self.text[offsets[row] : offsets[row + 1]]) % modulus
        return numbers


def number_of(coded: bytes) -> int:
    """Return a token's bytes and an end mark as one number, the first byte lowest.

    The mark tells tokens apart that differ in zeros at their end.
    """
    return int.from_bytes(coded + b"\x01", "little")


def utf8(token: str, row: int | None = None) -> bytes:
    """Return a token's UTF-8 bytes; lone surrogates take three.

    Raises
    ------
    InputTypeError
        For anything but a str; names the row.
    """
    if not isinstance(token, str):
        where = "" if row is None else f"row {row}: "
        raise InputTypeError(f"{where}a token must be a str, received {type(token).__name__}")
    return token.encode("utf-8", "surrogatepass")


class _Words:
    """Eight bytes of many tokens at once, as little-endian numbers."""

    def __init__(self, tokens: TokenList) -> None:
        padded = tokens.text + bytes(8)
        self._at = np.ndarray(len(tokens.text) + 1, "<u8", padded, strides=(1,))
        self._starts = np.frombuffer(tokens.offsets, tokens.offsets.typecode)
        self.lengths = tokens.lengths()

    def take(self, rows: NDArray[np.int64], at: int, *, end: bool = False) -> NDArray[np.uint64]:
        """Return bytes `at` to `at + 8` of some rows, beyond a token's end zeros.

        With `end`, a 1 follows the last byte.
        """
        left = np.clip(self.lengths[rows] - at, 0, 8)
        # Beyond the text there is nothing to read, and nothing of it is kept.
        places = np.minimum(self._starts[rows] + at, len(self._at) - 1)
        words: NDArray[np.uint64] = self._at[places].astype(np.uint64, copy=False) & _KEPT[left]
        if end:
            words |= np.where(left < 8, _END[left & 7], 0).astype(np.uint64)
        return words
