"""A record as one self-contained HTML page: no network, no scripts, light and dark.

The page's text and style stand in page.html; jinja2, imported here only, fills it in.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from embzip.errors import MissingPackageError
from embzip.report.figures import DASH
from embzip.report.plot import draw, points_of
from embzip.report.tables import detail_tables, legend, make_tables
from embzip.report.view import Line, View, make_view


@dataclass(frozen=True)
class Figure:
    """One figure at the top of the page: what it is, its value, and what it was before."""

    label: str
    value: str
    detail: str
    tone: str


@dataclass(frozen=True)
class Bar:
    """A candidate's bytes: its share of the largest total, and each part's of its own, in %."""

    line: Line
    width: float
    parts: tuple[tuple[str, float], ...]


def to_html(record: Mapping[str, Any]) -> str:
    """Return a record as a page.

    Raises
    ------
    MissingPackageError
        Without jinja2 or matplotlib.
    InputError
        For something that is not a record.
    """
    view = make_view(record)
    tables = [*make_tables(view), *detail_tables(view)]
    points = points_of(view.lines)
    plots = {}
    if points:  # drawn for a telephone and for a desk: text has its own size in both
        plots["narrow"] = draw(points, width=328, height=350, font=13, prefix="narrow")
        plots["wide"] = draw(points, width=720, height=400, font=14, prefix="wide")
    return filled(
        "page.html",
        view=view,
        figures=_figures(view),
        tables=tables,
        legend=legend(tables),
        bars=_bars(view),
        points=points,
        plots=plots,
    )


def filled(name: str, **values: Any) -> str:
    """Return a page of this package with the style of all, filled in; what is a text is escaped.

    Raises
    ------
    MissingPackageError
        Without jinja2.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingPackageError(
            "the report's page needs jinja2: `pip install 'jinja2>=3.1'`, or "
            "`uv sync --extra report` from a checkout"
        ) from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["typeset"] = typeset
    room = files("embzip.report")
    template, style = (room.joinpath(each).read_text("utf-8") for each in (name, "style.css"))
    return environment.from_string(template).render(style=style, **values)


def typeset(text: str) -> str:
    """Return formatted numbers with the signs of print, and units that stay with their number.

    >>> typeset("31.2x; .825 -> .822 (-.003)")
    '31.2×; .825 → .822 (−.003)'
    """
    text = re.sub(r"(?<=\d) (?=(%|MB|dB|nats|ms|s)(\W|$))", "\u00a0", text)
    text = re.sub(r"(?<![^\s(])-(?=[.\d])", "\u2212", text.replace("->", "\u2192"))
    return re.sub(r"(?<=\d)x\b", "\u00d7", text)


def _figures(view: View) -> list[Figure]:
    """Return the figures of the chosen candidate that were measured."""
    chosen = view.chosen
    if chosen is None:
        return []
    before = next(line.cells for line in view.lines if line.is_baseline)
    after = chosen.cells

    def change(key: str) -> str:
        return f"{before[key]} -> {after[key]}"

    accuracy = change("accuracy")
    if after["interval"] != DASH:
        accuracy += f"; 95 % interval {after['interval']}: {after['verdict']}"
    if after["agreement"] != DASH:
        accuracy += f"; agreement {after['agreement']}, KL {after['kl']} nats"
    figures = [
        ("ratio", _less("size, times smaller", after["ratio"]), change("size"), ""),
        ("difference", "accuracy", accuracy, chosen.tone),
        (
            "epoch_ratio",
            _less("training epoch, times shorter", after["epoch_ratio"]),
            change("epoch"),
            "",
        ),
        ("p50", "latency of one text", change("p50"), ""),
        ("memory", "memory in use", change("memory"), ""),
    ]
    return [
        Figure(label, after[key], detail, tone)
        for key, label, detail, tone in figures
        if after[key] != DASH
    ]


def _less(label: str, value: str) -> str:
    """Return the label without what it says of the value, where the value says the opposite."""
    return label.partition(",")[0] if value.endswith(("larger", "longer")) else label


def _bars(view: View) -> list[Bar]:
    totals = {line.name: sum(line.parts.values()) for line in view.lines}
    largest = max(totals.values(), default=0)
    return [
        Bar(
            line,
            100 * totals[line.name] / largest,
            tuple((part, 100 * size / totals[line.name]) for part, size in line.parts.items()),
        )
        for line in view.lines
        if totals[line.name]
    ]
