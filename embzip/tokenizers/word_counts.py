"""The words of a corpus that is too large to train on, each as often as fits."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zlib import crc32

from embzip.engine import count_texts
from embzip.tokenizers.base import Normalization
from embzip.tokenizers.yttm_model import SEPARATORS

# Measured: YouTokenToMe keeps the text, and about 116 bytes for each byte of a different word.
_BYTES_A_DIFFERENT = 120
_LONGEST = 1_000_000_000  # bytes of the text: enough for counts that differ by as much
_WORD = re.compile(f"[^{re.escape(SEPARATORS)}]+")
_LINE = 10_000  # bytes, about


@dataclass(frozen=True)
class Scaled:
    """Words and how often each is given to the trainer.

    Attributes
    ----------
    times
        By word, in falling order of its count.
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


def word_counts(texts: Iterable[str], normalization: Normalization | None = None) -> Counter[str]:
    """Count the words that BPE is trained on: what stands between white space.

    Examples
    --------
    >>> word_counts(["the sea, the Sea"])
    Counter({'the': 2, 'sea,': 1, 'Sea': 1})
    """

    def counted(block: list[str]) -> Counter[str]:
        found: Counter[str] = Counter()
        for text in block:
            given = text if normalization is None else normalization.apply(text)
            found.update(_WORD.findall(given))
        return found

    return count_texts(counted, texts)


def scaled(counts: Counter[str], memory: int) -> Scaled:
    """Return how often each word is given to the trainer, so that it uses so many bytes at most.

    Half of them are for the text. Counts are rounded up or down by the word itself, in proportion,
    so that rare words together keep their share; what is too many different words is left out, the
    rarest first. A character that would be lost stays, in one word.

    Examples
    --------
    >>> scaled(Counter({"sea": 6, "sun": 2}), 10_000)
    Scaled(times={'sea': 6, 'sun': 2}, share=1.0, left_out=0.0)
    >>> scaled(Counter({"sea": 60, "as": 6}), 900).times
    {'sea': 60}
    """
    sizes = {word: len(word.encode()) + 1 for word in counts}
    total = sum(count * sizes[word] for word, count in counts.items())
    share = min(1.0, min(_LONGEST, memory / 2) / max(1, total))
    left = (memory - share * total) / _BYTES_A_DIFFERENT
    times: dict[str, int] = {}
    held: set[str] = set()
    given = 0
    for word in sorted(counts, key=lambda word: (-counts[word], word)):
        rounded = counts[word]
        if share < 1:
            rounded = int(rounded * share + (crc32(word.encode()) + 0.5) / 2**32)
        if left < sizes[word] or not rounded:
            if held.issuperset(word):
                continue
            rounded = max(1, rounded)
        left -= sizes[word]
        times[word] = rounded
        held.update(word)
        given += counts[word]
    return Scaled(times, share, 1 - given / max(1, counts.total()))
