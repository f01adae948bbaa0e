"""BPE trained on words as often as counts were scaled, beside BPE of all texts: pieces, accuracy.

    python -m scripts.bench_bpe_counts data -o bench/bpe-counts
    python -m scripts.bench_bpe_counts data -o bench/bpe-counts --table

What `build_bpe` does with a text of 100 GB, of which its trainer is given one: words are counted,
and each is given in proportion, the rarest not at all. Here it is given `share` of the text.
Pieces, vectors (PPMI) and the classifier (the CNN of `train`) come from the training texts without
their dev tenth, which also chooses the epoch; test is not read. `pieces` is the share of the pieces
of all texts that are among those of the counts; where all counts are given too, the table says so
below. Differences are of accuracy on dev, in points, paired, with their 95 % bounds.

A cell (set, seed) is a file under `scripts/cells/bpe-counts`, which is not computed again.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import embzip
from embzip.evaluation.verdicts import verdict_on
from embzip.files.writing import write_bytes
from embzip.threads import ONE_THREAD
from scripts.bench_texts import train_and_dev

SETS = ("ru_avito", "tagmynews", "debian-topic")
SHARES = (1.0, 0.5, 0.1, 0.02)
CELLS = Path(__file__).parent / "cells" / "bpe-counts"


def main() -> None:
    """Compute cells, or print the table of those there are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/train.tsv.xz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--vocab", type=int, default=8000)
    parser.add_argument("--table", action="store_true", help="compute nothing, print the table")
    given = parser.parse_args()
    if not given.table:
        os.environ.update(ONE_THREAD)
        given.output.mkdir(parents=True, exist_ok=True)
        for seed in given.seeds:
            for name in given.sets:
                path = CELLS / f"{name}-{seed}.json"
                if not path.exists():
                    record = cell(given.texts / name, seed, given.vocab, given.output)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_bytes(path, (json.dumps(record, indent=1) + "\n").encode())
                    print(record, file=sys.stderr, flush=True)
    print(table())


def cell(folder: Path, seed: int, vocab: int, output: Path) -> dict[str, Any]:
    """Return what pieces of each share, and classifiers over them, are like."""
    from embzip.tf import train
    from embzip.tokenizers import bpe_training, word_counts

    training, dev = train_and_dev(folder)
    texts = output / f"{folder.name}.txt"
    texts.write_text("".join(f"{example.text}\n" for example in training), "utf-8")
    labels = [example.label for example in dev]
    whole: tuple[set[str], list[str]] | None = None
    found = []
    size = texts.stat().st_size
    for share in SHARES:
        word_counts._LONGEST = int(share * size)
        # One byte less than all of it takes, so that words are counted.
        memory = None if share == 1 else size * bpe_training.MEMORY_PER_BYTE - 1
        pieces = embzip.build_bpe(texts, vocab=vocab, memory=memory)
        vectors = embzip.train_vectors(texts, pieces, dim=100, seed=seed, method="ppmi")
        model = train(training, vectors, dev=dev, seed=seed).classifier
        said = [each.label for each in model.predict([example.text for example in dev])]
        whole = whole or (set(pieces.vocabulary), said)
        verdict = verdict_on(labels, whole[1], said, max_drop=0)
        found.append(
            {
                "share": share,
                "pieces": len(whole[0] & set(pieces.vocabulary)) / len(whole[0]),
                "accuracy": verdict.after,
                "difference": verdict.difference,
                "lower": verdict.lower,
                "upper": verdict.upper,
            }
        )
    # Counted, and all of it given.
    word_counts._LONGEST = size
    pieces = embzip.build_bpe(texts, vocab=vocab, memory=size * bpe_training.MEMORY_PER_BYTE - 1)
    counted = len(whole[0] & set(pieces.vocabulary)) / len(whole[0]) if whole else 0
    return {"set": folder.name, "seed": seed, "bytes": size, "shares": found, "counted": counted}


def table() -> str:
    """Return the table of all cells."""
    cells = [json.loads(path.read_text()) for path in sorted(CELLS.glob("*.json"))]
    lines = [
        "| texts | KB of text | seed | share given | pieces | dev accuracy | difference, 95 % |\n"
        "|---|---|---|---|---|---|---|"
    ]
    differences: dict[float, list[float]] = {}
    for each in cells:
        for one in each["shares"]:
            told = f"{one['difference']:+.2f} [{one['lower']:+.2f}, {one['upper']:+.2f}]"
            differences.setdefault(one["share"], []).append(one["difference"])
            lines.append(
                f"| {each['set']} | {each['bytes'] / 1000:,.0f} | {each['seed']} "
                f"| {one['share']:g} | {one['pieces']:.4f} | {one['accuracy']:.4f} "
                f"| {told if one['share'] < 1 else ''} |"
            )
    means = (f"{share:g}: {fmean(those):+.2f}" for share, those in differences.items() if share < 1)
    counted = min(each["counted"] for each in cells)
    return "\n".join(
        [
            *lines,
            f"\nMean difference by share: {', '.join(means)} points. Where words are counted and",
            f"all are given, at least {counted:.2%} of the pieces are the same.",
        ]
    )


if __name__ == "__main__":
    main()
