"""Writes a corpus as lines of token ids, laid out for gensim's fast path. Trains nothing."""

from collections.abc import Iterable
from typing import IO

import numpy as np
from numpy.typing import NDArray

from embzip.engine import map_texts
from embzip.tokenizers.base import Tokenizer
from embzip.vectors.encoding import encoded_ids

GROUP = 10_001  # tokens; gensim ends a batch of lines once it has read more than 10,000
_MOST = 9_999  # tokens of text in a group; gensim skips what follows the 10,000th
_FILLER = b"-"  # not an id, so it is counted but not trained


class IdFile:
    """Lines of ids, laid out so that gensim's fast path trains each exactly once per epoch.

    The fast path reads lines until it has more than 10,000 tokens, and trains only the first
    10,000: of two lines of 10,000 tokens it drops one. Each thread starts at its share of the
    bytes, which may be in the middle of a line, or even of a number. So lines are put into groups
    of equal size in tokens and in bytes, padded with blanks and a token that is not an id. Each
    group is then one batch, and the number of groups is a multiple of the number of threads.
    """

    def __init__(self, file: IO[bytes], rows: int) -> None:
        self._file = file
        self._names = [b"%d" % index for index in range(rows)]
        self._group_size = GROUP * (len(self._names[-1]) + 1)  # bytes
        self._tokens = self._size = 0  # of the group that is being written
        self.lines = self.groups = 0
        self.longest = 0  # text, in tokens

    def add(self, ids: list[int]) -> None:
        """Write the ids of a text, in several lines if they do not fit into one group."""
        self.longest = max(self.longest, len(ids))
        for start in range(0, len(ids), _MOST):
            piece = ids[start : start + _MOST]
            if self._tokens + len(piece) > _MOST:
                self._end_group()
            self._write(b" ".join([self._names[index] for index in piece]))
            self._tokens += len(piece)

    def finish(self, most_threads: int) -> int:
        """Pad the file, and return how many threads may read it, at least 1."""
        if self._tokens:
            self._end_group()
        threads = max(min(most_threads, self.groups), 1)
        for _ in range(-self.groups % threads):
            self._end_group()
        return threads

    def _end_group(self) -> None:
        filler = b" ".join([_FILLER] * (GROUP - self._tokens))
        self._write(filler.ljust(self._group_size - self._size - 1))
        self._tokens = self._size = 0
        self.groups += 1

    def _write(self, line: bytes) -> None:
        self._size += self._file.write(line + b"\n")
        self.lines += 1


def write_ids(texts: Iterable[str], tokenizer: Tokenizer, file: IdFile) -> NDArray[np.int64]:
    """Tokenize texts into a file, and return how often each id occurs."""
    rows = len(tokenizer.vocabulary)
    counts = np.zeros(rows, np.int64)
    for encoded, together in map_texts(lambda block: encoded_ids(block, tokenizer), texts):
        counts += np.bincount(together, minlength=rows)
        for ids in encoded:
            file.add(ids)
    return counts
