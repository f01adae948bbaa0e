"""The words of a corpus that is too large to train on, each as often as fits."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import accumulate
from zlib import crc32

from embzip.engine import Counts, count_texts
from embzip.tokenizers.base import Normalization
from embzip.tokenizers.yttm_model import SEPARATORS

# Measured: YouTokenToMe keeps the text, and about 116 bytes for each byte of a different word.
_BYTES_A_DIFFERENT = 120
_LONGEST = 1_000_000_000  # bytes of the text: enough for counts that differ by as much
_WORD = re.compile(f"[^{re.escape(SEPARATORS)}]+")
_LINE = 10_000  # bytes, about
_SPARE = 10_000  # bytes of words that are held beyond those that may fit


@dataclass(frozen=True)
class Scaled:
    """Words and how often each is given to the trainer.

    Attributes
    ----------
    times
        By word, in falling order of its count; words for a lost character stand last.
    share
        How often a word is given for each time it was counted.
    left_out
        The share of the running words that are of words left out, the rarest.
    """

    times: dict[str, int]
    share: float
    left_out: float

    def lines(self) -> Iterator[str]:
        """Yield lines that hold each word as often as that."""
        for word, times in self.times.items():
            together = max(1, _LINE // (len(word) + 1))
            for first in range(0, times, together):
                yield " ".join([word] * min(together, times - first))


def word_counts(
    texts: Iterable[str], normalization: Normalization | None = None
) -> AbstractContextManager[Counts]:
    """Count the words that BPE is trained on, what stands between white space; see `count_texts`.

    Examples
    --------
    >>> with word_counts(["the sea, the Sea"]) as counts:
    ...     dict(counts.items())
    {'the': 2, 'sea,': 1, 'Sea': 1}
    """

    def counted(block: list[str]) -> Counter[str]:
        found: Counter[str] = Counter()
        for text in block:
            given = text if normalization is None else normalization.apply(text)
            found.update(_WORD.findall(given))
        return found

    return count_texts(counted, texts)


def scaled(counts: Counts, memory: int) -> Scaled:
    """Return how often each word is given to the trainer, so that it uses so many bytes at most.

    Half of them are for the text. Counts are rounded up or down by the word itself, in proportion,
    so that rare words together keep their share; what is too many different words is left out, the
    rarest first. A character that would be lost stays, in one word. Words are held for about twice
    as many bytes as those that the trainer is given: all that were counted may be on disk.

    Examples
    --------
    >>> with word_counts(["sea sea sun"]) as counts:
    ...     scaled(counts, 10_000)
    Scaled(times={'sea': 2, 'sun': 1}, share=1.0, left_out=0.0)
    >>> with word_counts(["sea " * 60 + "as " * 6]) as counts:
    ...     scaled(counts, 900).times
    {'sea': 60}
    """
    total = sum(count * _size(word) for word, count in counts.items())
    share = min(1.0, min(_LONGEST, memory / 2) / max(1, total))
    left = (memory - share * total) / _BYTES_A_DIFFERENT

    def rounded(word: str, count: int) -> int:
        if share == 1:
            return count
        return int(count * share + (crc32(word.encode()) + 0.5) / 2**32)

    given = ((-count, word) for word, count in counts.items() if rounded(word, count))
    fitting = _most_frequent_within(given, left)
    times = {word: rounded(word, -less) for less, word in fitting}
    held: set[str] = set().union(*times)
    known = -sum(less for less, _ in fitting)
    for less, word in sorted(_first_with_each_lost(counts, held)):
        if not held.issuperset(word):
            times[word] = max(1, rounded(word, -less))
            held.update(word)
            known -= less
    return Scaled(times, share, 1 - known / max(1, counts.total))


def _most_frequent_within(words: Iterable[tuple[int, str]], size: float) -> list[tuple[int, str]]:
    """Return the first of (-count, word) in order that take so many bytes together."""
    found: list[tuple[int, str]] = []
    taken = 0
    for each in words:
        found.append(each)
        taken += _size(each[1])
        if taken > 2 * size + _SPARE:
            # The first that does not fit stays: none behind it comes in.
            found = found[: _fitting(found, size) + 1]
            taken = sum(_size(word) for _, word in found)
    return found[: _fitting(found, size)]


def _fitting(words: list[tuple[int, str]], size: float) -> int:
    """Sort words, and return how many of the first take so many bytes together."""
    words.sort()
    return bisect_right(list(accumulate(_size(word) for _, word in words)), size)


def _size(word: str) -> int:
    """Return the bytes that a word and the space behind it take."""
    return len(word.encode()) + 1


def _first_with_each_lost(counts: Counts, held: set[str]) -> set[tuple[int, str]]:
    """Return (-count, word) of the most frequent word with each character that is not held."""
    first: dict[str, tuple[int, str]] = {}
    for word, count in counts.items():
        if not held.issuperset(word):
            for character in set(word) - held:
                first[character] = min(first.get(character, (0, "")), (-count, word))
    return set(first.values())
