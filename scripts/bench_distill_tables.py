"""The tables of `scripts.bench_distill`, from the cells there are.

Which rows of test are right stands in each cell, so that intervals and tests need no model. Only
macro-F1 also needs the labels of test.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

from embzip.evaluation.accuracy import mcnemar_p
from scripts.bench_distill_cells import (
    LONG,
    SIZES,
    TARGETS,
    BySeed,
    figure,
    kept,
    of,
    right_of,
    sizes_of,
)
from scripts.bench_distill_intervals import holm, interval
from scripts.bench_distill_reached import reached
from scripts.bench_distill_shapes import beside_picked
from scripts.bench_distill_texts import with_texts
from scripts.bench_distill_ways import beside_others
from scripts.bench_texts import SETS

ALLOWED = (0.005, 0.01)  # losses
LOWEST = -0.01  # of the interval of a loss that is shown
TITLES = {"student": "student", "codec": "codec alone", "fasttext": "fastText", "mean": "mean"}


def tables(texts: Path) -> str:
    """Return all tables of the cells there are."""
    parts = [smaller(texts), curves(), losses(), beside_fasttext(), reached()]
    parts += [targets(), with_texts(), beside_picked(), beside_others(), teachers()]
    return "\n\n".join(part for part in parts if part) or "no cells yet"


def smaller(texts: Path) -> str:
    """Return how many times smaller students are at a loss that is allowed."""
    lines = [
        "Times smaller than the teacher's float32 file, and than its file with int8 table and "
        "kernels (both packed), at the smallest size whose mean loss over seeds is allowed on dev; "
        "files of students are packed. Figures are of test, the interval is over seeds and rows; "
        "*shown* is a loss whose lower end is above -1 point.",
        "",
        "| data | words | seeds | loss allowed | size | KB | times smaller | than int8 | teacher "
        "| student | difference | 95 % | shown |",
        "|---" * 13 + "|",
    ]
    rows = []
    ratios: dict[float, list[float]] = {loss: [] for loss in ALLOWED}
    sets = 0
    for data in (*SETS, *LONG):
        before = of("teacher", data)
        students = any(of("student", data, size) for size in sizes_of("student"))
        sets += bool(before) and students
        for loss in ALLOWED:
            for size in sizes_of("student"):
                after = of("student", data, size)
                seeds = sorted(set(before) & set(after))
                if not seeds:
                    continue
                if _gain(data, before, after, seeds, side="dev_") < -loss:
                    continue
                gain = _gain(data, before, after, seeds)
                nbytes = fmean(after[seed]["packed_bytes"] for seed in seeds)
                ratio = fmean(before[seed]["bytes"] for seed in seeds) / nbytes
                second = fmean(before[seed]["int8_packed_bytes"] for seed in seeds) / nbytes
                low, high = interval(texts, data, before, after, seeds)
                ratios[loss].append(ratio)
                words = before[seeds[0]]["words"]
                told = [
                    fmean(figure(data, side[seed]) for seed in seeds) for side in (before, after)
                ]
                rows.append(
                    f"| {data} | {words:,} | {len(seeds)} | {100 * loss:g} | {size} "
                    f"| {nbytes / 1e3:.1f} | {ratio:.0f} | {second:.0f} | {told[0]:.4f} "
                    f"| {told[1]:.4f} | {_points(gain)} | {_points(low)} to {_points(high)} "
                    f"| {'yes' if low > LOWEST else 'no'} |"
                )
                break
            else:
                if before and students:
                    rows.append(f"| {data} | | | {100 * loss:g} | none |{' |' * 8}")
    if not rows:
        return ""
    medians = [
        f"{median([*found, *[0.0] * (sets - len(found))]):.0f} at a loss of at most "
        f"{100 * loss:g} ({len(found)} of {sets} sets reach it)"
        for loss, found in ratios.items()
    ]
    sentence = f"Median times smaller, 0 where no size reaches it: {', '.join(medians)}."
    return "\n".join([*lines, *rows, "", sentence])


def _gain(
    data: str, before: BySeed, after: BySeed, seeds: Sequence[int], *, side: str = ""
) -> float:
    return fmean(
        figure(data, after[seed], side) - figure(data, before[seed], side) for seed in seeds
    )


def curves() -> str:
    """Return the figure of each set by size, for students and what stands beside them."""
    sizes = sorted({*SIZES, *sizes_of("student")}, key=lambda size: int(size.removesuffix("KB")))
    lines = [
        "By size of file, mean of the seeds there are (their number): accuracy, of ru_ok_toxic "
        "macro-F1. *-* is a size that none reaches, an empty cell was not run.",
        "",
        f"| data | what | {' | '.join(sizes)} | not compressed |",
        f"|---|---|{'---|' * len(sizes)}---|",
    ]
    rows = []
    for data in (*SETS, *LONG):
        for part, title in TITLES.items():
            cells = [_shown(part, data, size) for size in sizes]
            if any(cells):
                whole = {"student": "teacher", "fasttext": "fasttext-full"}.get(part, "")
                rows.append(f"| {data} | {title} | {' | '.join(cells)} | {_shown(whole, data)} |")
    return "\n".join([*lines, *rows]) if rows else ""


def _shown(part: str, data: str, size: str = "") -> str:
    found = of(part, data, size) if part else {}
    if found:
        return f"{fmean(figure(data, record) for record in found.values()):.4f} ({len(found)})"
    known = [c for c in kept(part) if (c.data, c.size, c.targets) == (data, size, "both")]
    return "-" if part and known else ""


def losses() -> str:
    """Return what students gain on their teachers, on dev and on test."""
    sizes = sizes_of("student")
    rows = []
    for data in (*SETS, *LONG):
        before, cells = of("teacher", data), []
        for size in sizes:
            after = of("student", data, size)
            seeds = sorted(set(before) & set(after))
            gains = (_gain(data, before, after, seeds, side=s) for s in ("dev_", ""))
            cells.append(", ".join(map(_points, gains)) if seeds else "")
        if any(cells):
            rows.append(f"| {data} | {' | '.join(cells)} |")
    head = [
        "Student less teacher, points, mean of the same seeds: on dev, on test.",
        "",
        f"| data | {' | '.join(sizes)} |",
        f"|---|{'---|' * len(sizes)}",
    ]
    return "\n".join([*head, *rows]) if rows else ""


def beside_fasttext() -> str:
    """Return students less fastText at equal sizes, McNemar's p of each seed after Holm."""
    pairs = [
        (data, size, seed)
        for data in (*SETS, *LONG)
        for size in SIZES
        for seed in sorted(set(of("student", data, size)) & set(of("fasttext", data, size)))
    ]
    if not pairs:
        return ""
    rights = {
        (data, size, seed): [
            right_of(of(part, data, size)[seed]) for part in ("student", "fasttext")
        ]
        for data, size, seed in pairs
    }
    adjusted = holm([mcnemar_p(*rights[pair]) for pair in pairs])
    by_pair = dict(zip(pairs, adjusted, strict=True))
    lines = [
        "Student less fastText, points, mean of seeds; in brackets McNemar's p of each seed, "
        f"corrected by Holm over all {len(pairs)}.",
        "",
        f"| data | {' | '.join(SIZES)} |",
        f"|---|{'---|' * len(SIZES)}",
    ]
    means: dict[str, list[float]] = {size: [] for size in SIZES}
    for data in dict.fromkeys(data for data, _, _ in pairs):
        cells = []
        for size in SIZES:
            seeds = [seed for name, at, seed in pairs if (name, at) == (data, size)]
            if not seeds:
                cells.append("")
                continue
            gain = _gain(data, of("fasttext", data, size), of("student", data, size), seeds)
            means[size].append(gain)
            ps = ", ".join(f"{by_pair[data, size, seed]:.2g}" for seed in seeds)
            cells.append(f"{_points(gain)} ({ps})")
        lines.append(f"| {data} | {' | '.join(cells)} |")
    shown = [_points(fmean(found)) if found else "" for found in means.values()]
    lines.append(f"| **mean of sets** | {' | '.join(shown)} |")
    below = [
        f"{data} {size} seed {seed}"
        for (data, size, seed), p in by_pair.items()
        if p < 0.05 and rights[data, size, seed][0].mean() < rights[data, size, seed][1].mean()
    ]
    lines += ["", f"Significantly below fastText: {', '.join(below) or 'none'}."]
    return "\n".join(lines)


def targets() -> str:
    """Return students by whose word they learn, where others than the default were run."""
    rows = []
    for data in (*SETS, *LONG):
        before = of("teacher", data)
        for size in sizes_of("student"):
            by = {each: of("student", data, size, each) for each in TARGETS}
            seeds = sorted(set.intersection(set(before), *map(set, by.values())))
            if not seeds:
                continue
            gains = [_points(_gain(data, before, by[each], seeds)) for each in by]
            rows.append(f"| {data} | {size} | {len(seeds)} | {' | '.join(gains)} |")
    head = [
        "Points gained on the teacher, by whose word students learn: both, the fold teachers', the "
        "teacher's.",
        "",
        f"| data | size | seeds | {' | '.join(TARGETS)} |",
        f"|---|---|---|{'---|' * len(TARGETS)}",
    ]
    return "\n".join([*head, *rows]) if rows else ""


def teachers() -> str:
    """Return what teachers, fold teachers and students take."""
    rows = []
    for data in (*SETS, *LONG):
        before, folds = of("teacher", data), of("folds", data)
        if not before:
            continue
        student = of("student", data, "64KB")
        seconds: list[float | None] = [fmean(r["vector_seconds"] for r in before.values())]
        seconds += [
            fmean(r["seconds"] for r in f.values()) if f else None for f in (before, folds, student)
        ]
        peaks = [record["peak_mb"] for record in student.values() if "peak_mb" in record]
        rows.append(
            f"| {data} | {fmean(r['bytes'] for r in before.values()) / 1e6:.1f} "
            f"| {fmean(r['int8_packed_bytes'] for r in before.values()) / 1e6:.2f} | "
            + " | ".join("" if each is None else f"{each:.0f}" for each in seconds)
            + f" | {max(peaks) if peaks else ''} |"
        )
    head = [
        "| data | teacher, MB | as int8, MB | s: vectors | teacher | four fold teachers "
        "| student of 64 KB | MB it took |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) if rows else ""


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"
