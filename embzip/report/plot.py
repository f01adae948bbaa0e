"""Size against accuracy as inline SVG, by matplotlib, its only importer.

Text stays text, so the page's own font, and its colours for light and dark, apply.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embzip.errors import MissingPackageError
from embzip.report.figures import fraction
from embzip.report.labels import Box, Label, place
from embzip.report.view import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
_COLOURS = {role.removeprefix("--"): colour for colour, role in _ROLES.items()}
_TONES = {"better": "better", "worse": "worse", "baseline": "ink"}


@dataclass(frozen=True)
class Plot:
    """An SVG element, and the names its numbers stand for, where names would have collided."""

    svg: str
    key: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Point:
    line: Line
    size: float
    accuracy: float


def draw(lines: Sequence[Line], *, width: int, height: int, font: float, prefix: str) -> Plot:
    """Draw candidates with a size and an accuracy.

    Parameters
    ----------
    lines
        Those without a size or an accuracy are passed over; at least one must have both.
    width, height, font
        In CSS pixels.
    prefix
        Makes ids distinct where a page holds several plots.

    Raises
    ------
    MissingPackageError
        Without matplotlib.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "the report's plot needs matplotlib: `pip install 'matplotlib>=3.9'`, or "
            "`uv sync --extra report` from a checkout"
        ) from error
    points = [
        _Point(line, line.megabytes, line.accuracy)
        for line in lines
        if line.megabytes and line.accuracy is not None
    ]
    with (
        mpl.rc_context(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": prefix,
                "text.parse_math": False,
                "axes.unicode_minus": False,
                "font.family": ["DejaVu Sans"],
                "font.size": font,
            }
        ),
        warnings.catch_warnings(),
    ):
        # A name in a script the measuring font lacks is drawn by the browser's fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # Of 72 dots an inch, so that a point is a pixel.
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasAgg(figure)  # measures text; saving as SVG needs no canvas of its own
        axes = figure.add_subplot()
        _frame(axes, points)
        _margins(figure, axes, font)
        _marks(axes, points)
        labels = [_short(point.line.name, width) for point in points]
        key: tuple[tuple[str, str], ...] = ()
        distinct = len(set(labels)) == len(labels)
        if not distinct or not _label(axes, points, labels, all_or_none=True):
            numbers = [str(number) for number, _ in enumerate(points, start=1)]
            _label(axes, points, numbers, all_or_none=False)
            names = (point.line.name for point in points)
            key = tuple(zip(numbers, names, strict=True))
        return Plot(_inline(figure, prefix), key)


def _frame(axes: "Axes", points: Sequence[_Point]) -> None:
    sizes = [point.size for point in points]
    lows = [point.line.interval[0] if point.line.interval else point.accuracy for point in points]
    highs = [point.line.interval[1] if point.line.interval else point.accuracy for point in points]
    low = min(lows + [point.accuracy for point in points])
    high = max(highs + [point.accuracy for point in points])
    spare = max(0.12 * (high - low), 0.01)
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.9, max(sizes) * 1.9)
    axes.set_ylim(low - spare, high + spare)
    ticks = list(_sizes(*axes.get_xlim(), most=6))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(lambda value, _: fraction(value))
    axes.set_xlabel(
        "size of the whole artefact, MB (log scale)", color=_COLOURS["muted"], labelpad=7
    )
    axes.tick_params(colors=_COLOURS["muted"], length=0, pad=6)
    axes.grid(color=_COLOURS["rule"], linewidth=1)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    axes.figure.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_COLOURS["muted"])


def _margins(figure: "Figure", axes: "Axes", font: float) -> None:
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


def _marks(axes: "Axes", points: Sequence[_Point]) -> None:
    for point in points:
        colour = _COLOURS[_TONES.get(point.line.tone, "even")]
        if point.line.is_baseline:
            axes.axhline(point.accuracy, color=_COLOURS["muted"], linewidth=1.2, dashes=(4, 4))
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
                markeredgecolor=_COLOURS["accent"],
                markeredgewidth=2,
            )
        shape = "s" if point.line.is_baseline else "o"
        axes.plot(point.size, point.accuracy, shape, color=colour, markersize=9)


def _label(
    axes: "Axes", points: Sequence[_Point], labels: Sequence[str], *, all_or_none: bool
) -> bool:
    """Write a label near each point, where nothing else is; False where one had no place."""
    texts = [
        axes.text(
            0,
            0,
            label,
            transform=None,
            color=_COLOURS["ink"],
            verticalalignment="bottom",
            fontweight="bold" if point.line.chosen else "normal",
        )
        for point, label in zip(points, labels, strict=True)
    ]
    measured = []
    for point, text in zip(points, texts, strict=True):
        extent = text.get_window_extent()
        x, y, low, high = _pixels(axes, point)
        measured.append(Label(extent.width, extent.height, x, y, low, high))
    frame = axes.get_window_extent()
    edges = (frame.x0, frame.y0, frame.x1, frame.y1)
    boxes = place(measured, list(_obstacles(axes, points)), edges, all_or_none=all_or_none)
    for text, box in zip(texts, boxes, strict=True):
        if box is None:
            text.remove()
        else:
            text.set_position(box[:2])
    return None not in boxes


def _obstacles(axes: "Axes", points: Sequence[_Point]) -> Iterator[Box]:
    frame = axes.get_window_extent()
    for point in points:
        x, y, low, high = _pixels(axes, point)
        radius = 11 if point.line.chosen else 7
        yield x - radius, y - radius, x + radius, y + radius
        yield x - 4, low, x + 4, high
        if point.line.is_baseline:  # the dashed line
            yield frame.x0, y - 2, frame.x1, y + 2


def _pixels(axes: "Axes", point: _Point) -> tuple[float, float, float, float]:
    """Return x, y, and the ends of the bar, which are y where there is none."""
    ends = point.line.interval or (point.accuracy, point.accuracy)
    (x, y), (_, low), (_, high) = axes.transData.transform(
        [(point.size, at) for at in (point.accuracy, *ends)]
    )
    return float(x), float(y), float(low), float(high)


def _sizes(low: float, high: float, *, most: int) -> Iterator[float]:
    """Yield round sizes in a range: powers of ten, with 2 and 5 between where few would stand."""
    exponents = range(-7, 8)
    for steps in ((1, 2, 5), (1, 3), (1,), (1,)):
        ticks = [s * 10.0**e for e in exponents for s in steps if low <= s * 10.0**e <= high]
        if len(ticks) <= most:
            break
    yield from ticks


def _short(name: str, width: int) -> str:
    most = 18 + width // 60
    return name if len(name) <= most else name[: most - 1] + "…"


def _inline(figure: "Figure", prefix: str) -> str:
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
        r'<svg viewBox="\1" role="img" aria-label="size against accuracy">',
        svg,
    )
