"""Size against accuracy as inline SVG, by matplotlib, its only importer.

Points are numbered: names would cover each other, and stand in a list beside the plot. Text stays
text, so the page's own font, and its colours for light and dark, apply.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embzip.errors import MissingPackageError
from embzip.report.figures import fraction
from embzip.report.view import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Box = tuple[float, float, float, float]
# Drawn in these colours, which become the page's CSS variables of the same role.
_ROLES = {
    "#010101": "--ink",
    "#020202": "--muted",
    "#030303": "--rule",
    "#040404": "--accent",
    "#050505": "--even",
    "#060606": "--worse",
    "#070707": "--better",
}
COLOURS = {role.removeprefix("--"): colour for colour, role in _ROLES.items()}
_TONES = {"better": "better", "worse": "worse", "baseline": "ink"}


@dataclass(frozen=True)
class Point:
    """A candidate with a size, in MB, and an accuracy."""

    line: Line
    size: float
    accuracy: float


def points_of(lines: Iterable[Line]) -> list[Point]:
    """Return the candidates that have a size and an accuracy."""
    return [
        Point(line, line.megabytes, line.accuracy)
        for line in lines
        if line.megabytes and line.accuracy is not None
    ]


def draw(points: Sequence[Point], *, width: int, height: int, font: float, prefix: str) -> str:
    """Draw at least one point as an SVG element; points are numbered from 1 in their order.

    Parameters
    ----------
    width, height, font
        In CSS pixels.
    prefix
        Makes ids distinct where a page holds several plots.

    Raises
    ------
    MissingPackageError
        Without matplotlib.
    """
    with drawing(width, height, font, prefix) as figure:
        axes = figure.add_subplot()
        _frame(axes, points)
        margins(figure, axes, font)
        _marks(axes, points)
        _numbers(axes, points, font)
        return inline(figure, prefix, "size against accuracy")


@contextmanager
def drawing(width: int, height: int, font: float, prefix: str) -> Iterator["Figure"]:
    """Yield a figure of so many CSS pixels, to be drawn on and made `inline` in the block.

    Raises
    ------
    MissingPackageError
        Without matplotlib.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "the report's plot needs matplotlib: `pip install 'matplotlib>=3.9'`, or "
            "`uv sync --extra report` from a checkout"
        ) from error
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": prefix,
            "axes.unicode_minus": False,
            "font.family": ["DejaVu Sans"],
            "font.size": font,
        }
    ):
        # Of 72 dots an inch, so that a point is a pixel.
        yield Figure(figsize=(width / 72, height / 72), dpi=72)


def _frame(axes: "Axes", points: Sequence[Point]) -> None:
    sizes = [point.size for point in points]
    heights = [at for point in points for at in (point.accuracy, *(point.line.interval or ()))]
    low, high = min(heights), max(heights)
    spare = max(0.12 * (high - low), 0.01)
    axes.set_xlim(min(sizes) / 1.9, max(sizes) * 1.9)
    axes.set_ylim(low - spare, high + spare)
    grid(axes, "size of the whole artefact, MB (log scale)")


def grid(axes: "Axes", label: str) -> None:
    """Draw the axes of sizes, on a logarithmic scale, and of fractions, whose limits are set."""
    axes.set_xscale("log")
    ticks = list(round_sizes(*axes.get_xlim(), most=6))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(lambda value, _: fraction(value))
    axes.set_xlabel(label, color=COLOURS["muted"], labelpad=7)
    axes.tick_params(colors=COLOURS["muted"], length=0, pad=6)
    axes.grid(color=COLOURS["rule"], linewidth=1)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    axes.figure.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(COLOURS["muted"])


def margins(figure: "Figure", axes: "Axes", font: float) -> None:
    """Leave the room that the labels of the axes need, in pixels, and no more."""
    width, height = figure.get_size_inches() * 72
    axes.set_position(
        (
            3.4 * font / width,
            4.0 * font / height,
            1 - 3.8 * font / width,
            1 - 4.6 * font / height,
        )
    )


def _marks(axes: "Axes", points: Sequence[Point]) -> None:
    for point in points:
        colour = COLOURS[_TONES.get(point.line.tone, "even")]
        if point.line.is_baseline:
            axes.axhline(point.accuracy, color=COLOURS["muted"], linewidth=1.2, dashes=(4, 4))
        if point.line.interval is not None:
            axes.plot(
                [point.size, point.size], point.line.interval, color=colour, linewidth=2, alpha=0.55
            )
        if point.line.chosen:
            axes.plot(
                point.size,
                point.accuracy,
                "o",
                markersize=17,
                markerfacecolor="none",
                markeredgecolor=COLOURS["accent"],
                markeredgewidth=2,
            )
        shape = "s" if point.line.is_baseline else "o"
        axes.plot(point.size, point.accuracy, shape, color=colour, markersize=9)


@dataclass(frozen=True)
class _Label:
    """Numbers of points, at one of those points, and the box (x0, y0, x1, y1) of their text."""

    numbers: tuple[int, ...]
    at: tuple[float, float]
    box: Box

    def meets(self, box: Box) -> bool:
        a = self.box
        return a[0] < box[2] and box[0] < a[2] and a[1] < box[3] and box[1] < a[3]


def _numbers(axes: "Axes", points: Sequence[Point], font: float) -> None:
    """Write each point's number beside it; numbers that would collide stand together at one."""
    frame = axes.get_window_extent()
    places = axes.transData.transform([(point.size, point.accuracy) for point in points])
    marks = [(x - 6, y - 6, x + 6, y + 6) for x, y in places]
    labels: list[_Label] = []

    def cost(label: _Label) -> tuple[bool, int, int]:
        outside = label.box[0] < frame.x0 or label.box[2] > frame.x1
        met = sum(label.meets(other.box) for other in labels)
        return outside, met, sum(map(label.meets, marks))

    for number, (x, y) in enumerate(places, start=1):
        label = min(_around((number,), (x, y), font), key=cost)
        while other := next((each for each in labels if label.meets(each.box)), None):
            labels.remove(other)
            joined = tuple(sorted(other.numbers + label.numbers))
            label = min(_around(joined, other.at, font), key=cost)
        labels.append(label)
    for label in labels:
        text = ", ".join(map(str, label.numbers))
        axes.text(*label.box[:2], text, transform=None, color=COLOURS["ink"])


def _around(numbers: tuple[int, ...], at: tuple[float, float], font: float) -> Iterator[_Label]:
    """Yield the places beside a point: right or left of it, and above or below, in pixels."""
    width, height = 0.64 * font * len(", ".join(map(str, numbers))), 0.95 * font
    for low in (at[1] + 3, at[1] - 3 - height):
        for start in (at[0] + 9, at[0] - 9 - width):
            yield _Label(numbers, at, (start, low, start + width, low + height))


def round_sizes(low: float, high: float, *, most: int) -> Iterator[float]:
    """Yield round sizes in a range: powers of ten, with 2 and 5 between where few would stand."""
    exponents = range(-7, 8)
    for steps in ((1, 2, 5), (1, 3), (1,), (1,)):
        ticks = [s * 10.0**e for e in exponents for s in steps if low <= s * 10.0**e <= high]
        if len(ticks) <= most:
            break
    yield from ticks


def inline(figure: "Figure", prefix: str, label: str) -> str:
    """Return the figure as an SVG element that stands in a page and takes the page's colours."""
    from io import StringIO

    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = svg.replace('href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
    # The page's font: the name of the one that labels were measured with says nothing there.
    svg = re.sub(r"'DejaVu Sans'(, [\w' -]+)*", "inherit", svg)
    for colour, role in _ROLES.items():
        svg = svg.replace(colour, f"var({role})")
    return re.sub(
        r'^<svg [^>]*viewBox="([^"]*)"[^>]*>',
        rf'<svg viewBox="\1" role="img" aria-label="{label}">',
        svg,
    )
