"""The encoders side by side: accuracy on dev, size, seconds an epoch, before and after compression.

    python -m scripts.bench_encoders data/tagmynews/train.tsv.xz --epochs 6

Words of one corpus with word2vec vectors, one classifier an encoder with its default shape, then
`rebuild --codec`. Accuracy is on dev, a tenth of train by a fixed hash, which also chooses the
epoch; the test set is not read. Seconds an epoch are the median without the first, which traces
the graph.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from embzip import build_words, evaluate, read_examples, rebuild, train_vectors
from embzip.classifier.registry import BUILTIN
from embzip.labelled.splits import split_examples
from embzip.tf import train


def main() -> None:
    """Train each encoder and print one row for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--codec", default="svd:32|int8")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoders", nargs="+", default=[encoder.kind for encoder in BUILTIN])
    arguments = parser.parse_args()
    kept, dev = split_examples(read_examples(arguments.train))
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder, "texts.txt")
        texts.write_text("".join(f"{example.text}\n" for example in kept), "utf-8")
        words = build_words(texts, min_count=1)
        vectors = train_vectors(
            texts, words, method="word2vec", dim=arguments.dim, epochs=10, seed=arguments.seed
        )
        print(f"| encoder | s an epoch | dev | KB | dev, {arguments.codec} | KB | head, KB |")
        print("|---|---|---|---|---|---|---|")
        for kind in arguments.encoders:
            result = train(
                kept, vectors, dev=dev, encoder=kind, epochs=arguments.epochs, seed=arguments.seed
            )
            seconds = result.epoch_seconds
            small = rebuild(result.classifier, codec=arguments.codec, seed=arguments.seed)
            sizes = []
            for name, model in (("before", result.classifier), ("after", small)):
                path = Path(folder, f"{kind}.{name}.embz")
                model.save(path)
                sizes.append(path.stat().st_size / 1e3)
            head = sum(array.nbytes for array in small.arrays.values()) / 1e3
            print(
                f"| {kind} | {statistics.median(seconds[1:] or seconds):.1f} "
                f"| {max(result.dev_accuracy):.4f} | {sizes[0]:,.0f} "
                f"| {evaluate(small, dev).accuracy:.4f} | {sizes[1]:,.0f} | {head:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
