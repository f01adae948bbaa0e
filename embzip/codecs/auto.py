"""`auto:500KB`, `auto:25B/row`: the chain of least error for that many bytes.

What counts are the bytes of codes and params, or what a caller measures, such as a whole file; the
error is the weighted one, by the metric where there is one. Candidates are floats, uniform
quantizers of 1 to 8 bits, with and without a truncated SVD, and trellis-coded quantization of the
largest rate that fits, with and without a k-means code a row. All are fitted to a sample of rows,
and what they lose there is measured: no model of it knows a table's clusters. Product quantizers
are no candidates: they need an optional package, and stand further from the bound than these.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import Layout
from embzip.codecs.base import Quantizer, Transform, Unscaled
from embzip.codecs.chain import Codec
from embzip.codecs.ops import ArrayOps, numpy_ops
from embzip.codecs.row_classes.tcq import Tcq
from embzip.codecs.sampling import sample_rows
from embzip.codecs.scalar.floats import Float16, Float32
from embzip.codecs.scalar.int4 import Int1, Int2, Int4
from embzip.codecs.scalar.int8 import Int8
from embzip.codecs.spec import Stage
from embzip.codecs.transforms.svd import Svd
from embzip.codecs.wrappers.coarse import Coarse
from embzip.engine import Table, map_rows
from embzip.errors import EmbzipError, InputError, SpecError
from embzip.types import Arrays, Matrix

_ROWS = 20_000  # on which the candidates are compared
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_BUDGET = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(B|KB|MB|GB)(/row)?", re.IGNORECASE)
_PLAIN = (Float32(), Float16(), Int8(), Int4(), Int2(), Int1())
_RANKED = (Float16(), Int8(), Int4(), Int2())
_SHARES = (1.0, 0.75, 0.5, 0.25, 0.125)  # of the columns, for a trellis behind a truncated SVD
_COARSE_SHARES = (1.0, 0.5)  # the same with a k-means code a row
_COARSE_CLASSES = (8, 4, 2)  # clusters do part of what classes do, whose codes take up to 3.5 bits
_ROWS_A_CENTROID = 64  # so that centroids are not those of the sample alone
_RATES = (1.0, 0.75, 0.5)  # of the largest that fits
Measure = Callable[[Codec, int, int], int]
_MOST_RATE = 8000  # of a trellis, in thousandths of a bit a number


@dataclass(frozen=True)
class Auto(Quantizer):
    """The chain of least error whose codes and params take at most so many bytes.

    Attributes
    ----------
    budget
        As written, such as '500KB' (1 KB is 1,000 bytes) or '25B/row'.
    measure
        Returns the bytes that a chain takes, of rows and columns: of codes and params by default,
        or of the file that it stands in.
    """

    budget: str
    measure: Measure | None = field(default=None, repr=False, compare=False)
    name: ClassVar[str] = "auto"
    usage: ClassVar[str] = ":BYTES or :BYTES/row"
    example: ClassVar[str] = "auto:300KB"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        if len(stage.arguments) != 1 or stage.options or not _BUDGET.fullmatch(stage.arguments[0]):
            raise SpecError(
                f"'auto' takes a number of bytes, such as auto:500KB or auto:25B/row, "
                f"received {str(stage)!r}"
            )
        return cls(stage.arguments[0].upper().replace("/ROW", "/row"))

    @property
    def stage(self) -> Stage:
        return Stage(self.name, (self.budget,))

    @property
    def resolved(self) -> bool:
        return False

    def nbytes(self, rows: int) -> int:
        """Return the bytes a table of `rows` rows may take."""
        found = _BUDGET.fullmatch(self.budget)
        if found is None:
            raise SpecError(f"'auto' cannot read {self.budget!r}: write auto:500KB or auto:25B/row")
        number, unit, each = found.groups()
        return int(float(number) * _UNITS[unit] * (rows if each else 1))

    def resolve(
        self,
        table: Table,
        *,
        weights: NDArray[np.float64] | None,
        metric: Matrix | None,
        seed: int,
    ) -> tuple[tuple[Transform, ...], Quantizer]:
        rows, dim = table.shape
        budget = self.nbytes(rows)
        measure = self.measure or _layout_nbytes
        samples: dict[int, tuple[Matrix, NDArray[np.float64]]] = {}
        best: tuple[float, int, Codec] | None = None
        refused: EmbzipError | None = None
        for codec in _candidates(rows, dim, budget, measure):
            wanted = _sampled(codec)
            if wanted not in samples:
                drawn = sample_rows(table, wanted, weights=weights, seed=seed)
                samples[wanted] = _with_farthest(table, drawn)
            sample, mass = samples[wanted]
            try:
                error = _error(codec, sample, mass, metric, seed) / float(mass.sum())
            except (InputError, SpecError) as error_of_one:
                # Such as a number that float16 does not hold: others may do.
                refused = error_of_one
                continue
            size = measure(codec, rows, dim)
            if best is None or (error, size) < best[:2]:
                best = error, size, codec
        if best is not None:
            return best[2].transforms, best[2].quantizer
        if refused is not None:
            raise refused
        least = min(measure(made(1), rows, dim) for made, _, _ in _families(rows, dim))
        of = "" if self.measure is None else "a file of "
        raise SpecError(
            f"no chain puts {rows} x {dim} numbers into {of}{budget} bytes ('auto:{self.budget}'): "
            f"the least is {least}, write auto:{least}B"
        )

    # Before it has become a chain there is nothing to fit.

    def layout(self, rows: int, dim: int) -> Layout:
        raise self._unresolved()

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        raise self._unresolved()

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        raise self._unresolved()

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        raise self._unresolved()

    def unscaled(self, params: Arrays) -> Unscaled:
        raise self._unresolved()

    def _unresolved(self) -> SpecError:
        return SpecError(f"{str(self.stage)!r} depends on the table: resolve it first")


def _families(rows: int, dim: int) -> Iterator[tuple[Callable[[int], Codec], int, Sequence[float]]]:
    """Yield kinds of chains: what makes one of a whole number from 1, and the largest number.

    The third says at which shares of the largest number that fits a chain is tried. Trellises are
    also at lower rates: on tables with few very far numbers more bits are not always better.
    """
    ranks = min(rows, dim)
    for quantizer in _PLAIN:
        yield partial(_plain, quantizer), 1, (1.0,)
    for quantizer in _RANKED:
        yield partial(_ranked, quantizer), ranks, (1.0,)
    yield partial(_coded, None), _MOST_RATE, _RATES
    for rank in _ranks(_SHARES, ranks):
        yield partial(_coded, rank), _MOST_RATE, _RATES
    for rank in _ranks(_COARSE_SHARES, ranks) if rows > 1 else ():
        for classes in _COARSE_CLASSES:
            yield partial(_clustered, rows, rank, classes), _MOST_RATE, (1.0,)


def _ranks(shares: Sequence[float], ranks: int) -> list[int]:
    return sorted({max(1, int(share * ranks)) for share in shares})


def _plain(quantizer: Quantizer, number: int) -> Codec:
    """Return a quantizer that has nothing to choose."""
    del number
    return Codec((), quantizer)


def _ranked(quantizer: Quantizer, rank: int) -> Codec:
    return Codec((Svd(rank, components="float32"),), quantizer)


def _coded(rank: int | None, rate: int) -> Codec:
    """Return a trellis of so many thousandths of a bit a number, behind an SVD or alone."""
    transforms = () if rank is None else (Svd(rank, components="int8"),)
    return Codec(transforms, Tcq(rate / 1000))


def _clustered(rows: int, rank: int, classes: int, rate: int) -> Codec:
    """Return the same with a k-means code a row, of as many centroids as suit rows and rate."""
    coarse = Coarse(Tcq(rate / 1000, classes)).sized(rows, rank)
    return Codec((Svd(rank, components="int8"),), coarse)


def _sampled(codec: Codec) -> int:
    """Return how many rows a chain is compared on."""
    quantizer = codec.quantizer
    centroids = quantizer.centroids or 0 if isinstance(quantizer, Coarse) else 0
    return max(_ROWS, _ROWS_A_CENTROID * centroids)


def _layout_nbytes(codec: Codec, rows: int, dim: int) -> int:
    return codec.layout(rows, dim).nbytes


def _candidates(rows: int, dim: int, budget: int, measure: Measure) -> Iterator[Codec]:
    """Yield the chains that fit the budget, by the largest rank or rate that does."""

    def nbytes(made: Callable[[int], Codec], number: int) -> int:
        return measure(made(number), rows, dim)

    for made, most, shares in _families(rows, dim):
        fitting = bisect_right(range(1, most + 1), budget, key=partial(nbytes, made))
        for share in shares:
            number = int(share * fitting)
            if number:
                yield made(number)


def _with_farthest(
    table: Table, sampled: tuple[Matrix, NDArray[np.float64]]
) -> tuple[Matrix, NDArray[np.float64]]:
    """Add the row that holds the largest number, which some quantizers refuse, to a sample."""
    sample, mass = sampled
    largest, row = max(map_rows(_farthest, table), key=itemgetter(0))  # the first of equal ones
    if np.abs(sample).max() == largest:
        return sample, mass
    # It stands for itself alone, and the others for many rows each.
    own = mass.mean() * len(sample) / table.shape[0]
    return np.concatenate([sample, row]), np.append(mass, own)


def _farthest(first: int, block: Matrix) -> tuple[float, Matrix]:
    """Return the largest number of a block, and the row (1, dim) that holds it."""
    peaks = np.abs(block).max(axis=1)
    return float(peaks.max()), block[[peaks.argmax()]].copy()


def _error(
    codec: Codec,
    sample: Matrix,
    mass: NDArray[np.float64],
    metric: Matrix | None,
    seed: int,
) -> float:
    """Return the weighted error that a chain leaves on a sample of rows."""
    fitted = codec.fit(sample, weights=mass, metric=metric, seed=seed)
    taken = codec.quantizer.take(fitted.encode(), np.arange(len(sample)))
    tables = codec.tables(fitted.params, sample.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        decoded = codec.decode(taken, {**fitted.params, **tables}, numpy_ops)
    if not np.isfinite(decoded).all():
        return float("inf")  # where all are so, `compress` says it of the one that is taken
    left = (sample - decoded).astype(np.float64)
    seen = left if metric is None else left @ metric
    return float(mass @ np.einsum("ij,ij->i", left, seen))
