"""What pruning a trained classifier's words costs, by each way to choose them, with --remap or not.

    python -m scripts.bench_prune_by data/tagmynews/train.tsv.xz

One CNN (100 wide, trainable) is trained on all words; then only its table is pruned, nothing is
trained again. Accuracy is on dev, a tenth of train by a fixed hash, which also chose the epoch;
the test set is not read. Bytes are those of the whole file, its table as int8.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embzip import (
    Classifier,
    build_words,
    compress,
    prune,
    read_examples,
    rebuild,
    sensitivity,
    train_vectors,
)
from embzip.classifier import load_classifier
from embzip.labelled.splits import split_examples
from embzip.tf import train
from embzip.vectors.base import vectors_of
from embzip.vectors.pruning import by_count, by_norm


def main() -> None:
    """Print a row of Markdown for each number of words and way to choose them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("--model", type=Path, help="a word classifier trained on it before")
    parser.add_argument("--words", type=int, nargs="+", default=[20_000, 5000, 1000])
    parser.add_argument("--max-length", type=int)
    arguments = parser.parse_args()
    kept, dev = split_examples(read_examples(arguments.train))
    texts = [example.text for example in kept]
    with tempfile.TemporaryDirectory() as folder:
        if arguments.model is None:
            corpus = Path(folder, "texts.txt")
            corpus.write_text("".join(f"{text}\n" for text in texts), "utf-8")
            words = build_words(corpus, min_count=1)
            table = train_vectors(corpus, words, method="word2vec", dim=100, epochs=10)
            trained = train(
                kept, table, dev=dev, epochs=6, optimizer="adam-rows",
                max_length=arguments.max_length,
            )  # fmt: skip
            model = trained.classifier
        else:
            model = load_classifier(arguments.model)
        path = Path(folder, "model.embz")

        def measured(classifier: Classifier) -> str:
            predicted = classifier.predict([example.text for example in dev])
            hits = sum(p.label == e.label for p, e in zip(predicted, dev, strict=True))
            classifier.save(path)
            return f"{hits / len(dev):.4f} | {path.stat().st_size / 1e6:.3f}"

        ids = model.encode(texts)
        vectors = vectors_of(model.embedding)
        norms = by_norm(vectors)
        ways: dict[str, tuple[NDArray[np.float64], list[list[int]] | None]] = {
            "count": (by_count(vectors), None),
            "norm": (norms, None),
            "sensitivity": (sensitivity(model, ids), None),
            "coverage": (norms, ids),
        }
        print("| words | by | dev, unknown | MB | dev, remapped | MB |\n|---|---|---|---|---|---|")
        whole = rebuild(model, compress(vectors, "int8"))
        print(f"| {vectors.rows - 2:,} | all | {measured(whole)} | | |", flush=True)
        for number in arguments.words:
            if number >= vectors.rows - 2:
                continue
            for by, (scores, cover) in ways.items():
                cells = []
                for remap in (False, True):
                    pruned = prune(
                        vectors, max_vocab=number, scores=scores, cover=cover, remap=remap
                    ).vectors
                    cells.append(measured(rebuild(model, compress(pruned, "int8"))))
                print(f"| {number:,} | {by} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
