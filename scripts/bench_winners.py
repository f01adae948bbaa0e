"""Which codec wins at which size: chosen on dev among all, reported on test.

    python -m scripts.bench_winners data -o bench/task

Takes the models of `scripts.bench_task` (seed 0; trained here where they are missing), rebuilds
each with every codec below, kernels as int8, and saves it packed: what counts is the whole file.
Among the files within a budget, a share of the uncompressed one's bytes, the least KL divergence
from the uncompressed model on dev wins, of each family of codecs and of all; nothing is trained
again. Test is read for the winners of all alone.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import embzip
from embzip import read_examples, rebuild
from embzip.errors import SpecError
from embzip.evaluation.accuracy import mean_kl
from embzip.files.own_source import source_digest
from embzip.pipeline.steps import Step, Steps, write_json
from embzip.types import Progress
from scripts.bench_task_models import TOKENIZERS, Settings, Task, answers_of, model_step
from scripts.bench_task_tables import paired_interval
from scripts.bench_texts import SETS, examples_file, train_and_dev

BUDGETS = (25, 50, 100)  # times smaller than the uncompressed file
FAMILIES: dict[str, tuple[str, ...]] = {
    "intN": ("int8", "int4", "int2", "int1"),
    "svd, int8": tuple(f"svd:{rank}|int8" for rank in (8, 16, 32, 64, 96, 128)),
    "svd, int4": tuple(f"svd:{rank}|int4" for rank in (16, 32, 64, 128, 192)),
    "mixed": ("svd|mixed:0.5", "svd|mixed:1", "svd|mixed:2", "svd:64|mixed:2", "svd:64|mixed:4"),
    "tcq": (
        *(f"svd|tcq:{bits}" for bits in (0.4, 0.7, 1, 1.5, 2)),
        *(f"svd:{rank}|tcq:{bits}" for rank in (32, 64, 128) for bits in (1, 2, 4)),
    ),
    "ectcq": (
        *(f"center|svd|ectcq:{bits}" for bits in (0.4, 0.7, 1, 1.5)),
        *(f"center|svd:64|ectcq:{bits}" for bits in (1, 2, 4)),
    ),
    "pq": ("pq:15", "pq:30", "pq:60", "normalize|pq:30"),
    "kmeans": ("kmeans:4", "kmeans:16", "svd:64|kmeans:16"),
    "rows": ("rows:256", "rows:2048"),
    "sparse": ("sparse:15", "sparse:30", "sparse:75"),
}


@dataclass(frozen=True)
class Candidate:
    """One codec on one model: the packed file's bytes, and dev against the uncompressed model."""

    family: str
    spec: str
    nbytes: int
    kl: float
    accuracy: float


@dataclass(frozen=True)
class Verdict:
    """What won on one model within one budget, and what it costs on test.

    Attributes
    ----------
    least
        The least KL divergence on dev of each family that has a file so small.
    before, after
        Accuracy on test, as fractions.
    interval
        95 % of the paired resampled differences.
    """

    model: str
    budget: int
    winner: Candidate
    least: dict[str, float]
    before: float
    after: float
    interval: tuple[float, float]


def main() -> None:
    """Measure what is missing, then print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/{train,test[,dev]}.tsv.xz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--tokenizers", nargs="+", default=TOKENIZERS, choices=TOKENIZERS)
    arguments = parser.parse_args()
    started = time.perf_counter()

    def log(line: str) -> None:
        print(f"{time.perf_counter() - started:7.0f} s  {line}", file=sys.stderr, flush=True)

    steps = Steps(arguments.output, log=log)
    verdicts = []
    for name in arguments.sets:
        for tokenizer in arguments.tokenizers:
            task = Task(arguments.texts / name, tokenizer, 0, Settings())
            log(task.name)
            verdicts += verdicts_on(steps, task)
    print(family_table(verdicts), end="\n\n")
    print(winner_table(verdicts))


def verdicts_on(steps: Steps, task: Task) -> list[Verdict]:
    """Return what wins on one model, a verdict a budget."""
    model = model_step(task)

    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        before = embzip.load_classifier(parents[0] / "model.embz")
        _, dev = train_and_dev(task.folder)
        reference, _ = answers_of(before, dev)
        path = folder / "model.embz"
        found = []
        for family, specs in FAMILIES.items():
            for spec in specs:
                try:
                    rebuilt = rebuild(before, codec=spec, kernels="int8")
                except SpecError:  # more ranks or shared rows than this table has
                    continue
                rebuilt.save(path, pack=True)
                probabilities, correct = answers_of(embzip.load_classifier(path), dev)
                kl = mean_kl(reference, probabilities)
                size, accuracy = path.stat().st_size, float(correct.mean())
                found.append(asdict(Candidate(family, spec, size, kl, accuracy)))
        before.save(path)
        write_json(folder / "dev.json", {"nbytes": path.stat().st_size, "candidates": found})
        path.unlink()

    code = source_digest()
    tried = Step("winners-dev", {"specs": FAMILIES, "code": code}, (model,), make)
    record = steps.record(tried, "dev.json")
    candidates = [Candidate(**each) for each in record["candidates"]]
    verdicts = []
    for budget in BUDGETS:
        fitting = [each for each in candidates if each.nbytes <= record["nbytes"] / budget]
        if not fitting:
            continue
        best = min(fitting, key=lambda each: each.kl)
        least = {
            family: min(each.kl for each in fitting if each.family == family)
            for family in FAMILIES
            if any(each.family == family for each in fitting)
        }
        outcome = steps.record(_test_step(task, model, best.spec, code), "test.json")
        verdicts.append(Verdict(task.name, budget, best, least, **outcome))
    return verdicts


def _test_step(task: Task, model: Step, spec: str, code: str) -> Step:
    def make(folder: Path, parents: Sequence[Path], progress: Progress) -> None:
        before = embzip.load_classifier(parents[0] / "model.embz")
        test = read_examples(examples_file(task.folder, "test"))
        after = rebuild(before, codec=spec, kernels="int8")
        own, other = (answers_of(each, test)[1] for each in (before, after))
        gains = other.astype(np.float64) - own.astype(np.float64)
        outcome = {"before": float(own.mean()), "after": float(other.mean())}
        write_json(folder / "test.json", {**outcome, "interval": paired_interval(gains)})

    return Step("winner-test", {"spec": spec, "code": code}, (model,), make)


def family_table(verdicts: Iterable[Verdict]) -> str:
    """Return a row a budget: models won by each family, and by how much the others are behind.

    >>> best = Candidate("tcq", "svd|tcq:1", 1, 0.1, 0.9)
    >>> won = Verdict("r8-bpe-0", 25, best, {"tcq": 0.1, "mixed": 0.25}, 0.9, 0.9, (0, 0))
    >>> print(family_table([won]).splitlines()[-1])
    | 25x | – | – | – | 0 (2.5) | 1 (1.0) | – | – | – | – | – |
    """
    lines = [f"| smaller | {' | '.join(FAMILIES)} |", "|---" * (1 + len(FAMILIES)) + "|"]
    verdicts = list(verdicts)
    for budget in BUDGETS:
        of_budget = [each for each in verdicts if each.budget == budget]
        cells = []
        for family in FAMILIES:
            ratios = [v.least[family] / v.winner.kl for v in of_budget if family in v.least]
            won = sum(verdict.winner.family == family for verdict in of_budget)
            cells.append(f"{won} ({np.median(ratios):.1f})" if ratios else "–")
        if of_budget:
            lines.append(f"| {budget}x | {' | '.join(cells)} |")
    return "\n".join(lines)


def winner_table(verdicts: Iterable[Verdict]) -> str:
    """Return a row a model and budget: the winner, its bytes and KL on dev, accuracy on test."""
    lines = [
        "| model | smaller | wins on dev | KB | KL on dev | test: float32 | winner | points "
        "| 95 % of rows |",
        "|---" * 9 + "|",
    ]
    for verdict in verdicts:
        winner = verdict.winner
        low, high = (f"{100 * bound:+.2f}" for bound in verdict.interval)
        spec = "`" + winner.spec.replace("|", "\\|") + "`"
        cells = [
            verdict.model.removesuffix("-0"), f"{verdict.budget}x", spec,
            f"{winner.nbytes / 1e3:,.0f}", f"{winner.kl:.4f}", f"{100 * verdict.before:.2f}",
            f"{100 * verdict.after:.2f}", f"{100 * (verdict.after - verdict.before):+.2f}",
            f"{low} to {high}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
