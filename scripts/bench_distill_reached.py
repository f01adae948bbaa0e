"""The smallest students that are as good as something larger: fastText, and README's chain before.

What they are held against is not compressed to their size, and has its own seeds.
"""

import json
from collections.abc import Sequence
from statistics import fmean

from scripts.bench_chain import CELLS as CHAINS
from scripts.bench_distill_cells import LONG, Record, figure, of, sizes_of
from scripts.bench_texts import SETS


def reached() -> str:
    """Return the smallest sizes at which students are as good, and how many times smaller."""
    rows = []
    for data in (*SETS, *LONG):
        if not any(of("student", data, size) for size in sizes_of("student")):
            continue
        before = [json.loads(path.read_text()) for path in CHAINS.glob(f"before/{data}-*.json")]
        for what, aims in (
            ("fastText at 100 KB", [*of("fasttext", data, "100KB").values()]),
            ("README's chain before", before),
        ):
            if aims:
                rows.append(_row(data, what, aims))
    head = [
        "The smallest size at which students, mean of the seeds there are, are as good on test; "
        "*before* is the one of the table [chain](#chain).",
        "",
        "| data | as good as | figure | KB | a student reaches it at | times smaller |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) if rows else ""


def _row(data: str, what: str, aims: Sequence[Record]) -> str:
    wanted = fmean(figure(data, aim) for aim in aims)
    nbytes = fmean(aim["bytes"] for aim in aims)
    enough, ratio = "none", ""
    for size in sizes_of("student"):
        found = of("student", data, size).values()
        if found and fmean(figure(data, record) for record in found) >= wanted:
            small = fmean(record["packed_bytes"] for record in found)
            enough, ratio = size, f"{nbytes / small:,.1f}"
            break
    return f"| {data} | {what} | {wanted:.4f} | {nbytes / 1e3:,.0f} | {enough} | {ratio} |"
