"""Lists of tokens <-> compact bytes: front coding in one stream, then LZMA.

The bytes are the CRC-32 of what follows, and an LZMA2 stream. Expanded, a token is a number and a
text. The number says what it keeps of the token before: 0 nothing, n all but the last n - 1 bytes.
It is written as bytes below 20 (hexadecimal), 1F for each whole 31 and the rest, so that it also
ends the text before. The text is the UTF-8 that follows; a control character in it is FF and the
character + 40.

LZMA is Python's own. Front coding is written here: libraries that have it (tries and other static
dictionaries) sort tokens into a structure for look-up, where a file needs any order in few bytes.

Numbers counted from the end of the token before, among the letters they belong to, tell LZMA more
than streams of their own: `scripts/bench_vocabulary.py` has the figures.
"""

import re
import zlib
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import FileFormatError, InputError
from embzip.files.limits import MOST_TOKEN, text_limit
from embzip.vocabulary.lzma2 import compress, decompress
from embzip.vocabulary.token_list import TokenList

_BASE = 31
_CONTROL = re.compile(rb"[\x00-\x1f]")
_BEGINNING = re.compile(rb"[\x00-\x1f]|\Z")
_BEGINS = re.compile(rb"(?<!\x1f)[\x00-\x1f]")  # a token
_ENDLESS = re.compile(rb"\x1f(?![\x00-\x1f])")
_NO_LAST_DIGIT = bytes(range(_BASE, 256))
_MOST = 1 << 28  # bytes, however many tokens there are: offsets are 32-bit
_PART = 1 << 16  # bytes, about, that are read at a time
_COLUMNS = 64  # kept bytes that are copied a column at a time; few tokens keep more


def limit_of(tokens: int) -> int:
    """Return the most bytes that so many tokens may take, as text and in front coding."""
    return min(text_limit(tokens), _MOST)


def encode_tokens(tokens: Sequence[str], *, limit: int | None = None) -> bytes:
    """Return tokens as compact bytes; any order round-trips, sorted tokens become smallest.

    `limit` is the most bytes they may take, where that is not `limit_of` so many tokens.

    Raises
    ------
    InputError
        For tokens that take more than `limit_of` so many, in UTF-8 or in front coding, or one of
        more than 1 MB.

    Examples
    --------
    >>> list(decode_tokens(encode_tokens(["able", "ably", "zoo"]), 3))
    ['able', 'ably', 'zoo']
    """
    plain = bytearray()
    before = b""
    total = longest = 0
    for token in tokens:
        coded = token.encode("utf-8", "surrogatepass")
        total += len(coded)
        longest = max(longest, len(coded))
        same = 0
        bound = min(len(before), len(coded))
        while same < bound and before[same] == coded[same]:
            same += 1
        number = len(before) - same + 1
        # A long number costs more than a short beginning saves.
        if number > _BASE * same:
            number = same = 0
        plain += b"\x1f" * (number // _BASE)
        plain.append(number % _BASE)
        plain += _CONTROL.sub(lambda found: bytes((0xFF, found[0][0] | 0x40)), coded[same:])
        before = coded
    most = limit_of(len(tokens)) if limit is None else limit
    if longest > MOST_TOKEN:
        raise InputError(
            f"a token has at most {MOST_TOKEN:,} bytes, and one has {longest:,}: remove it"
        )
    if max(total, len(plain)) > most:
        raise InputError(
            f"a vocabulary of {len(tokens):,} tokens takes at most {most:,} bytes, received "
            f"{total:,} ({len(plain):,} in front coding): prune it, or remove its longest tokens"
        )
    packed = compress(bytes(plain))
    return zlib.crc32(packed).to_bytes(4, "little") + packed


def decode_tokens(content: bytes, rows: int, *, limit: int | None = None) -> TokenList:
    """Return the `rows` tokens that `encode_tokens` made bytes of, with the same `limit`.

    Raises
    ------
    FileFormatError
        Where the bytes do not hold exactly that many tokens, or are damaged.
    """
    packed = memoryview(content)[4:]
    if zlib.crc32(packed).to_bytes(4, "little") != content[:4]:
        raise FileFormatError("the compressed vocabulary does not match its CRC-32: it was changed")
    most = limit_of(rows) if limit is None else limit
    plain = decompress(packed, most)
    # One byte below 1F ends each number: tokens are counted before anything is built.
    found = len(plain.translate(None, _NO_LAST_DIGIT))
    if found != rows:
        raise FileFormatError(f"the vocabulary holds {found} tokens, {rows} were expected")
    return _decode(plain, rows, most)


def _decode(plain: bytes, rows: int, most: int) -> TokenList:
    # A number that no byte below 1F ends belongs to no token, nor does text before the first.
    if not _BEGINNING.match(plain) or _ENDLESS.search(plain):
        raise FileFormatError("the vocabulary does not begin or end with a whole token")
    if b"\x1f" * (most // _BASE + 2) in plain:
        raise FileFormatError("a token of the vocabulary drops more than all of them may have")
    unfolding = _Unfolding(rows, most)
    start = 0
    while start < len(plain):
        cut = _BEGINS.search(plain, start + _PART)
        end = cut.start() if cut else len(plain)
        unfolding.add(*_columns(plain[start:end]))
        start = end
    return unfolding.tokens()


def _columns(plain: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    """Return what whole tokens of the stream add, the lengths of that, and their numbers."""
    stream = np.frombuffer(plain, np.uint8)
    is_text = stream > _BASE
    last_digits = np.flatnonzero(stream < _BASE)
    bounds = np.append(last_digits, len(stream))
    numbers = stream[last_digits].astype(np.int32)
    lengths = np.diff(bounds) - 1
    whole = np.flatnonzero(stream == _BASE)
    if len(whole):
        before = np.searchsorted(whole, bounds)
        numbers += _BASE * np.diff(before[:-1], prepend=0).astype(np.int32)
        lengths -= np.diff(before)
    if b"\xff" in plain:
        after = (stream[:-1] == 0xFF) & (stream[1:] >= 0x40) & (stream[1:] < 0x60)
        stream = stream.copy()
        stream[1:][after] &= 0x1F
        is_text[:-1][after] = False
        lengths -= np.diff(np.searchsorted(np.flatnonzero(after), bounds))
    return stream[is_text], lengths, numbers


class _Unfolding:
    """Front coding -> tokens, part by part, so that temporary arrays stay small."""

    def __init__(self, rows: int, most: int) -> None:
        self._most = most
        self._text = bytearray()
        self._offsets = array("i", [0]) * (rows + 1)
        self._last = b""  # token
        self._rows = 0

    def tokens(self) -> TokenList:
        """Return all tokens."""
        tokens = TokenList(bytes(self._text), self._offsets)
        _check_utf8(tokens)
        return tokens

    def add(
        self, suffixes: NDArray[np.uint8], lengths: NDArray[Any], numbers: NDArray[Any]
    ) -> None:
        """Add tokens.

        Parameters
        ----------
        suffixes
            What each token adds to what it keeps, one after another.
        lengths
            The bytes of each suffix.
        numbers
            0 keeps nothing of the token before, n all but its last n - 1 bytes.
        """
        if not len(numbers):
            return
        # The last token so far goes first, as one that keeps nothing, and leaves at the end.
        suffixes = np.concatenate([np.frombuffer(self._last, np.uint8), suffixes])
        lengths = np.concatenate([[len(self._last)], lengths])
        numbers = np.concatenate([[0], numbers])
        sums = np.cumsum(np.where(numbers > 0, lengths - numbers + 1, lengths))
        # Counted from the last token that keeps nothing.
        begins = np.maximum.accumulate(np.where(numbers > 0, 0, np.arange(len(sums))))
        whole = sums - np.where(begins > 0, sums[begins - 1], 0)
        kept = whole - lengths
        bad = (numbers > 0) & (kept < 1)
        if bad.any():
            row = int(np.argmax(bad))
            raise FileFormatError(
                f"token {self._rows + row - 1} of the vocabulary drops {numbers[row] - 1} of the "
                f"{whole[row - 1]} bytes before it"
            )
        row = int(np.argmax(whole))
        if whole[row] > MOST_TOKEN:
            raise FileFormatError(
                f"token {self._rows + row - 1} of the vocabulary has {whole[row]:,} bytes: at most "
                f"{MOST_TOKEN:,} are allowed"
            )
        ends = len(self._text) + np.cumsum(whole[1:])
        if ends[-1] > self._most:
            raise FileFormatError(
                f"the vocabulary holds more than {self._most:,} bytes: far larger than allowed"
            )
        first = self._rows + 1
        self._rows += len(ends)
        np.frombuffer(self._offsets, np.int32)[first : self._rows + 1] = ends
        text = _unfolded(suffixes, lengths, kept)
        self._text += text[whole[0] :]
        self._last = text[len(text) - whole[-1] :]


def _unfolded(
    suffixes: NDArray[np.uint8], lengths: NDArray[np.int64], kept: NDArray[np.int64]
) -> bytes:
    """Return the whole text of tokens: what each keeps is copied from its forerunners."""
    ends = np.cumsum(kept + lengths)
    starts = ends - kept - lengths
    text = np.empty(int(ends[-1]), np.uint8)
    own = np.tile([False, True], len(kept))
    text[np.repeat(own, np.column_stack([kept, lengths]).reshape(-1))] = suffixes
    rows = np.arange(len(kept))
    for column in range(min(_COLUMNS, int(kept.max()))):
        rows = rows[kept[rows] > column]
        # Neighbours that keep this byte all have that of the row before the first of them.
        first = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        runs = np.diff(first, append=len(rows))
        text[starts[rows] + column] = np.repeat(text[starts[rows[first] - 1] + column], runs)
    for row in np.flatnonzero(kept > _COLUMNS).tolist():
        here, before, rest = int(starts[row]), int(starts[row - 1]), int(kept[row])
        text[here + _COLUMNS : here + rest] = text[before + _COLUMNS : before + rest]
    return text.tobytes()


def _check_utf8(tokens: TokenList) -> None:
    """Raise where a token is not UTF-8; lone surrogates may stand in it."""
    if tokens.text.isascii():
        return
    # Valid as a whole, and no token begins within a character: each is valid.
    starts = np.frombuffer(tokens.offsets, tokens.offsets.typecode)[:-1]
    starts = starts[tokens.lengths() > 0]
    begun = np.frombuffer(tokens.text, np.uint8)[starts] & 0xC0 != 0x80
    if begun.all():
        try:
            tokens.text.decode("utf-8", "surrogatepass")
            return
        except UnicodeDecodeError:
            pass  # some token is not, and is named
    for row in range(len(tokens)):
        try:
            tokens[row]
        except UnicodeDecodeError as error:
            raise FileFormatError(f"token {row} of the vocabulary is not UTF-8") from error
