"""Draw the README's picture from RESULTS.md: accuracy as the whole file becomes smaller.

    python -m scripts.picture

Reads the block `winners`, models of words alone, and writes scripts/figures/smaller.svg.
"""

import re
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from embzip.files.writing import write_bytes
from scripts.results import PAGE, blocks

PICTURE = PAGE.parent / "figures" / "smaller.svg"
# What each set of texts is, and whether its numbers stand above its line or below.
SETS = {
    "r8": ("Reuters news, 8 classes", 1),
    "clinc150": ("questions, 150 classes", 1),
    "ru_avito": ("Russian ads, 10 classes", 1),
    "tagmynews": ("news titles, 7 classes", -1),
    "debian-topic": ("software, 21 classes", 1),
}


class Point(NamedTuple):
    """How many times smaller, accuracy in percent of test, and points gained."""

    smaller: int
    accuracy: float
    gained: str


def points(printed: str) -> dict[str, list[Point]]:
    """Return the line of each set, from the table of winners; the first point is the original.

    >>> points("| r8-words | 25x | `int8` | 794 | 0.0002 | 96.94 | 96.71 | -0.23 | - |")["r8"][1]
    Point(smaller=25, accuracy=96.71, gained='-0.23')
    """
    lines: dict[str, list[Point]] = {}
    for row in re.findall(r"^\| (\S+)-words \| (\d+)x \|(.*)$", printed, re.MULTILINE):
        name, smaller, rest = row
        before, after, gained = (cell.strip() for cell in re.split(r"(?<!\\)\|", rest)[3:6])
        line = lines.setdefault(name, [Point(1, float(before), "")])
        line.append(Point(int(smaller), float(after), gained))
    return lines


def draw(lines: dict[str, list[Point]], path: Path) -> None:
    """Write the picture, an SVG on white."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    steps = sorted({point.smaller for line in lines.values() for point in line})
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem, "font.size": 11}):
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        axes = figure.add_subplot()
        for name, line in lines.items():
            called, side = SETS[name]
            places = [steps.index(point.smaller) for point in line]
            axes.plot(places, [point.accuracy for point in line], "o-", color="#b3261e")
            axes.annotate(
                called, (0, line[0].accuracy), (-12, 0), ha="right", va="center",
                textcoords="offset points",
            )  # fmt: skip
            for place, point in zip(places, line, strict=True):
                axes.annotate(
                    point.gained or f"{point.accuracy:.2f} %",
                    (place, point.accuracy), (0, 9 * side), fontsize=9, color="#555555",
                    ha="center", va="bottom" if side > 0 else "top", textcoords="offset points",
                )  # fmt: skip
        axes.set_xlim(-1.15, len(steps) - 0.7)
        axes.set_ylim(68, 101)
        axes.set_xticks(
            range(len(steps)),
            ["original file"] + [f"{smaller} times smaller" for smaller in steps[1:]],
        )
        axes.set_yticks([])
        axes.set_title("Accuracy on test, and points gained or lost", loc="left", fontsize=11)
        axes.spines[["top", "right", "left"]].set_visible(False)
        buffer = StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    svg = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    write_bytes(path, svg.encode())


if __name__ == "__main__":
    draw(points(blocks(PAGE.read_text("utf-8"))["winners"].printed), PICTURE)
