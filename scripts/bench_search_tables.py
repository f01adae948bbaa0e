"""The cells of `bench_search`, and the tables that they make."""

import json
from collections.abc import Mapping, Sequence
from math import hypot
from pathlib import Path
from statistics import fmean, median
from typing import Any

from scipy.special import ndtri

from embzip.evaluation.verdicts import verdict_on
from embzip.trials.space import tokens
from scripts.bench_distill_cells import FIGURES

CELLS = Path(__file__).parent / "cells" / "search"
SIZES = {"30KB": 30_000, "100KB": 100_000}
Record = dict[str, Any]


def tables() -> str:
    """Return the tables of the cells that there are."""
    parts: list[str] = []
    for part in ("drop", "30KB", "100KB"):
        if found := _cells(part):
            parts += [f"Part `{part}`:", _searches(part, found, _cells(f"fasttext-{part}"))]
    if found := _cells("workers"):
        parts += [f"{d}: two workers ended {c['ratio']:.2f} times the trials of one."
                  for d, c in found.items()]  # fmt: skip
    if found := _cells("kills"):
        parts += [
            f"{data}: {cell['kills']} kills in {cell['searches']} searches, of which "
            f"{cell['same']} ended with the same trials and the same file."
            for data, cell in found.items()
        ]
    return "\n\n".join(parts)


def _searches(part: str, found: Mapping[str, Record], peers: Mapping[str, Record]) -> str:
    lines = [
        "| data | teacher over | KB | times smaller | said | gate | test | test, 95 % | trials "
        "| first answer, s | fastText, and how far above it |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    above: list[float] = []
    below = larger = 0
    for data, cell in found.items():
        test, peer = cell["test"], peers.get(data, {})
        told = peer.get("none", "")
        if peer and not told:
            reached = peer[FIGURES.get(data, "accuracy")]
            above.append(100 * (test["after"] - reached))
            lower, upper = _bounds(peer["wrong"], cell["wrong"], test["rows"])
            below += upper < 0
            larger += peer["bytes"] > SIZES[part]
            told = (
                f"{reached:.4f}, {peer['bytes'] / 1000:.1f} KB, {above[-1]:+.2f} "
                f"[{lower:+.2f}, {upper:+.2f}]"
            )
        lines.append(
            # Searches before there were two kinds of teachers had words alone.
            f"| {data} | {tokens(cell.get('reads', 0))} | {cell['bytes'] / 1000:.1f} | "
            f"{_ratio(cell):.0f} | {cell['said']} | {cell['gate']['difference']:+.2f} | "
            f"{test['before']:.4f} -> {test['after']:.4f}, "
            f"{test['difference']:+.2f} | {test['lower']:+.2f}, {test['upper']:+.2f} | "
            f"{cell['trials']} | {cell.get('first_seconds', '')} | {told} |"
        )
    shown = [cell for cell in found.values() if cell["said"] == "shown"]
    wrong = sum(cell["test"]["upper"] < -0.5 for cell in shown)
    tests = [cell["test"] for cell in found.values()]
    mean = fmean(test["difference"] for test in tests)
    # Each bound is one-sided, of 95 %; sets are independent.
    errors = [(test["upper"] - test["lower"]) / (2 * ndtri(0.95)) for test in tests]
    half = ndtri(0.975) * hypot(*errors) / len(errors)
    ratio = median(map(_ratio, found.values()))
    students = [
        100 * (cell["test"]["after"] - by_hand)
        for data, cell in found.items()
        if (by_hand := _distilled(data, part)) is not None
    ]
    if students:
        lines += [
            "",
            f"Against `bench_distill`'s students of that size {fmean(students):+.2f} points on "
            f"average of {len(students)} sets.",
        ]
    if above:
        lines += [
            "",
            f"Above fastText by {fmean(above):.2f} points on average of {len(above)} sets, "
            f"significantly below on {below} (95 % bounds of accuracy, text by text); {larger} of "
            "fastText's files are larger than was asked for.",
        ]
    return "\n".join(lines) + (
        f"\n\nMedian times smaller {ratio:.0f}; mean difference on test {mean:+.2f} points "
        f"[{mean - half:+.2f}, {mean + half:+.2f}]; "
        f"{len(shown)} of {len(found)} shown, of which test contradicts {wrong}."
    )


def _distilled(data: str, size: str) -> float | None:
    """Return what students of that size reach in `bench_distill`, on the mean of their seeds."""
    paths = (CELLS.parent / "distill" / "student").glob(f"{data}-[0-9]-{size}.json")
    reached = [json.loads(path.read_text())[FIGURES.get(data, "accuracy")] for path in paths]
    return fmean(reached) if reached else None


def _bounds(before: Sequence[int], after: Sequence[int], rows: int) -> tuple[float, float]:
    """Return the 95 % bounds of the gain in accuracy, in points, of two lists of wrong answers."""
    answers = [["right"] * rows for _ in range(2)]
    for each, wrong in zip(answers, (before, after), strict=True):
        for at in wrong:
            each[at] = "wrong"
    verdict = verdict_on(["right"] * rows, *answers, max_drop=0, confidence=0.975)
    return verdict.lower, verdict.upper


def _ratio(cell: Mapping[str, Any]) -> float:
    return float(cell["baseline_bytes"] / cell["bytes"])


def _cells(part: str) -> dict[str, Record]:
    paths = sorted((CELLS / part).glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in paths}
