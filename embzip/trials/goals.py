"""What a search is asked for, and how a trial is scored by it. Nothing runs here."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf, log2
from typing import Any

from embzip.classifier.student_shape import ENCODERS
from embzip.classifier.student_sizes import bytes_of
from embzip.errors import InputError, SpecError
from embzip.evaluation.verdicts import NAMES, check_verdict_options
from embzip.report.figures import points

RUNTIMES = {"embz": "best.embz", "litert": "best.tflite"}
# What a .tflite has beside the bytes of its .embz: operations, and tables by which they decode.
# Of the smallest student 27,500; of one of 666 KB 149,000 were seen.
_LITERT_MORE = 27_000
# What an .embz may have of a .tflite's size before one was exported, and at least afterwards: that
# fits 100 KB, and is too much for sizes near the smallest.
_LITERT_SHARE = 0.3
# Of a file that loses more than it may, each point more weighs as much as so many doublings.
_DOUBLINGS = 3.0


@dataclass(frozen=True)
class Goal:
    """The smallest file that loses at most so much, or the best of at most so many bytes.

    Attributes
    ----------
    max_drop
        The points (hundredths) that may be lost against the best uncompressed model.
    size
        The most bytes of the file; None where the smallest is wanted.
    metric
        "accuracy" or "macro-f1".
    runtime
        Whose file counts: "embz" or "litert".
    latency
        The most milliseconds of one text at the median, in NumPy; None for any.
    encoder
        Of the students, "cnn" or "mean"; None tries both.

    Raises
    ------
    SpecError, InputError
        For what is unknown or out of range.
    """

    max_drop: float = 0.5
    size: int | None = None
    metric: str = "accuracy"
    runtime: str = "embz"
    latency: float | None = None
    encoder: str | None = None

    def __post_init__(self) -> None:
        check_verdict_options(max_drop=self.max_drop, metric=self.metric, confidence=0.95)
        if self.runtime not in RUNTIMES:
            raise SpecError(
                f"a search is for one of {', '.join(RUNTIMES)}, received {self.runtime!r}"
            )
        if self.latency is not None and not 0 < self.latency < inf:
            raise SpecError(
                f"latency is a number of milliseconds above 0, received {self.latency:g}"
            )
        if self.encoder is not None and self.encoder not in ENCODERS:
            raise InputError(
                f"a student's encoder is one of {', '.join(ENCODERS)}, received {self.encoder!r}"
            )

    @property
    def asked(self) -> str:
        """What was asked for, in words."""
        name = NAMES[self.metric]
        kind = {"embz": ".embz", "litert": ".tflite"}[self.runtime]
        told = f"the smallest {kind} that loses at most {points(self.max_drop)} of {name}"
        if self.size is not None:
            told = f"the {kind} of at most {self.size:,} bytes with the best {name}"
        return told if self.latency is None else f"{told}, one text in {self.latency:g} ms"

    @property
    def more(self) -> int:
        """How many bytes the file that counts has at least beside those of the .embz."""
        return _LITERT_MORE if self.runtime == "litert" else 0

    def embz_size(self, seen: Sequence[int]) -> int | None:
        """Return how many bytes an .embz may have; None for any.

        Parameters
        ----------
        seen
            How many bytes more than their .embz the files of other students have. It differs by
            shape, so that the file of a student of so many bytes may still be too large.
        """
        if self.size is None or self.runtime == "embz":
            return self.size
        unseen = min(self.size - self.more, int(_LITERT_SHARE * self.size))
        return max(unseen, self.size - max(seen, default=self.size))

    def allows(self, nbytes: int, latency: float | None) -> bool:
        """Return whether a file of that size and latency may be the answer."""
        fits = self.size is None or nbytes <= self.size
        return fits and (self.latency is None or (latency is not None and latency <= self.latency))

    def score(self, nbytes: int, value: float, baseline: float, latency: float | None) -> float:
        """Return how far a trial is from what is wanted; less is better.

        Parameters
        ----------
        value, baseline
            The metric of the trial and of the uncompressed model, 0 to 1.
        """
        late = 0.0
        if self.latency is not None and latency is not None:
            late = max(0.0, log2(latency / self.latency))
        if self.size is not None:
            return -100 * value + 10 * max(0.0, log2(nbytes / self.size)) + 10 * late
        missing = max(0.0, 100 * (baseline - value) - self.max_drop)
        return log2(nbytes) + _DOUBLINGS * missing + 10 * late

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values, and what was asked in words."""
        return {**asdict(self), "asked": self.asked}


def milliseconds(text: str) -> float:
    """Return the milliseconds of a latency that a user names, or raise `SpecError`.

    >>> milliseconds("0.05ms"), milliseconds("20us")
    (0.05, 0.02)
    """
    units: Mapping[str, float] = {"ms": 1.0, "us": 1e-3}
    for unit, scale in units.items():
        number = text.strip().lower().removesuffix(unit)
        if number != text.strip().lower():
            try:
                return float(number) * scale
            except ValueError:
                break
    raise SpecError(f"a latency is a number with its unit, such as 0.05ms, received {text!r}")


def goal_of(
    *,
    size: str | None,
    max_drop: float,
    metric: str,
    runtime: str,
    latency: str | None,
    encoder: str | None,
) -> Goal:
    """Return the goal that a user names."""
    return Goal(
        max_drop=max_drop,
        size=None if size is None else bytes_of(size),
        metric=metric,
        runtime=runtime,
        latency=None if latency is None else milliseconds(latency),
        encoder=encoder,
    )
