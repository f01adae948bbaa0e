"""The baseline beside the chosen candidate in detail: each label; answers only where it is sure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from embzip.report.figures import fraction, plain, whole

Candidate = Mapping[str, Any]


@dataclass(frozen=True)
class Detail:
    """A row: its name, and column key -> text. A column of the baseline ends in `_before`."""

    name: str
    cells: Mapping[str, str]
    chosen: bool = False


def label_details(before: Candidate, after: Candidate | None) -> tuple[Detail, ...]:
    """Return a row for each label that either was measured on, in order."""
    return tuple(
        Detail(
            plain(label),
            {"support": whole((new or old).get("support"))}
            | _beside(old, new, precision="precision", recall="recall", f1="f1"),
        )
        for label, old, new in _paired(before, after, "classes", "label")
    )


def coverage_details(before: Candidate, after: Candidate | None) -> tuple[Detail, ...]:
    """Return a row for each threshold on the probability, in order."""
    return tuple(
        Detail(f"{threshold:.2f}", _beside(old, new, answered="answered", sure="accuracy"))
        for threshold, old, new in _paired(before, after, "coverage", "threshold")
    )


def _paired(
    before: Candidate, after: Candidate | None, part: str, key: str
) -> Iterable[tuple[Any, Mapping[str, Any], Mapping[str, Any]]]:
    old, new = ({each[key]: each for each in (of or {}).get(part) or ()} for of in (before, after))
    return ((name, old.get(name, {}), new.get(name, {})) for name in sorted({*old, *new}))


def _beside(old: Mapping[str, Any], new: Mapping[str, Any], **keys: str) -> dict[str, str]:
    """Return cells of fractions; `keys` are column key -> key of the record."""
    before = {f"{column}_before": fraction(old.get(key)) for column, key in keys.items()}
    return before | {column: fraction(new.get(key)) for column, key in keys.items()}
