"""`ectcq:BITS`: trellis-coded quantization for entropy coding, the packed sibling of `tcq`.

`center|svd|ectcq:2` takes a byte a number in memory. In a file saved with `pack=True` it takes 2
bits a number on average, with all that the quantizer stores. One step serves all columns and rows.
With entropy coding, and a search that minimizes error and rate together, one step is what reverse
water-filling asks for: columns or rows far below the step cost next to nothing. The step is found
on a sample, so a file comes near to BITS, not exactly to it.

A row's weight divides the price of its bits. The step is never so small that the largest number
lies beyond the 256 values, so a table with rare huge numbers takes less than BITS.

From 10 columns on a row's path closes on itself; see `embzip.codecs.ectcq.dependent`.

References: Fischer and Wang 1992; Sullivan 1996; Schwarz et al. 2019 (dependent quantization).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.arrays import ArraySpec, Layout
from embzip.codecs.base import Quantizer
from embzip.codecs.ectcq.contexts import DependentContexts
from embzip.codecs.ectcq.dependent import (
    FLIPS,
    LAG,
    MEMORY,
    SHIFTED,
    Octets,
    closes,
    in_order,
    put_back,
    values_of,
)
from embzip.codecs.ectcq.rates import Rates
from embzip.codecs.ops import ArrayOps
from embzip.codecs.row_contexts import RowContexts
from embzip.codecs.sampling import sample_rows
from embzip.codecs.spec import Stage
from embzip.engine import Table, map_rows
from embzip.errors import FileFormatError, SpecError
from embzip.types import Arrays, Matrix

MOST_BITS = 6
_SAMPLED = 16_000
_PASSES = 2  # rates and symbols follow from each other: each pass counts what the last one chose
# The price of a bit in squared steps, at 1, 2 and 4 bits a number and interpolated between them:
# the best of 0.2 to 0.6 on samples of GloVe.
_RATED, _PRICED = (1.0, 2.0, 4.0), (0.5, 0.42, 0.25)
_FARTHEST = 250.0  # steps that the largest number may lie from zero; the largest value is 254
_SEARCHES = 6  # steps that are tried
_CLOSE = 0.003  # a step is good enough when its bits are so near to the wanted ones, as a share
_WARNED = 0.9  # below this share of the wanted bits, the user is told why
_APART = 0.05  # octaves; of two steps nearer than that, chance decides which takes more bits


@dataclass(frozen=True)
class Ectcq(Quantizer):
    """Entropy-coded trellis-coded quantization: BITS a number in a packed file.

    Attributes
    ----------
    bits
        A number on average, in a packed file: above 0, up to 6.
    """

    bits: float
    name: ClassVar[str] = "ectcq"
    usage: ClassVar[str] = ":BITS"
    example: ClassVar[str] = "ectcq:2"
    bound: ClassVar[str] = "as the prices of bits that it weighs errors by are not stored"

    @classmethod
    def from_stage(cls, stage: Stage) -> Self:
        try:
            bits = float(stage.arguments[0]) if len(stage.arguments) == 1 else np.nan
        except ValueError:
            bits = np.nan
        if not 0 < bits <= MOST_BITS or stage.options:
            raise SpecError(
                f"'ectcq' takes bits a number in a packed file, above 0 and at most {MOST_BITS}, "
                f"such as 'center|svd|ectcq:2': received {str(stage)!r}"
            )
        return cls(bits)

    @property
    def stage(self) -> Stage:
        return Stage(self.name, (repr(self.bits).removesuffix(".0"),))

    def layout(self, rows: int, dim: int) -> Layout:
        return Layout(
            (ArraySpec("values", "uint8", (rows, dim)),),
            (ArraySpec("step", "float32", (1,)), ArraySpec("shift", "float32", (2, SHIFTED))),
        )

    def fit(
        self, table: Table, *, weights: NDArray[np.float64] | None, seed: int
    ) -> dict[str, NDArray[Any]]:
        rows, dim = table.shape
        largest = max(map_rows(lambda _, block: float(np.abs(block).max()), table))
        least = max(largest / _FARTHEST, 1e-37)
        sample, mass = sample_rows(table, _SAMPLED, weights=weights, seed=seed)
        closed = closes(dim)
        sample = in_order(sample) if closed else sample
        kept = sample.any(axis=1)
        price = float(np.interp(self.bits, _RATED, _PRICED))
        prices = _prices(price, mass, float(mass.mean()))
        deviation = np.sqrt(np.square(sample.astype(np.float64)).mean(axis=0))
        size = float(np.sqrt(np.square(deviation).mean()))
        wanted = self.bits * rows * dim
        step = min(max(2 * size * 2.0**-self.bits, least), 1e38)
        rates = Rates.guessed(deviation / step)
        tried: list[tuple[float, float]] = []
        nearest = np.inf, step, rates
        for _ in range(_SEARCHES if kept.any() else 0):
            numbers = (sample / np.float64(step)).astype(np.float32)
            for _ in range(_PASSES):
                rates = Rates.counted(
                    numbers, _encoded(numbers, prices, rates, closed), closed=closed
                )
            tried.append((float(np.log2(step)), rates.total(rows)))
            off = abs(tried[-1][1] - wanted)
            nearest = min(nearest, (off, step, rates), key=lambda found: found[0])
            following = min(_next(tried, wanted, dim * rows), float(np.log2(2 * largest)))
            step = min(max(2.0**following, least), 1e38)
            if off < _CLOSE * wanted or np.log2(step) == tried[-1][0]:
                break
        _, step, rates = nearest
        if kept.any() and step <= least and rates.total(rows) < _WARNED * wanted:
            warnings.warn(
                f"{str(self.stage)!r} takes {rates.total(rows) / (rows * dim):.2f} bits a number "
                f"here: the largest, {largest:.3g}, leaves no smaller step; 'tcq' has no such end",
                stacklevel=2,
            )
        every = np.ones(1) if weights is None else weights
        return {
            "step": np.array([step if kept.any() else 0], np.float32),
            "shift": rates.shift,
            # Not stored: what encoding goes by.
            "thresholds": rates.thresholds,
            "bits": rates.bits,
            "prices": np.broadcast_to(_prices(price, every, float(mass.mean())), (rows,)),
        }

    def encode(self, block: Matrix, params: Arrays, first_row: int) -> dict[str, NDArray[Any]]:
        step = np.float64(params["step"][0])
        closed = closes(block.shape[1])
        numbers = (block / (step or np.inf)).astype(np.float32)
        numbers = in_order(numbers) if closed else numbers
        prices = params["prices"][first_row : first_row + len(block)]
        rates = Rates(params["thresholds"], params["bits"], params["shift"], 0.0, 0.0)
        octets = _encoded(np.clip(numbers, -_FARTHEST, _FARTHEST), prices, rates, closed)
        octets[~block.any(axis=1)] = 0  # whatever is cheapest, zero rows are exact
        return {"values": put_back(octets) if closed else octets}

    def decode(self, codes: Mapping[str, Any], params: Mapping[str, Any], ops: ArrayOps) -> Any:
        octets = ops.cast(codes["values"], "int32")
        dim = int(octets.shape[1])
        bits = ops.bitwise_and(octets, np.int32(1))
        before = [bits]
        for _ in range(MEMORY):
            last = ops.multiply(ops.columns(before[-1], dim - 1, dim), np.int32(closes(dim)))
            before.append(ops.concatenate([last, ops.columns(before[-1], 0, dim - 1)], axis=1))
        first, second = FLIPS
        flips = ops.add(before[first], before[second])
        parity = ops.bitwise_and(ops.add(bits, flips), np.int32(1))
        symbols = ops.add(ops.add(octets, ops.multiply(bits, np.int32(-1))), parity)
        place = ops.add(ops.multiply(before[LAG], np.int32(256)), symbols)
        return ops.take(params["levels"], place)

    def tables(self, params: Arrays, dim: int) -> dict[str, NDArray[Any]]:
        values = values_of(np.asarray(params["shift"])).reshape(-1)
        most = np.finfo(np.float32).max
        step = np.asarray(params["step"], np.float64)
        return {"levels": np.clip(values * step, -most, most).astype(np.float32)}

    def contexts(self, code: ArraySpec) -> RowContexts:
        return DependentContexts(code.shape[1])

    def check(self, codes: Arrays, params: Arrays, rows: int) -> None:
        if params["step"][0] < 0 or (np.abs(params["shift"]) >= 1).any():
            raise FileFormatError(
                "ectcq: a step is not negative and shifts are below 1, "
                f"found {params['step'][0]} and {np.abs(params['shift']).max()}"
            )


def _encoded(numbers: Matrix, prices: NDArray[np.float32], rates: Rates, closed: bool) -> Octets:
    # Numba takes a second to import, which nothing but this needs.
    from embzip.codecs.ectcq.path_search import search

    octets = np.empty(numbers.shape, np.uint8)
    values = values_of(rates.shift)
    thresholds = rates.thresholds.astype(np.int32)
    search(np.ascontiguousarray(numbers), prices, values, rates.bits, thresholds, closed, octets)
    return octets


def _prices(price: float, weights: NDArray[np.float64], mean: float) -> NDArray[np.float32]:
    return np.asarray(price / np.clip(weights / mean, 1e-3, 1e3), np.float32)


def _next(tried: list[tuple[float, float]], wanted: float, numbers: int) -> float:
    """Return the logarithm of the next step to try: one secant step from the last two tries.

    `tried` holds (logarithm of the step, bits). A doubled step saves about one bit a number, which
    is the first guess of the slope and bounds later ones.
    """
    place, bits = tried[-1]
    slope = -1.0 * numbers
    if len(tried) > 1 and abs(tried[-2][0] - place) > _APART:
        slope = (tried[-2][1] - bits) / (tried[-2][0] - place)
    slope = min(max(slope, -1.5 * numbers), -0.02 * numbers)
    return place + float(np.clip((wanted - bits) / slope, -3, 3))
