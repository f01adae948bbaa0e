"""Reads fastText's own files, .bin and .ftz: words, their rows, and what its classifier holds.

A word's row is the mean of the row of its own and of those of its character n-grams, which stand
behind the words, in buckets that a hash chooses. Quantized tables (.ftz) are decoded. Everything is
compared with the size of the file before it is read.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.files.limits import check_size
from embzip.files.remote import head_of
from embzip.files.signatures import FASTTEXT as MAGIC
from embzip.types import Matrix

_SUPERVISED = 3
_LOSSES = {1: "hs", 2: "ns", 3: "softmax", 4: "ova"}
_CENTROIDS = 256
_ARGS = struct.Struct("<12id")
_DICTIONARY = struct.Struct("<3i2q")
_LONGEST = 10_000  # bytes of a word
_FLAG, _SHAPE = struct.Struct("<?"), struct.Struct("<2q")
_HEAD, _ENTRY = struct.Struct("<2i"), struct.Struct("<qb")
_QUANTIZER, _CODES = struct.Struct("<4i"), struct.Struct("<2qi")


@dataclass(frozen=True, eq=False)
class FastText:
    """A model of fastText.

    Attributes
    ----------
    words, counts
        The words in the order of their rows, and how often each was seen.
    labels
        Of a supervised model, without `__label__`.
    rows
        (words + buckets, dim) float32: rows of words, then of n-grams.
    output
        (labels, dim) of a supervised model, (words, dim) else.
    loss
        `softmax`, `hs`, `ns` or `ova`.
    minn, maxn
        Lengths of character n-grams; 0 without any.
    word_ngrams
        How many words a word n-gram has at most.
    buckets
        How many a hash chooses from.
    pruned
        Which of them have a row, and which: (n, 2); None where all do.
    """

    words: list[bytes]
    counts: NDArray[np.int64]
    labels: list[str]
    rows: Matrix
    output: Matrix
    loss: str
    minn: int
    maxn: int
    word_ngrams: int
    buckets: int
    pruned: NDArray[np.int32] | None

    @property
    def supervised(self) -> bool:
        """Whether it is a classifier."""
        return bool(self.labels)

    def vectors(self, limit: int | None = None) -> Matrix:
        """Return the rows of the (first) words, (words, dim), with their n-grams composed."""
        words = self.words[:limit]
        if self.maxn == 0 or (self.pruned is not None and not len(self.pruned)):
            return np.ascontiguousarray(self.rows[: len(words)], np.float32)
        from embzip.vectors.subwords import composed  # imported here: it loads numba

        return composed(words, self.rows, self.places(), (self.minn, self.maxn))

    def places(self) -> NDArray[np.int64]:
        """Return the row of each bucket, (buckets,); -1 for those without one."""
        first = len(self.words)
        if self.pruned is None:
            return np.arange(first, first + self.buckets)
        found = np.full(self.buckets, -1, np.int64)
        found[self.pruned[:, 0]] = first + self.pruned[:, 1]
        return found


@contextmanager
def opened_fasttext(path: Path) -> Iterator[FastText]:
    """Yield the model in a file; its plain tables are mapped while the block runs.

    Raises
    ------
    InputError
        For a file that is cut short, too long, of another version, or whose parts do not fit.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        cursor = _Cursor(path, content)
        yield _read(cursor)
        del cursor
        # What still looks at the mapping keeps it.


def is_supervised(path: str | Path) -> bool:
    """Say whether a file of fastText is of a supervised model, by its first bytes."""
    head = head_of(path, _HEAD.size + _ARGS.size)
    return len(head) == _HEAD.size + _ARGS.size and _ARGS.unpack(head[8:])[7] == _SUPERVISED


class _Cursor:
    """Reads a file from front to end, never beyond it."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self.path, self._content, self.at = path, content, 0

    def fail(self, what: str) -> InputError:
        return InputError(f"{self.path}, offset {self.at}: {what}: obtain the fastText file again")

    def unpack(self, shape: struct.Struct) -> tuple[int, ...]:
        found: tuple[int, ...] = shape.unpack(self._take(shape.size))
        return found

    def array(self, dtype: str, *shape: int) -> NDArray[np.generic]:
        """Return an array that looks at the file where it is aligned, else a copy."""
        if min(shape) < 0:
            raise self.fail(f"expected an array, found the shape {shape}")
        size = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
        self._check(size)
        found = np.memmap(self.path, dtype, "r", self.at, shape) if size else np.zeros(shape, dtype)
        self.at += size
        return found

    def word(self) -> bytes:
        end = self._content.find(b"\0", self.at, self.at + _LONGEST)
        if end < 0:
            raise self.fail(f"expected a word of less than {_LONGEST:,} bytes, found none that end")
        word = self._content[self.at : end]
        self.at = end + 1
        return word

    def end(self) -> None:
        left = len(self._content) - self.at
        if left:
            raise self.fail(f"expected the end of the file, found {left:,} more bytes")

    def _take(self, size: int) -> bytes:
        self._check(size)
        self.at += size
        return self._content[self.at - size : self.at]

    def _check(self, size: int) -> None:
        if self.at + size > len(self._content):
            raise self.fail(f"the file is cut short: {size:,} bytes more were expected here")


def _read(cursor: _Cursor) -> FastText:
    magic, version = cursor.unpack(_HEAD)
    if magic != MAGIC or version not in (11, 12):
        raise cursor.fail(f"expected version 11 or 12 of fastText's format, found {version}")
    dim, _, _, _, _, word_ngrams, loss, model, buckets, minn, maxn, _, _ = cursor.unpack(_ARGS)
    check_size("dim", dim)
    if loss not in _LOSSES or not 0 <= minn <= 100 or not 0 <= maxn <= 100 or buckets < 0:
        raise cursor.fail("its options are none of fastText's")
    if version == 11 and model == _SUPERVISED:
        maxn = 0  # these were trained without
    words, counts, labels, pruned = _dictionary(cursor)
    quantized = cursor.unpack(_FLAG)[0]
    rows = _quantized(cursor, dim) if quantized else _plain(cursor, dim)
    quantized_output = cursor.unpack(_FLAG)[0]
    output = _quantized(cursor, dim) if quantized and quantized_output else _plain(cursor, dim)
    cursor.end()
    found = len(words) + (buckets if pruned is None else len(pruned))
    if len(rows) < found and (maxn or word_ngrams > 1):
        raise cursor.fail(f"expected {found} rows, found {len(rows)}")
    if (
        pruned is not None
        and len(pruned)
        and (pruned.min() < 0 or pruned[:, 0].max() >= buckets or pruned[:, 1].max() >= len(pruned))
    ):
        raise cursor.fail("its list of pruned n-grams does not fit its buckets")
    if len(output) < (len(labels) if model == _SUPERVISED else len(words)) or len(rows) < len(
        words
    ):
        raise cursor.fail(f"its tables have too few rows: {len(rows)} and {len(output)}")
    return FastText(
        words, counts, labels if model == _SUPERVISED else [], rows, output, _LOSSES[loss],
        minn if maxn else 0, maxn, word_ngrams, buckets, pruned,
    )  # fmt: skip


def _dictionary(
    cursor: _Cursor,
) -> tuple[list[bytes], NDArray[np.int64], list[str], NDArray[np.int32] | None]:
    size, count, label_count, _, pruned = cursor.unpack(_DICTIONARY)
    if size != count + label_count or min(count, label_count) < 0:
        raise cursor.fail(f"expected {size} words and labels, found {count} and {label_count}")
    words: list[bytes] = []
    labels: list[str] = []
    counts: list[int] = []
    for row in range(size):
        word = cursor.word()
        seen, kind = cursor.unpack(_ENTRY)
        if kind != (row >= count):
            raise cursor.fail(f"entry {row} is in the wrong place: words stand before labels")
        if kind:
            labels.append(word.decode("utf-8", "replace").removeprefix("__label__"))
        else:
            words.append(word)
            counts.append(seen)
    kept = None
    if pruned >= 0:
        kept = np.asarray(cursor.array("<i4", pruned, 2)).astype(np.int32)
    return words, np.array(counts, np.int64), labels, kept


def _plain(cursor: _Cursor, dim: int) -> Matrix:
    rows, columns = cursor.unpack(_SHAPE)
    _check_shape(cursor, rows, columns, dim)
    found: Matrix = cursor.array("<f4", rows, columns)  # type: ignore[assignment]
    return found


def _quantized(cursor: _Cursor, dim: int) -> Matrix:
    with_norms = cursor.unpack(_FLAG)[0]
    rows, columns, size = cursor.unpack(_CODES)
    _check_shape(cursor, rows, columns, dim)
    codes = cursor.array("u1", size)
    made = _decoded(cursor, codes, rows, columns)
    if with_norms:
        norms = _decoded_by(cursor, cursor.array("u1", rows), rows, 1)
        made *= norms
    return made


def _decoded(cursor: _Cursor, codes: NDArray[np.generic], rows: int, dim: int) -> Matrix:
    return _decoded_by(cursor, codes, rows, dim)


def _decoded_by(cursor: _Cursor, codes: NDArray[np.generic], rows: int, dim: int) -> Matrix:
    """Return the rows that a product quantizer's codes stand for."""
    own, parts, width, last = cursor.unpack(_QUANTIZER)
    if own != dim or not 0 < parts <= dim or width * (parts - 1) + last != dim or last > width:
        raise cursor.fail(f"a product quantizer of {parts} parts does not fit {dim} columns")
    if len(codes) != rows * parts:
        raise cursor.fail(f"expected {rows * parts} codes, found {len(codes)}")
    centroids = np.asarray(cursor.array("<f4", dim * _CENTROIDS))
    table = np.empty((rows, dim), np.float32)
    placed = codes.reshape(rows, parts)
    for part in range(parts):
        wide = last if part == parts - 1 else width
        start = part * _CENTROIDS * width
        own_part = centroids[start : start + _CENTROIDS * wide].reshape(_CENTROIDS, wide)
        table[:, part * width : part * width + wide] = own_part[placed[:, part]]
    return table


def _check_shape(cursor: _Cursor, rows: int, columns: int, dim: int) -> None:
    if columns != dim or rows < 0:
        raise cursor.fail(f"expected a table of {dim} columns, found ({rows}, {columns})")
    check_size("rows", rows, least=0)
