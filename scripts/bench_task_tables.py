"""The tables of `scripts.bench_task`: points lost a codec, with what noise could make of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000


@dataclass(frozen=True)
class Outcome:
    """One codec on one model: what a cell of `bench_task` says.

    Attributes
    ----------
    numbers
        Rows times columns of the uncompressed table.
    table_bytes, file_bytes
        Codes and params; the whole .embz file.
    rows
        Texts of test.
    accuracy
        Of them, as a fraction.
    kl, agreement
        Against the uncompressed model's probabilities and labels.
    won, lost
        The texts that are right since, and no longer.
    """

    data: str
    tokenizer: str
    seed: int
    codec: str
    spec: str
    numbers: int
    table_bytes: int
    file_bytes: int
    rows: int
    accuracy: float
    kl: float
    agreement: float
    won: Sequence[int]
    lost: Sequence[int]

    @property
    def gains(self) -> NDArray[np.int8]:
        """(rows,) 1 where a text is right since, -1 where no longer."""
        found = np.zeros(self.rows, np.int8)
        found[list(self.won)], found[list(self.lost)] = 1, -1
        return found


@dataclass(frozen=True)
class Change:
    """A codec against the uncompressed model, over seeds; fractions.

    Attributes
    ----------
    difference
        Accuracy after minus accuracy before, mean of the seeds.
    error
        Standard error of that mean over seeds; NaN for one seed.
    interval
        95 % of paired resamples of the test rows, a row with all its seeds.
    """

    difference: float
    error: float
    interval: tuple[float, float]
    kl: float
    agreement: float


def change(found: Sequence[Outcome]) -> Change:
    """Return what a codec does to the models, one a seed."""
    gains = np.array([outcome.gains for outcome in found])
    seeds = gains.mean(axis=1)
    error = float(seeds.std(ddof=1) / np.sqrt(len(seeds))) if len(seeds) > 1 else float("nan")
    return Change(
        float(seeds.mean()),
        error,
        paired_interval(gains.mean(axis=0)),
        _mean(found, lambda outcome: outcome.kl),
        _mean(found, lambda outcome: outcome.agreement),
    )


def paired_interval(gains: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean of (rows,) gains over resampled rows.

    Few values occur, so a resample is a multinomial draw of how often each does.

    >>> paired_interval(np.zeros(10))
    (0.0, 0.0)
    """
    values, counts = np.unique(gains, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(gains), counts / len(gains), size=RESAMPLES)
    low, high = np.quantile(drawn @ values / len(gains), [0.025, 0.975])
    return float(low), float(high)


def summary_table(outcomes: Iterable[Outcome]) -> str:
    """Return a row a data set and tokenizer: points gained by each codec, and the error."""
    groups = _groups(outcomes)
    codecs = list(dict.fromkeys(codec for group in groups.values() for codec in group))
    lines = [
        "| data | tokens | numbers in the table | float32 | "
        + " | ".join(_title(codec) for codec in codecs if codec != "float32")
        + " |",
        "|---" * (3 + len(codecs)) + "|",
    ]
    for (data, tokenizer), group in groups.items():
        before = group["float32"]
        cells = [data, tokenizer, f"{_mean(before, lambda o: o.numbers / 1e6):.1f} M"]
        cells.append(f"{_accuracy(before):.2f}")
        for codec in codecs:
            if codec != "float32":
                found = change(group[codec])
                cells.append(f"{_points(found.difference)} {_error(found.error)}".strip())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def detail_table(outcomes: Iterable[Outcome]) -> str:
    """Return a row a data set, tokenizer and codec: bytes, accuracy, intervals, KL, agreement."""
    lines = [
        "| data | tokens | codec | bits a number | file KB | smaller | accuracy | points "
        "| over seeds | 95 % of rows | KL | agreement |",
        "|---" * 12 + "|",
    ]
    for (data, tokenizer), group in _groups(outcomes).items():
        before = group["float32"]
        size = _mean(before, lambda o: o.file_bytes)
        for codec, found in group.items():
            bits = _mean(found, lambda o: 8 * o.table_bytes / o.numbers)
            bytes_ = _mean(found, lambda o: o.file_bytes)
            cells = [data, tokenizer, _title(codec), f"{bits:.2f}", f"{bytes_ / 1e3:,.0f}"]
            cells += [f"{size / bytes_:.1f}x", f"{_accuracy(found):.2f}"]
            if codec == "float32":
                cells += [""] * 5
            else:
                seen = change(found)
                low, high = seen.interval
                cells += [
                    _points(seen.difference),
                    _error(seen.error),
                    f"{_points(low)} to {_points(high)}",
                    f"{seen.kl:.4f}",
                    f"{seen.agreement:.4f}",
                ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _groups(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], dict[str, list[Outcome]]]:
    groups: dict[tuple[str, str], dict[str, list[Outcome]]] = {}
    for outcome in outcomes:
        group = groups.setdefault((outcome.data, outcome.tokenizer), {})
        group.setdefault(outcome.codec, []).append(outcome)
    return groups


def _mean(outcomes: Sequence[Outcome], number: Callable[[Outcome], float]) -> float:
    return float(np.mean([number(outcome) for outcome in outcomes]))


def _accuracy(outcomes: Sequence[Outcome]) -> float:
    return 100 * _mean(outcomes, lambda outcome: outcome.accuracy)


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"


def _error(fraction: float) -> str:
    return "" if np.isnan(fraction) else f"± {100 * fraction:.2f}"


def _title(codec: str) -> str:
    name, at, rate = codec.partition("@")
    if at:
        bits, *options = rate.split(",")
        named = name or r"svd\|tcq"
        return ", ".join([f"{named} at {bits} bits", *options])
    return codec.replace("|", "\\|")
