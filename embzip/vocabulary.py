"""Tokens <-> ids, and tokens <-> compact bytes.

Counting and pruning choose rows; they are functions over arrays. How text becomes tokens is the
business of `embzip.tokenizers`.
"""

import lzma
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embzip.errors import FileFormatError, InputError

# A dictionary of 8 MB bounds the memory of both sides: the preset alone would take 670 MB.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 23}]


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
        self._tokens = tuple(tokens)
        self.pad_id = pad_id
        self.unk_id = unk_id
        named = {i for i in (pad_id, unk_id) if i is not None}
        self.special_ids = tuple(sorted(named | set(special_ids)))
        for special in self.special_ids:
            if not 0 <= special < len(self._tokens):
                raise InputError(
                    f"a special id must lie in 0..{len(self._tokens) - 1}, received {special}"
                )
        specials = set(self.special_ids)
        self._ids: dict[str, int] = {}
        for index, token in enumerate(self._tokens):
            if index in specials:
                continue
            if not token:
                raise InputError(f"row {index}: a token must not be empty")
            first = self._ids.setdefault(token, index)
            if first != index:
                raise InputError(
                    f"row {index}: the token {token!r} stands already in row {first}; "
                    "tokens must be distinct"
                )

    def __len__(self) -> int:
        return len(self._tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __getitem__(self, token: str) -> int:
        return self._ids[token]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (self._tokens, self.special_ids, self.pad_id, self.unk_id) == (
            other._tokens,
            other.special_ids,
            other.pad_id,
            other.unk_id,
        )

    def __hash__(self) -> int:
        return hash((self._tokens, self.special_ids))

    def get(self, token: str, default: int | None = None) -> int | None:
        """Return a token's id, or `default`."""
        return self._ids.get(token, default)

    def token(self, index: int) -> str:
        """Return the token, or the display name, of an id.

        Raises
        ------
        IndexError
            Outside 0..len-1; negative ids are refused too.
        """
        if not 0 <= index < len(self._tokens):
            raise IndexError(f"id {index} is outside 0..{len(self._tokens) - 1}")
        return self._tokens[index]

    def subset(self, ids: Sequence[int] | NDArray[np.int64]) -> "Vocabulary":
        """Return the vocabulary of some ids, in that order; special ids keep their role."""
        new_id = {int(old): new for new, old in enumerate(ids)}
        return Vocabulary(
            (self._tokens[int(i)] for i in ids),
            special_ids=(new_id[i] for i in self.special_ids if i in new_id),
            pad_id=None if self.pad_id is None else new_id.get(self.pad_id),
            unk_id=None if self.unk_id is None else new_id.get(self.unk_id),
        )


def most_frequent(
    counts: Counter[str], *, min_count: int = 1, max_tokens: int | None = None
) -> list[str]:
    """Return the most frequent tokens, by falling count; equal counts stand in code point order.

    >>> most_frequent(Counter("abbccc"), max_tokens=2)
    ['c', 'b']
    """
    kept = [token for token, count in counts.items() if count >= min_count]
    kept.sort(key=lambda token: (-counts[token], token))
    return kept[:max_tokens]


def encode_tokens(tokens: Sequence[str]) -> bytes:
    """Return tokens as compact bytes: front coding, then LZMA.

    Each token is stored as the number of leading bytes it shares with the one before, the number
    of bytes that follow, and those bytes; sorted tokens share most. Any order round-trips.

    >>> decode_tokens(encode_tokens(["able", "ably", "zoo"]), 3)
    ['able', 'ably', 'zoo']
    """
    shared: list[int] = []
    lengths: list[int] = []
    suffixes: list[bytes] = []
    before = b""
    for token in tokens:
        coded = token.encode("utf-8", "surrogatepass")
        same = 0
        bound = min(len(before), len(coded), 255)
        while same < bound and before[same] == coded[same]:
            same += 1
        shared.append(same)
        lengths.append(len(coded) - same)
        suffixes.append(coded[same:])
        before = coded
    # Three streams a model each: like goes with like, which LZMA rewards.
    plain = (
        np.asarray(shared, np.uint8).tobytes()
        + np.asarray(lengths, "<u4").view(np.uint8).reshape(-1, 4).T.tobytes()
        + b"".join(suffixes)
    )
    return compress(plain)


def decode_tokens(content: bytes, rows: int) -> list[str]:
    """Return the `rows` tokens that `encode_tokens` made bytes of.

    Raises
    ------
    FileFormatError
        Where the bytes do not hold exactly that many tokens.
    """
    plain = decompress(content)
    shared = np.frombuffer(plain, np.uint8, min(rows, len(plain)))
    planes = np.frombuffer(plain, np.uint8, min(4 * rows, len(plain) - len(shared)), len(shared))
    if len(planes) != 4 * rows:
        raise FileFormatError(f"the vocabulary is cut short: {rows} tokens were expected")
    lengths = np.ascontiguousarray(planes.reshape(4, rows).T).view("<u4").ravel().tolist()
    tokens: list[str] = []
    before = b""
    at = 5 * rows
    if at + sum(lengths) != len(plain):
        raise FileFormatError("the vocabulary's lengths do not add up to its size")
    try:
        for same, length in zip(shared.tolist(), lengths, strict=True):
            before = before[:same] + plain[at : at + length]
            at += length
            tokens.append(before.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        raise FileFormatError(f"token {len(tokens)} of the vocabulary is not UTF-8") from error
    return tokens


def compress(content: bytes) -> bytes:
    """Return bytes in LZMA without a container: digests are kept elsewhere."""
    return lzma.compress(content, lzma.FORMAT_RAW, filters=_FILTERS)


def decompress(content: bytes, limit: int = 1 << 30) -> bytes:
    """Undo `compress`; at most `limit` bytes, so that a small file cannot fill the memory.

    Raises
    ------
    FileFormatError
        For bytes that are no complete LZMA stream, or that expand beyond the limit.
    """
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        plain = decompressor.decompress(content, limit)
    except lzma.LZMAError as error:
        raise FileFormatError(f"the compressed vocabulary is damaged: {error}") from error
    if not decompressor.eof:
        raise FileFormatError("the compressed vocabulary is cut short, or far larger than allowed")
    return plain
