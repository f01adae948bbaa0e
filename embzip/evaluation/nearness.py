"""How near a file's table is to another's, in figures that a change of basis cannot falsify.

Where linear decoding was folded into layers, the table stands in another basis, which the layers
undo: its numbers say nothing beside those of the original. What the layers compute from a row is
the same in any basis, and is compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.classifier import Classifier
from embzip.classifier.storage import rounded
from embzip.embedding import CompressedEmbedding
from embzip.evaluation.distortion import reconstruction
from embzip.types import Matrix

OTHER_BASIS = (
    "Numbers of the two tables are not compared, as they may not stand in one basis: decoding may "
    "have been folded into layers, or layers trained, in only one of the files."
)


@dataclass(frozen=True)
class Nearness:
    """How near a table is to the one before, over the rows of tokens that stand in both.

    `snr_db` and `mean_cosine` compare the tables, and are None where these may stand in different
    bases. `read_snr_db` and `read_cosine` compare what the layers compute from each row, and are
    None without two classifiers that differ in nothing else. `comparable` is false where the
    bases leave all four unknown.
    """

    snr_db: float | None = None
    mean_cosine: float | None = None
    read_snr_db: float | None = None
    read_cosine: float | None = None
    comparable: bool = True


def nearness(
    before: CompressedEmbedding | Classifier, after: CompressedEmbedding | Classifier
) -> Nearness:
    """Compare the tables of two files in blocks of rows; all None where a token is not in both."""
    tables = _table(before), _table(after)
    ids = _shared(*tables)
    if ids is None:
        return Nearness()
    if not isinstance(before, Classifier) and not isinstance(after, Classifier):
        if tables[0].dim != tables[1].dim:
            return Nearness()
        return _compared(ids, tables, None, plain=True)
    if not isinstance(before, Classifier) or not isinstance(after, Classifier):
        return Nearness(comparable=False)
    readers = [_reading(each) for each in (before, after)]
    others = [
        [name for name in each.arrays if name not in reading]
        for each, reading in zip((before, after), readers, strict=True)
    ]
    shape = before.config.reading(after.config.columns, indicator=after.config.indicator)
    if (
        (shape, before.labels, readers[0]) != (after.config, after.labels, readers[1])
        or others[0] != others[1]
        or not _equal(before, after, others[0])
    ):
        return Nearness(comparable=False)
    kernels = [
        np.concatenate([_flat(each.arrays[name]) for name in readers[0]], axis=1)
        for each in (before, after)
    ]
    plain = before.config == after.config and _equal(before, after, readers[0])
    return _compared(ids, tables, kernels, plain=plain)


class _Rows:
    """Some rows of a table in a given order, as they are or times a kernel."""

    def __init__(
        self, table: CompressedEmbedding, ids: NDArray[np.int64], kernel: Matrix | None
    ) -> None:
        self._table = table
        self._ids = ids
        self._kernel = kernel

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, ids: NDArray[np.int64], /) -> Matrix:
        rows = self._table[self._ids[ids]]
        if self._kernel is None:
            return rows
        read: Matrix = rows @ self._kernel[: self._table.dim]
        # One more row, if any, belongs to the indicator column, which is 1 for every token.
        read += self._kernel[self._table.dim :].sum(axis=0)
        return read


def _compared(
    ids: NDArray[np.int64],
    tables: tuple[CompressedEmbedding, CompressedEmbedding],
    kernels: Sequence[Matrix] | None,
    *,
    plain: bool,
) -> Nearness:
    table = read = None
    if plain:
        table = reconstruction(_Rows(tables[0], ids[:, 1], None), _Rows(tables[1], ids[:, 0], None))
    if kernels is not None:
        seen = _rotated(kernels)
        read = reconstruction(
            _Rows(tables[0], ids[:, 1], seen[0]), _Rows(tables[1], ids[:, 0], seen[1])
        )
    return Nearness(
        None if table is None else table.snr_db,
        None if table is None else table.mean_cosine,
        None if read is None else read.snr_db,
        None if read is None else read.mean_cosine,
    )


def _rotated(kernels: Sequence[Matrix]) -> tuple[Matrix, Matrix]:
    """Return kernels with at most as many outputs as both have rows.

    Whatever a table's row times a kernel is, it is a combination of the kernels' rows. In an
    orthonormal basis of those, lengths and angles stay as they are, and a wide layer costs no more
    than a narrow one.
    """
    both = np.concatenate(kernels).astype(np.float64)
    basis = np.linalg.qr(both.T).Q
    split = len(kernels[0])
    turned = (both @ basis).astype(np.float32)
    return turned[:split], turned[split:]


def _table(of: CompressedEmbedding | Classifier) -> CompressedEmbedding:
    return of.embedding if isinstance(of, Classifier) else of


def _shared(before: CompressedEmbedding, after: CompressedEmbedding) -> NDArray[np.int64] | None:
    """Return the pairs of rows (after, before) of the tokens of `after`; None if one is missing."""
    old, new = before.vocabulary, after.vocabulary
    if old is None or new is None:
        return None
    special = set(new.special_ids)
    pairs = [(row, old.get(token)) for row, token in enumerate(new) if row not in special]
    if not pairs or any(row is None for _, row in pairs):
        return None
    return np.array(pairs, dtype=np.int64)


def _reading(classifier: Classifier) -> list[str]:
    """Return the names of the kernels that read the table's columns."""
    return [
        f"{layer}.reduce.kernel" if layer in classifier.ranks else f"{layer}.kernel"
        for layer in classifier.config.readers
    ]


def _flat(kernel: Matrix) -> Matrix:
    """Return a kernel (..., columns, outputs) as (columns, all outputs of all taps)."""
    taps = kernel.reshape(-1, *kernel.shape[-2:])
    return taps.transpose(1, 0, 2).reshape(kernel.shape[-2], -1)


def _equal(before: Classifier, after: Classifier, names: Sequence[str]) -> bool:
    """Say whether arrays are the same, apart from how their files store kernels."""
    own, other = ({name: each.arrays[name] for name in names} for each in (before, after))

    def same(a: dict[str, Matrix], b: dict[str, Matrix]) -> bool:
        return all(np.array_equal(a[name], b[name]) for name in names)

    return same(rounded(own, after.kernels), other) or same(own, rounded(other, before.kernels))
