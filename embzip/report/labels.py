"""Finds a place for each label of a plot, so that none covers another, a mark or the frame.

Plain geometry in pixels, y upwards; knows nothing of what is drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]  # x0, y0, x1, y1
_GAPS = (11.0, 17.0, 25.0)
# Beyond these, moving labels that are placed already is not worth the time.
_PATIENCE = 20_000
_MOST = 100


@dataclass(frozen=True)
class Label:
    """A label's size, the point (x, y) it names, and the ends (low, high) of that point's bar."""

    width: float
    height: float
    x: float
    y: float
    low: float
    high: float


def place(
    labels: Sequence[Label], obstacles: Sequence[Box], frame: Box, *, all_or_none: bool
) -> list[Box | None]:
    """Return a box for each label, or None for one without a place.

    Labels are placed in turn, each as near its point as it gets; where one has no place, the ones
    before it move. With `all_or_none`, giving up leaves all without a place, and otherwise only
    those that are in the way.

    >>> label = Label(width=20, height=10, x=50, y=50, low=50, high=50)
    >>> place([label], [(60, 0, 100, 100)], (0, 0, 100, 100), all_or_none=True)
    [(19.0, 45.0, 39.0, 55.0)]
    """
    steps = iter(range(_PATIENCE))
    placed: list[Box] = []

    def free(box: Box) -> bool:
        return _inside(box, frame) and not any(_overlap(box, b) for b in (*obstacles, *placed))

    def place_from(index: int) -> bool:
        if index == len(labels):
            return True
        for box in _places(labels[index]):
            if free(box):
                placed.append(box)
                if place_from(index + 1):
                    return True
                placed.pop()
            if next(steps, None) is None:
                return False
        return False

    if len(labels) <= _MOST and place_from(0):
        return list(placed)
    if all_or_none:
        return [None] * len(labels)
    found: list[Box | None] = []
    for label in labels:
        box = next((box for box in _places(label) if free(box)), None)
        found.append(box)
        if box is not None:
            placed.append(box)
    return found


def _places(label: Label) -> Iterator[Box]:
    """Yield boxes in order of preference: beside the point, around it, past the bar's ends."""
    width, height = label.width, label.height
    right, left, middle = label.x, label.x - width, label.x - width / 2
    near = _GAPS[0]
    yield _box(right + near, label.y - height / 2, width, height)
    yield _box(left - near, label.y - height / 2, width, height)
    for gap in _GAPS:
        for y in (label.y + gap, label.y - gap - height):
            for x in (middle, right + near, left - near):
                yield _box(x, y, width, height)
    for gap in (5.0, *_GAPS):
        for y in (label.low - gap - height, label.high + gap):
            for x in (middle, right, left):
                yield _box(x, y, width, height)


def _box(x: float, y: float, width: float, height: float) -> Box:
    return x, y, x + width, y + height


def _inside(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
