"""What a search begins with: points of its space whose shapes won on the benchmark sets."""

from collections.abc import Sequence
from typing import Any

from embzip.classifier.student_sizes import steps_of, wider_of
from embzip.trials.space import BITS, Point, Space

_USUAL = 4  # the step of 64 KB


def first_points(space: Space) -> list[dict[str, Any]]:
    """Return the points that a search begins with: shapes that won on the benchmark sets.

    Where there is no size, the largest comes first: where time is short, one that loses little
    is found at all, and the gate, which goes down from the largest, says nothing of the others
    if it fails there.
    """
    ladder = [shape for _, shape in steps_of(space.labels)]
    points = [
        space.point(dim=shape.dim, filters=shape.filters, bits=float(shape.codec.split(":")[1]))
        for shape in ladder
    ]
    if space.reads:
        return _over_pieces(space, points)
    pieces = [space.point(pieces=each, dim=24) for each in space.vocabularies[2:3]]
    return [*_over_words(space, points), *pieces]


def _over_words(space: Space, points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the points of students that read words, from the ladder of shapes."""
    if space.size is None:
        usual = points[_USUAL]
        most, some, few, least = (
            {"rows": min(1.0, rows / space.words)} for rows in (16_000, 8000, 5000, 3000)
        )
        more = {"bits": usual["bits"] + 1}
        return [
            {**points[_USUAL + 2], **more},
            {**usual, **some},
            {**usual, **some, "bits": max(1.0, usual["bits"] - 1)},
            {**usual, **some, **more},
            {**points[_USUAL + 1], **most, **more},
            {**points[_USUAL - 1], **few},
            {**points[_USUAL - 2], **least},
            {**usual, **few, "dim": 2 * usual["dim"], "bits": 1.0},
        ]
    # The step that `distill --size` takes, and those beside it.
    shares = [_share(space, point) for point in points]
    best = _step_of(space)
    while shares[best + 1 : best + 2] == [1.0]:
        best += 1
    while best and not shares[best]:
        best -= 1
    middle = points[best]
    if shares[best] == 1.0:
        wider = ({**middle, "filters": each} for each in wider_of(space.labels))
        middle = next((each for each in wider if _share(space, each) == 1.0), middle)
    beside = [points[at] for at in (best + 1, best - 1) if 0 <= at < len(points)]
    return [
        middle,
        *beside,
        {**middle, "bits": max(BITS[0], middle["bits"] - 1)},
        {**middle, "rows": 0.7},
        {**middle, "bits": min(BITS[1], middle["bits"] + 1)},
    ]


def _over_pieces(space: Space, points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the points where teachers read pieces: each vocabulary, and students over words."""
    own, fewer = {"pieces": space.reads}, {"pieces": space.vocabularies[-2] or space.reads}
    if space.size is None:
        usual = points[_USUAL]
        more, less = ({"bits": max(BITS[0], usual["bits"] + by)} for by in (1, -1))
        return [
            {**points[_USUAL + 2], **more, **own},
            {**points[_USUAL + 1], **more, **own},
            {**usual, **own},
            {**usual, **less, **own},
            {**usual, **fewer},
            {**usual, **less, **fewer},
            {**points[_USUAL - 1], **fewer},
            {**usual, "rows": min(1.0, 8000 / space.words)},
        ]
    # The largest step of the ladder that fits each vocabulary; first comes the largest one that
    # leaves room for the step of this size, or for the one before it.
    meant = _step_of(space)
    fitting: dict[int, int] = {}
    for vocabulary in space.vocabularies[1:]:
        for at, point in enumerate(points):
            if space.student({**point, "pieces": vocabulary}) is not None:
                fitting[vocabulary] = at
    order = sorted(fitting, key=lambda each: (min(fitting[each], meant - 1), each), reverse=True)
    found = [{**points[fitting[each]], "pieces": each} for each in order]
    for first in found[:1]:
        below = points[max(0, fitting[first["pieces"]] - 1)]
        found.append(
            {**first, **below, "pieces": first["pieces"], "bits": min(BITS[1], first["bits"] + 1)}
        )
    return [*found, *_over_words(space, points)[:2]]


def _step_of(space: Space) -> int:
    """Return the step of the ladder that is for files of the space's size."""
    assert space.size is not None  # noqa: S101
    return sum(least <= space.size for least, _ in steps_of(space.labels)) - 1


def _share(space: Space, point: Point) -> float:
    """Return which share of the rows a student has; of a teacher's pieces it has all or none."""
    student = space.student(point)
    return 0.0 if student is None else (student.shape.rows or space.words) / space.words
