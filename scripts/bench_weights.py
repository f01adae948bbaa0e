"""What rows should weigh: a table is coded with errors weighted by counts to several powers.

    python -m scripts.bench_weights data bench/distill/*/teacher.embz

Counts are of the training texts without their dev tenth; the metric is that of the kernels that
read the table. Nothing is trained again. Log loss and accuracy are of dev, since a default is
chosen by them. The set of a classifier is told by its folder's name, `SET-SEED`.
"""

import argparse
from pathlib import Path
from statistics import fmean

import numpy as np

import embzip
from embzip.classifier import load_classifier
from embzip.classifier.rebuilding import reading_metric
from embzip.compression import compress
from embzip.evaluation.accuracy import Evaluation
from embzip.labelled.splits import split_examples
from scripts.bench_codecs_tables import title
from scripts.bench_texts import examples_file

POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
CODECS = ("svd|tcq:0.5", "svd|tcq:1", "svd:64|int4")


def main() -> None:
    """Print a Markdown table: log loss and accuracy at each power, and the mean loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help="folder of NAME/train.tsv.xz")
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--codecs", nargs="+", default=CODECS)
    arguments = parser.parse_args()
    print("| model | codec | float32 | " + " | ".join(f"power {p:g}" for p in POWERS) + " |")
    print("|---" * (3 + len(POWERS)) + "|")
    losses: dict[str, list[list[float]]] = {codec: [] for codec in arguments.codecs}
    for path in arguments.models:
        model = load_classifier(path)
        name = path.parent.name.rpartition("-")[0]
        training, dev = split_examples(
            embzip.read_examples(examples_file(arguments.texts / name, "train"))
        )
        ids = np.concatenate(model.encode([example.text for example in training]))
        counts = np.maximum(np.bincount(ids.astype(int), minlength=model.embedding.rows), 1)
        before = embzip.evaluate(model, dev)
        exact = _loss(before)
        for codec in arguments.codecs:
            found = []
            for power in POWERS:
                table = compress(
                    model.embedding, codec, weights=counts**power, metric=reading_metric(model)
                )
                found.append(embzip.evaluate(embzip.rebuild(model, table), dev))
            losses[codec].append([_loss(each) - exact for each in found])
            cells = [f"{each.log_loss:.4f}, {each.accuracy:.4f}" for each in (before, *found)]
            print(f"| {path.parent.name} | {title(codec)} | {' | '.join(cells)} |", flush=True)
    for codec, rows in losses.items():
        means = [f"{fmean(column):+.4f}" for column in zip(*rows, strict=True)]
        print(f"| **mean rise of log loss** | {title(codec)} | | {' | '.join(means)} |")


def _loss(found: Evaluation) -> float:
    assert found.log_loss is not None
    return found.log_loss


if __name__ == "__main__":
    main()
