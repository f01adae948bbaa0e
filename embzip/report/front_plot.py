"""The trials of a search as inline SVG: size against metric, the front, what each point is.

Each point is an element of its own with a title, which browsers show on hover, and can be reached
by keyboard.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from embzip.report.plot import COLOURS, drawing, grid, inline, margins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARK = re.compile(r'<g id="(?P<id>[\w-]*point-(?P<place>\d+))">')


@dataclass(frozen=True)
class Mark:
    """One point of the plot.

    Attributes
    ----------
    kind
        "baseline", "best", "front" or "trial".
    interval
        Of the metric (low, high); None without one.
    judged
        Whether the interval is the gate's, which is drawn bold.
    name
        What is told of it.
    """

    kind: str
    kilobytes: float
    value: float
    name: str
    interval: tuple[float, float] | None = None
    judged: bool = False


def draw_front(
    marks: Sequence[Mark], *, width: int, height: int, font: float, prefix: str, metric: str
) -> str:
    """Return at least one mark as an SVG element; parameters are those of `embzip.report.plot`."""
    with drawing(width, height, font, prefix) as figure:
        axes = figure.add_subplot()
        _frame(axes, marks)
        margins(figure, axes, font)
        front = sorted(
            (mark.kilobytes, mark.value) for mark in marks if mark.kind in ("front", "best")
        )
        if len(front) > 1:
            sizes, values = zip(*front, strict=True)
            axes.step(sizes, values, where="post", color=COLOURS["even"], linewidth=1.2, alpha=0.6)
        for place, mark in enumerate(marks):
            _mark(axes, mark, place)
        svg = inline(figure, prefix, f"size against {metric}")
    return _MARK.sub(lambda found: _named(found, marks), svg)


def _named(found: "re.Match[str]", marks: Sequence[Mark]) -> str:
    name = escape(marks[int(found["place"])].name, quote=True)
    return (
        f'<g id="{found["id"]}" class="mark" tabindex="0" role="img" aria-label="{name}">'
        f"<title>{name}</title>"
    )


def _frame(axes: "Axes", marks: Sequence[Mark]) -> None:
    heights = [at for mark in marks for at in (mark.value, *(mark.interval or ()))]
    low, high = min(heights), max(heights)
    # What is far below the front would press it into a line.
    low = max(low, max(mark.value for mark in marks) - 0.15)
    spare = max(0.08 * (high - low), 0.005)
    sizes = [mark.kilobytes for mark in marks]
    axes.set_xlim(min(sizes) / 1.4, max(sizes) * 1.4)
    axes.set_ylim(low - spare, high + spare)
    grid(axes, "size of the file, KB (log scale)")
    for mark in marks:
        if mark.kind == "baseline":
            axes.axhline(mark.value, color=COLOURS["muted"], linewidth=1.2, dashes=(4, 4))


def _mark(axes: "Axes", mark: Mark, place: int) -> None:
    kinds = {
        "baseline": ("s", "ink", 9, 1.0),
        "best": ("o", "accent", 11, 1.0),
        "front": ("o", "even", 8, 1.0),
        "trial": ("o", "muted", 6, 0.45),
    }
    shape, role, size, alpha = kinds[mark.kind]
    colour = COLOURS[role]
    if mark.interval is not None:
        axes.plot(
            [mark.kilobytes] * 2,
            mark.interval,
            color=colour,
            linewidth=2 if mark.judged else 1,
            alpha=0.55 if mark.judged else 0.45 * alpha,
        )
    height = max(mark.value, axes.get_ylim()[0])
    below = mark.value < height  # a triangle at the lower edge
    (line,) = axes.plot(
        mark.kilobytes,
        height,
        "v" if below else shape,
        clip_on=not below,
        color=colour,
        markersize=size,
        alpha=alpha,
    )
    line.set_gid(f"point-{place}")
