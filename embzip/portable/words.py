"""Token lists as other languages read them: sorted words in blocks that are searched in place.

Every 16th word stands whole, so that a search by halves ends in a block; each other one says how
many bytes it keeps of the word before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.errors import UnsupportedModelError

BLOCK = 16
MOST_BYTES = 255  # of a word
_LONG = 15  # as a number of four bits: the whole number follows


@dataclass(frozen=True, eq=False)
class WordBlocks:
    """Sorted words, front coded in blocks.

    Attributes
    ----------
    content
        A block's first word: its bytes, and their number before them. A further one: a byte of
        kept + 16 * added, or FF and two bytes; then what is added.
    starts
        Where each block begins.
    longest
        The most bytes that a word has.
    """

    content: NDArray[np.uint8]
    starts: NDArray[np.uint32]
    longest: int


def word_blocks(words: Sequence[str]) -> WordBlocks:
    """Return the blocks of words in code point order.

    Raises
    ------
    UnsupportedModelError
        For a word of more than 255 bytes.

    Examples
    --------
    >>> blocks = word_blocks(["able", "ably", "zoo"])
    >>> blocks.content.tobytes()
    b'\\x04able\\x13y0zoo'
    """
    content, starts, before = bytearray(), [], b""
    longest = 0
    for index, word in enumerate(words):
        coded = word.encode("utf-8", "surrogatepass")
        if len(coded) > MOST_BYTES:
            raise UnsupportedModelError(
                f"C source holds words of at most {MOST_BYTES} bytes, and {word[:20]!r}... has "
                f"{len(coded)}: prune it from the vocabulary"
            )
        longest = max(longest, len(coded))
        if index % BLOCK == 0:
            starts.append(len(content))
            content.append(len(coded))
            content += coded
        else:
            kept = _shared(before, coded)
            added = len(coded) - kept
            if kept < _LONG and added < _LONG:
                content.append(kept | added << 4)
            else:
                content += bytes((0xFF, kept, added))
            content += coded[kept:]
        before = coded
    return WordBlocks(np.frombuffer(content, np.uint8), np.array(starts, np.uint32), longest)


def _shared(one: bytes, other: bytes) -> int:
    """Return how many bytes two words begin with alike."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
