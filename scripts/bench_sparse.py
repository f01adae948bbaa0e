"""Large and sparse against small and dense, as Zhu and Gupta (2017) compare them.

    python -m scripts.bench_sparse data/tagmynews/train.tsv.xz --seeds 3

A CNN of 128 filters over words with word2vec vectors, its table and kernels pruned while it trains;
beside each sparsity the dense CNN with as many numbers as the sparse one has non-zeros: vectors of
fewer columns, and fewer filters. Accuracy is on dev, a tenth of train by a fixed hash, which also
chooses the epoch, of a sparse model among those after the last pruning; the test set is not read.
Zipped bytes are those of the float32 weights, .embz bytes those of the whole file (`pack=True`),
means over the seeds.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from embzip import Vectors, build_words, read_examples, train_vectors
from embzip.labelled.splits import split_examples
from embzip.tf import PruningShares, TrainResult, from_classifier, train, zipped_nbytes

WINDOWS = (1, 1, 2, 3)
FILTERS = 128


@dataclass(frozen=True)
class Shape:
    """One row of the table: a model and how it is trained."""

    name: str
    dim: int
    filters: int
    sparsity: float = 0.0


def shapes(classes: int, dim: int, sparsities: list[float]) -> Iterator[Shape]:
    """Yield the dense model, then each sparse one and its dense counterpart."""
    yield Shape("dense", dim, FILTERS)
    for sparsity in sparsities:
        yield Shape("large-sparse", dim, FILTERS, sparsity)
        # As many of the table's numbers, and as many of the kernels', as are left non-zero.
        columns = max(1, round((1 - sparsity) * dim))
        head = FILTERS * (sum(WINDOWS) * dim + len(WINDOWS) * classes)
        a_filter = sum(WINDOWS) * columns + len(WINDOWS) * classes
        yield Shape("small-dense", columns, max(1, round((1 - sparsity) * head / a_filter)))


def nonzeros(result: TrainResult) -> int:
    """Count the numbers of table, kernels and biases that are not zero."""
    table = np.count_nonzero(result.classifier.embedding.decode())
    return int(table) + sum(int(np.count_nonzero(a)) for a in result.classifier.arrays.values())


def main() -> None:
    """Train every model with every seed and print one row a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sparsity", type=float, nargs="+", default=[0.5, 0.75, 0.9, 0.95])
    arguments = parser.parse_args()
    examples = read_examples(arguments.train)
    kept, dev = split_examples(examples)
    classes = len({example.label for example in kept})
    with tempfile.TemporaryDirectory() as folder:
        texts, path = Path(folder, "texts.txt"), Path(folder, "model.embz")
        texts.write_text("".join(f"{example.text}\n" for example in kept), "utf-8")
        words = build_words(texts, min_count=1)
        tables: dict[tuple[int, int], Vectors] = {}
        print(
            "| model | sparsity | columns, filters | non-zeros | zipped KB | .embz KB "
            "| packed .embz KB | accuracy on dev, a seed each | mean |"
        )
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        for shape in shapes(classes, arguments.dim, arguments.sparsity):
            accuracies, sizes = [], []
            for seed in range(arguments.seeds):
                if (shape.dim, seed) not in tables:
                    tables[shape.dim, seed] = train_vectors(
                        texts, words, method="word2vec", dim=shape.dim, epochs=10, seed=seed
                    )
                result = train(
                    kept,
                    tables[shape.dim, seed],
                    dev=dev,
                    filters=shape.filters,
                    windows=WINDOWS,
                    epochs=arguments.epochs,
                    patience=arguments.epochs,
                    pruning=PruningShares(shape.sparsity) if shape.sparsity else None,
                    seed=seed,
                )
                found = result.dev_accuracy
                if result.pruning is not None:  # only epochs after the last pruning count
                    found = found[int(PruningShares(shape.sparsity).end * arguments.epochs) :]
                accuracies.append(max(found))
                zipped = zipped_nbytes(from_classifier(result.classifier))
                files = []
                for pack in (False, True):
                    result.classifier.save(path, pack=pack)
                    files.append(path.stat().st_size)
                sizes.append((nonzeros(result), zipped, *files))
            count, *nbytes = (mean(column) for column in zip(*sizes, strict=True))
            listed = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
            kilobytes = " | ".join(f"{size / 1e3:,.0f}" for size in nbytes)
            print(
                f"| {shape.name} | {shape.sparsity or '-'} | {shape.dim}, {shape.filters} "
                f"| {count:,.0f} | {kilobytes} | {listed} | {mean(accuracies):.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
