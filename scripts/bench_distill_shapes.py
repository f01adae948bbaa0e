"""What `scripts.bench_distill` puts beside `--size`: shapes picked by hand, of at most that size.

They are neighbours of the shape that `--size` takes: half, one and a half and twice its columns;
half, one and a half and twice its filters; the next codecs below and above; kernels of int8. Each
has as many rows as fit, and is distilled as the one of `--size` is. Test is not read.

The best of many shapes on dev owes a part of its lead to chance. So it is also picked by one half
of dev and judged on the other, once each way (`bench_search` halves dev in the same way).
"""

import statistics
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip import Classifier, Example
from embzip.classifier.student_shape import StudentShape
from embzip.classifier.student_sizes import student_nbytes
from embzip.classifier.students import kept_of, kept_table
from embzip.trials.sides import halves
from scripts.bench_distill_cells import Task, in_order, judged, right_of

CODECS = ("svd|tcq:1", "svd|tcq:1.5", "svd|tcq:2", "svd|tcq:3", "svd|tcq:4")
FACTORS = (0.5, 1.5, 2)
Record = dict[str, Any]


def shapes(
    task: Task, taught: Classifier, asked: Sequence[Classifier], share: float, size: str
) -> Record:
    """Return what students are on dev: the one of a size first, then those of picked shapes."""
    from embzip import tf

    train, dev = task.parts()
    ids = taught.encode([example.text for example in train])

    def distilled(**options: Any) -> tf.DistillResult:
        return tf.distill(
            taught, task.examples(), fold_teachers=asked, fold_share=share, seed=task.seed,
            **options,
        )  # fmt: skip

    found = [_judged(distilled(size=size), dev)]
    nbytes = 1000 * int(size.removesuffix("KB"))
    for near in neighbours(StudentShape(**found[0]["shape"])):
        if (shape := fitting(taught, ids, near, nbytes)) is not None:
            found.append(_judged(distilled(shape=shape), dev))
    return {"students": found, "first_half": first_half(dev).tolist()}


def neighbours(shape: StudentShape) -> Iterator[StudentShape]:
    """Return shapes that differ from one in one thing, and in rows.

    >>> [(near.dim, near.filters) for near in neighbours(StudentShape())][:4]
    [(8, 64), (24, 64), (32, 64), (16, 32)]
    """
    for name in ("dim", "filters"):
        for factor in FACTORS:
            yield replace(shape, **{name: round(factor * getattr(shape, name))})
    place = CODECS.index(shape.codec)
    for other in CODECS[max(0, place - 1) : place + 2]:
        if other != shape.codec:
            yield replace(shape, codec=other)
    yield replace(shape, kernels="int8")


def fitting(
    taught: Classifier,
    ids: Sequence[Sequence[int]],
    shape: StudentShape,
    nbytes: int,
    *,
    of_word: float | None = None,
) -> StudentShape | None:
    """Return a shape with the most words that fit; None where not even 100 do.

    Parameters
    ----------
    of_word
        Bytes that a word takes, where it is not stored as a string.
    """
    every = kept_table(taught, ids)
    words = len(every.ordinary_ids())
    counts = range(min(100, words), words + 1)

    def size(rows: int) -> int:
        kept = kept_of(every, rows)
        whole = student_nbytes(taught, kept, shape)
        if of_word is None:
            return whole
        assert kept.tokenizer is not None
        return whole - len(kept.tokenizer.to_bytes()) + ceil(of_word * rows)

    fit = bisect_right(counts, nbytes, key=size)
    return replace(shape, rows=counts[fit - 1]) if fit else None


def first_half(dev: Sequence[Example]) -> NDArray[np.bool_]:
    """Return which texts of dev are in the half that a search chooses by, (texts,)."""
    chosen = {example.text for example in halves(dev)[0]}
    return np.array([example.text in chosen for example in dev])


def _judged(made: Any, dev: Sequence[Example]) -> Record:
    said, _ = judged(made.classifier, dev)
    return {"shape": asdict(made.shape), "log_loss": made.student.log_loss, **said}


def beside_picked() -> str:
    """Return the table of sizes beside the best shape that was picked by hand, on dev."""
    rows, gains = [], []
    for cell, record in in_order("shapes"):
        first, *picked = record["students"]
        best = max(picked, key=lambda each: float(each["accuracy"]))
        gain, crossed = first["accuracy"] - best["accuracy"], crossed_gain(record)
        least = min(each["log_loss"] for each in picked)
        gains.append((gain, crossed))
        rows.append(
            f"| {cell.data} | {cell.size} | {len(picked)} | {_told(first['shape'])} "
            f"| {_told(best['shape'])} | {first['accuracy']:.4f} | {100 * gain:+.2f} "
            f"| {100 * crossed:+.2f} | {first['log_loss']:.3f} | {least:.3f} |"
        )
    if not rows:
        return ""
    mean = [statistics.fmean(each) for each in zip(*gains, strict=True)]
    worst = [min(each) for each in zip(*gains, strict=True)]
    return "\n".join(
        [
            "`--size` alone, beside the best of so many shapes picked by hand, on dev: its "
            "accuracy less theirs; *fair* is where the best is picked by one half of dev and "
            "judged on the other; the least log loss of theirs.",
            "",
            "| data | size | picked | shape of --size | best | accuracy | less the best | fair "
            "| log loss | least |",
            "|---" * 10 + "|",
            *rows,
            "",
            f"Mean {100 * mean[0]:+.2f}, fair {100 * mean[1]:+.2f}; worst {100 * worst[0]:+.2f}, "
            f"fair {100 * worst[1]:+.2f} points.",
        ]
    )


def crossed_gain(record: Mapping[str, Any]) -> float:
    """Return the accuracy of the first student less that of the best of one half on the other."""
    right = np.array([right_of(each) for each in record["students"]])
    half = np.array(record["first_half"], np.bool_)
    gains = []
    for picks in (half, ~half):
        best = 1 + int(right[1:, picks].mean(axis=1).argmax())
        gains.append(right[0, ~picks].mean() - right[best, ~picks].mean())
    return float(np.mean(gains))


def _told(shape: Mapping[str, Any]) -> str:
    bits = shape["codec"].rpartition(":")[2]
    return (
        f"{shape['rows']:,} x {shape['dim']}, {shape['filters']}, {bits} bits, {shape['kernels']}"
    )
