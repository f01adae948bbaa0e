"""The character n-grams of fastText's words, and the mean of their rows, compiled by numba."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.compiling import compiled
from embzip.types import Matrix

_EOS = b"</s>"  # has no n-grams
_FIRST, _PRIME = np.uint32(2166136261), np.uint32(16777619)


@compiled
def _compose(
    text: Any, starts: Any, skipped: int, rows: Any, places: Any, minn: int, maxn: int, made: Any
) -> None:
    """Write the mean of the rows of each word, text[starts[i]:starts[i + 1]], which has < and >."""
    buckets = np.uint32(len(places))
    for word in range(len(starts) - 1):
        begin, end = starts[word], starts[word + 1]
        for column in range(made.shape[1]):
            made[word, column] = rows[word, column]
        count = 1
        at = begin
        while at < end and word != skipped:
            if text[at] & 0xC0 == 0x80:
                at += 1
                continue
            place, length, hashed = at, 1, _FIRST
            while place < end and length <= maxn:
                hashed = _step(hashed, text[place])
                place += 1
                while place < end and text[place] & 0xC0 == 0x80:
                    hashed = _step(hashed, text[place])
                    place += 1
                if length >= minn and not (length == 1 and (at == begin or place == end)):
                    row = places[hashed % buckets]
                    if row >= 0:
                        for column in range(made.shape[1]):
                            made[word, column] += rows[row, column]
                        count += 1
                length += 1
            at += 1
        scale = np.float32(1.0) / np.float32(count)
        for column in range(made.shape[1]):
            made[word, column] *= scale


@compiled
def _step(hashed: Any, byte: Any) -> Any:
    """Return FNV-1a's hash with one more byte, which fastText takes as signed."""
    return np.uint32(np.uint32(hashed ^ np.uint32(np.int32(np.int8(byte)))) * _PRIME)


def composed(
    words: list[bytes], rows: Matrix, places: NDArray[np.int64], lengths: tuple[int, int]
) -> Matrix:
    """Return the mean of the rows of words and of their character n-grams, (words, dim).

    Parameters
    ----------
    rows
        First those of the words, in their order.
    places
        The row of each bucket of n-grams, (buckets,); -1 for those without one.
    lengths
        Of the shortest and the longest n-grams.
    """
    framed = [b"<" + word + b">" for word in words]
    starts = np.zeros(len(words) + 1, np.int64)
    np.cumsum([len(word) for word in framed], out=starts[1:])
    text = np.frombuffer(b"".join(framed), np.uint8)
    made = np.empty((len(words), rows.shape[1]), np.float32)
    skipped = words.index(_EOS) if _EOS in words else -1
    _compose(text, starts, skipped, np.asarray(rows), places, *lengths, made)
    return made
