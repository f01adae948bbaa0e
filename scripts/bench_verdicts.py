"""How often the bounds of verdicts cover the truth, by simulation.

    python -m scripts.bench_verdicts --sets 10000 --table

A cell is a number of texts, a share of texts whose answers change from right to wrong or back, and
the accuracy of the model before. The model after is worse by half a point, the drop that is
allowed, so that a bound that does not cover the truth is a wrong verdict. Texts have three labels,
60, 30 and 10 % of them; wrong answers go to the two others alike. Of each cell so many test sets
are drawn, and the one-sided 95 % bounds are held against the true difference: Newcombe's of
accuracy in all, the bootstrap's of macro-F1, which costs 300 resamples each, too. An answer may
also change from wrong to wrong: those are as many as chance makes.

A bound covers where its share is at least .94 less two standard errors of the simulation. Cells
are kept under `scripts/cells/verdicts` and not computed again.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embzip.evaluation.paired_bounds import macro_f1_of_counts, newcombe_bounds
from embzip.evaluation.verdicts import LEAST_CHANGED
from embzip.files.writing import write_bytes

CELLS = Path(__file__).parent / "cells" / "verdicts"
ROWS, CHANGED, ACCURACY = (250, 500, 1500, 5000), (0.02, 0.05, 0.10), (0.7, 0.8, 0.9, 0.95)
DROP, CONFIDENCE, LEAST = 0.005, 0.95, 0.94
LABELS = np.array([0.6, 0.3, 0.1])
RESAMPLES = 300


@dataclass(frozen=True)
class Cell:
    """Texts, the share that one of the two models alone gets right, the accuracy before."""

    rows: int
    changed: float
    accuracy: float

    @property
    def path(self) -> Path:
        """Where its result is kept."""
        return CELLS / f"{self.rows}-{self.changed:g}-{self.accuracy:g}.json"

    def kinds(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return (kinds, 3) codes of label, answer before and after, and how likely each is."""
        wins, losses = (self.changed - DROP) / 2, (self.changed + DROP) / 2
        both = self.accuracy - losses
        neither = 1 - both - wins - losses
        found, shares = [], []
        for truth, before, after in itertools.product(range(3), repeat=3):
            right = before == truth, after == truth
            share = {(True, True): both, (False, True): wins / 2, (True, False): losses / 2}
            # Where both are wrong, nine in ten answers stay as they are.
            same = neither / 2 * (0.9 if before == after else 0.1)
            found.append((truth, before, after))
            shares.append(LABELS[truth] * share.get(right, same))
        return np.array(found), np.array(shares)


def cells() -> Iterator[Cell]:
    """Yield all cells, those of few texts first."""
    for rows, changed, accuracy in itertools.product(ROWS, CHANGED, ACCURACY):
        yield Cell(rows, changed, accuracy)


def covered(cell: Cell, sets: int, seed: int, resamples: int = RESAMPLES) -> dict[str, float]:
    """Return which share of drawn test sets has bounds that cover the true difference.

    Returns
    -------
    For each metric, `lower` and `upper`; of macro-F1, of the sets in which enough answers changed,
    and their share.
    """
    kinds, shares = cell.kinds()
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(cell.rows, shares, size=sets)
    right, other = (kinds[:, model] == kinds[:, 0] for model in (2, 1))
    wins, losses, both = (
        drawn[:, which].sum(axis=1) for which in (right & ~other, ~right & other, right & other)
    )
    low, high = newcombe_bounds(wins, losses, both, cell.rows, CONFIDENCE)
    # A bound that equals the truth covers it; sums of rounded shares are a hair beside it.
    found = {
        "accuracy_lower": float((low <= -DROP + 1e-12).mean()),
        "accuracy_upper": float((high >= -DROP - 1e-12).mean()),
    }
    if resamples:
        truth = macro_f1_of_counts(kinds, shares[None, :] * 1e9, len(LABELS))[0]
        gain = truth[1] - truth[0]
        enough = drawn[:, kinds[:, 1] != kinds[:, 2]].sum(axis=1) >= LEAST_CHANGED
        bounds = np.array([_bounds(each, kinds, rng, resamples) for each in drawn[enough]])
        found["macro_f1_judged"] = float(enough.mean())
        if enough.any():
            found["macro_f1_lower"] = float((bounds[:, 0] <= gain).mean())
            found["macro_f1_upper"] = float((bounds[:, 1] >= gain).mean())
    return found


def _bounds(
    counts: NDArray[np.int64], kinds: NDArray[np.int64], rng: np.random.Generator, resamples: int
) -> tuple[float, float]:
    held = counts > 0
    again = rng.multinomial(counts.sum(), counts[held] / counts.sum(), size=resamples)
    scores = macro_f1_of_counts(kinds[held], again, len(LABELS))
    low, high = np.quantile(scores[:, 1] - scores[:, 0], [1 - CONFIDENCE, CONFIDENCE])
    return float(low), float(high)


def covers(share: float, sets: float) -> bool:
    """Return whether a share of covered sets is enough, by two standard errors.

    >>> covers(0.938, 10_000), covers(0.93, 10_000)
    (True, False)
    """
    return share >= LEAST - 2 * float(np.sqrt(LEAST * (1 - LEAST) / sets))


def table() -> str:
    """Return the table of the cells that there are."""
    lines = [
        "| texts | changed | accuracy | accuracy: lower, upper | macro-F1: judged, lower, upper |",
        "|---|---|---|---|---|",
    ]
    failed: dict[str, int] = {"accuracy": 0, "macro-F1": 0}
    wrong = 0.0
    for cell in cells():
        if not cell.path.exists():
            continue
        record = json.loads(cell.path.read_text())
        sets = record["sets"]
        accuracy = [record["accuracy_lower"], record["accuracy_upper"]]
        judged = sets * record["macro_f1_judged"]
        macro = [record[f"macro_f1_{side}"] for side in ("lower", "upper") if judged]
        failed["accuracy"] += not all(covers(share, sets) for share in accuracy)
        failed["macro-F1"] += not all(covers(share, judged) for share in macro)
        wrong = max([wrong, *(record["macro_f1_judged"] * (1 - share) for share in macro)])
        told = ", ".join(f"{share:.3f}" for share in accuracy)
        f1 = ", ".join(f"{share:.3f}" for share in [record["macro_f1_judged"], *macro])
        lines.append(f"| {cell.rows:,} | {cell.changed:.0%} | {cell.accuracy:g} | {told} | {f1} |")
    count = len(lines) - 2
    said = ", ".join(f"of {name} in {count - bad} of {count} cells" for name, bad in failed.items())
    lines += ["", f"Bounds cover as they should {said}."]
    lines += [
        f"Of all sets, judged or not, macro-F1 is judged wrongly in at most {wrong:.1%} a cell."
    ]
    return "\n".join(lines)


def main() -> None:
    """Compute the cells that are missing, or print the table of those there are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=10_000, help="test sets a cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="compute nothing, print the table")
    given = parser.parse_args()
    for number, cell in enumerate(cells()):
        if given.table or cell.path.exists():
            continue
        record = {"sets": given.sets, **covered(cell, given.sets, given.seed + number)}
        cell.path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(cell.path, (json.dumps(record, indent=1) + "\n").encode())
        print(cell, record, file=sys.stderr)
    print(table())


if __name__ == "__main__":
    main()
