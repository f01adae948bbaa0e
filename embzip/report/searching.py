"""The record of a search as one self-contained HTML page: the answer first, light and dark.

The page is complete without its script, which sorts the table and tells a point's name under the
plot. The text and style stand in search.html and style.css.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embzip.evaluation.paired_bounds import accuracy_interval
from embzip.evaluation.verdicts import NAMES
from embzip.report.figures import DASH, fraction, measured, plain, whole
from embzip.report.front_plot import Mark, draw_front
from embzip.report.html import filled
from embzip.report.view import PARTS

_TONES = {"shown": "better", "worse": "worse"}


@dataclass(frozen=True)
class Bar:
    """Bytes of a model: the share of the largest, and of each part, in %."""

    name: str
    total: str
    width: float
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Cell:
    """A cell of the table, and what it is sorted by."""

    text: str
    value: float | str


def search_page(record: Mapping[str, Any]) -> str:
    """Return the record of a search as a page.

    Parameters
    ----------
    record
        What `embzip.search` returns, or front.json holds.

    Raises
    ------
    MissingPackageError
        Without jinja2 or matplotlib.
    """
    metric = record["goal"]["metric"]
    name, timed = NAMES[metric], record["goal"]["latency"] is not None
    marks = _marks(record, metric)
    sizes = {"narrow": (328, 330, 13), "wide": (860, 420, 14)}
    plots = {
        prefix: draw_front(marks, width=width, height=height, font=font, prefix=prefix, metric=name)
        for prefix, (width, height, font) in sizes.items()
    }
    verdict, changed = record["verdict"], record["changed"] or {}
    return filled(
        "search.html",
        record=record,
        metric=name,
        plots=plots,
        tone=_TONES.get(verdict["answer"], "") if verdict else "",
        figures=_figures(record, metric),
        corpus=_corpus(record["corpus"]),
        bars=_bars(record),
        heads=(
            *("trial", "KB", name, "words", "numbers", "filters", "codec", "kernels"),
            *["ms"] * timed,
            "seconds",
        ),
        rows=[_row(trial, metric, timed=timed) for trial in record["trials"]],
        several=any(trial["seeds"] > 1 for trial in record["trials"]),
        intervals=metric == "accuracy",
        changed_on=changed.get("of", ""),
        pairs=[_plain(pair) for pair in changed.get("pairs", ())],
        examples=[_plain(each) for each in changed.get("examples", ())],
        times=_times(record),
        environment=[
            (key.replace("_", " "), value) for key, value in record["environment"].items()
        ],
    )


def _marks(record: Mapping[str, Any], metric: str) -> list[Mark]:
    baseline, verdict = record["baseline"], record["verdict"]

    def interval(value: float) -> tuple[float, float] | None:
        if metric != "accuracy":
            return None
        return accuracy_interval(value, record["corpus"]["choosing"])

    marks = [
        Mark(
            "baseline",
            baseline["bytes"] / 1000,
            baseline[metric],
            f"{baseline['name']}: {baseline['bytes']:,} bytes, {fraction(baseline[metric])}",
            interval(baseline[metric]),
        )
    ]
    judged = None
    if verdict is not None:
        # Bounds of the difference, at the baseline of the texts that choose.
        low, high = (baseline[metric] + verdict[side] / 100 for side in ("lower", "upper"))
        judged = (max(low, 0.0), min(high, 1.0))
    for trial in record["trials"]:
        kind = "best" if trial["best"] else "front" if trial["front"] else "trial"
        told = f"trial {_called(trial)}: {plain(trial['name'])}; {trial['bytes']:,} bytes, "
        told += fraction(trial[metric])
        by_gate = judged if trial["best"] else None
        marks.append(
            Mark(
                kind,
                trial["bytes"] / 1000,
                trial[metric],
                told,
                by_gate or interval(trial[metric]),
                by_gate is not None,
            )
        )
    return marks


def _figures(record: Mapping[str, Any], metric: str) -> list[tuple[str, str, str]]:
    """Return what stands first: a label, a number, and a detail."""
    best, baseline, verdict = record["best"], record["baseline"], record["verdict"]
    found = [
        (
            "size, times smaller",
            f"{baseline['bytes'] / best['bytes']:,.3g}x"
            if baseline["bytes"] < best["bytes"]
            else f"{baseline['bytes'] / best['bytes']:,.0f}x",
            f"{_kilobytes(baseline['bytes'])} -> {_kilobytes(best['bytes'])}",
        ),
        (
            f"{NAMES[metric]} on the texts that choose",
            f"{100 * (best[metric] - baseline[metric]):+.2f} points",
            f"{fraction(baseline[metric])} -> {fraction(best[metric])}",
        ),
    ]
    judges = {
        "the gate": verdict,
        "folds of training": record["confirmed"],
        "test": record["test"],
    }
    for name, said in judges.items():
        if said is not None:
            found.append(
                (
                    f"{NAMES[metric]} on {name}, {said['rows']:,} texts",
                    f"{said['difference']:+.2f} points",
                    f"{fraction(said['before'])} -> {fraction(said['after'])}; one-sided "
                    f"{100 * said['confidence']:.3g} % bounds {said['lower']:+.2f}, "
                    f"{said['upper']:+.2f}",
                )
            )
    return found


def _corpus(corpus: Mapping[str, Any]) -> list[str]:
    told = [
        plain(corpus["file"]),
        f"{corpus['train']:,} texts to learn from",
        f"{corpus['choosing']:,} that choose",
        f"{corpus['gate']:,} for the gate",
        f"{corpus['labels']:,} labels",
    ]
    return told + [f"{corpus['unlabelled']:,} without a label"] * bool(corpus["unlabelled"])


def _bars(record: Mapping[str, Any]) -> list[Bar]:
    parts = {
        "before": record["baseline"]["parts"],
        "best.embz": record["best"]["parts"],  # a .tflite has the same parts, stored otherwise
    }
    largest = max(each["total"] for each in parts.values())
    bars = []
    for name, sizes in parts.items():
        shares = tuple((part, 100 * sizes[part] / sizes["total"]) for part in PARTS)
        width = 100 * sizes["total"] / largest
        bars.append(Bar(name, _kilobytes(sizes["total"]), width, shares))
    # The small one again, at the full width: beside the large one it is a line.
    small = bars[-1]
    return [*bars, Bar(f"{small.name}, magnified", small.total, 100.0, small.parts)]


def _called(trial: Mapping[str, Any]) -> str:
    return "quick" if trial["number"] < 0 else str(trial["number"])


def _row(trial: Mapping[str, Any], metric: str, *, timed: bool) -> dict[str, Any]:
    student = trial["student"]
    words = student["pieces"] or student["rows"]
    filters = student["filters"] if student["encoder"] == "cnn" else 0
    return {
        "best": trial["best"],
        "front": trial["front"],
        "cells": [
            Cell(_called(trial), trial["number"]),
            Cell(f"{trial['bytes'] / 1000:,.1f}", trial["bytes"]),
            Cell(fraction(trial[metric]), trial[metric]),
            Cell(f"{words:,}" + " pieces" * bool(student["pieces"]), words),
            Cell(str(student["dim"]), student["dim"]),
            Cell(whole(filters) if filters else student["encoder"], filters),
            Cell(student["codec"], student["codec"]),
            Cell(student["kernels"], student["kernels"]),
            *([Cell(f"{trial['latency']:.3f}", trial["latency"])] if timed else []),
            Cell(f"{trial['seconds']:,.0f}", trial["seconds"]),
        ],
    }


def _times(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what time and memory serving takes, before and after."""
    before, after = (record[each].get("serving") for each in ("baseline", "best"))
    if not before or not after:
        return []
    return [
        (
            "one text, median",
            measured(before["latency_ms"]["p50"], "ms"),
            measured(after["latency_ms"]["p50"], "ms"),
        ),
        ("load", measured(before["load_seconds"], "s"), measured(after["load_seconds"], "s")),
        ("memory", measured(before["rss_mb"], "MB"), measured(after["rss_mb"], "MB")),
    ]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the record with texts that no page is harmed by."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in row.items()}


def _kilobytes(nbytes: int) -> str:
    return f"{nbytes / 1000:,.1f} KB" if nbytes else DASH


def front_lines(record: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
    """Return the front as rows for a terminal, the smallest first: KB, metric, what it is."""
    metric = record["goal"]["metric"]
    front = [trial for trial in record["trials"] if trial["front"]]
    return [
        (
            "*" if trial["best"] else "",
            f"{trial['bytes'] / 1000:,.1f}",
            fraction(trial[metric]),
            plain(trial["name"]),
        )
        for trial in sorted(front, key=lambda trial: trial["bytes"])
    ]
