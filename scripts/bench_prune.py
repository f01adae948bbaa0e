"""Retraining with a pruned vocabulary against pruning after training.

    python -m scripts.bench_prune data/tagmynews/train.tsv.xz --max-vocab 5000

Both ways end in N words and the same CNN, frozen or trainable: (retrain) `build-words --max-vocab`,
then `train-vectors`; (prune) vectors of the full vocabulary, then `prune --max-vocab N`. Accuracy
is on dev, a tenth of train by a fixed hash; the test set is not read.
"""

import argparse
import tempfile
from pathlib import Path

from embzip import Vectors, build_words, prune, read_examples, train_vectors
from embzip.labelled.splits import split_examples
from embzip.tf import train


def main() -> None:
    """Train both ways with several seeds and print one row a way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("--max-vocab", type=int, default=5000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    examples = read_examples(arguments.train)
    kept, dev = split_examples(examples)
    print("| way | table | rows | accuracy on dev, a seed each | mean |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder, "texts.txt")
        texts.write_text("".join(f"{example.text}\n" for example in kept), "utf-8")
        full = build_words(texts, min_count=1)
        small = build_words(texts, min_count=1, max_vocab=arguments.max_vocab)

        def retrained(seed: int) -> Vectors:
            return train_vectors(
                texts, small, method="word2vec", dim=arguments.dim, epochs=10, seed=seed
            )

        def pruned(seed: int) -> Vectors:
            whole = train_vectors(
                texts, full, method="word2vec", dim=arguments.dim, epochs=10, seed=seed
            )
            return prune(whole, max_vocab=arguments.max_vocab).vectors

        for way, make in (("retrain", retrained), ("prune", pruned)):
            tables = [make(seed) for seed in range(arguments.seeds)]
            for trainable in (False, True):
                accuracies = [
                    max(train(kept, table, dev=dev, trainable=trainable, seed=seed).dev_accuracy)
                    for seed, table in enumerate(tables)
                ]
                listed = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
                kind = "trainable" if trainable else "frozen"
                mean = sum(accuracies) / len(accuracies)
                print(
                    f"| {way} | {kind} | {len(tables[0].vocabulary):,} | {listed} | {mean:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
