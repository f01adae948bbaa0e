"""Training time of tables of different sizes, step by step in turn: what an epoch costs.

    python -m scripts.bench_epoch data/ru_ok_toxic/train.tsv.xz

For one data set: the full-vocabulary word table and the BPE table of min(30,000, a third of the
words), both float32, 300 wide and trainable, with Keras' Adam; as controls the word table with a
row-sparse Adam and with the table frozen. A step of each is done in turn, so that all see the same
machine; the figures are medians of single steps, and steps times batches is an epoch.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from embzip import Vectors, build_bpe, build_words, read_examples
from embzip.corpus import Example
from embzip.tf import step_function
from embzip.tokenizers.base import Tokenizer

DIM, BATCH = 300, 64


def main() -> None:
    """Time the steps and print one row a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, nargs="+")
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    print("| data | table | rows | ms a step (min, median, max) | s an epoch | words / this |")
    print("|---|---|---|---|---|---|")
    for path in arguments.train:
        _bench(path, arguments.steps)


def _bench(path: Path, count: int) -> None:
    examples = read_examples(path)
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder, "texts.txt")
        texts.write_text("".join(f"{example.text}\n" for example in examples), "utf-8")
        words = build_words(texts, min_count=1)
        third = (len(words.vocabulary) - 2) // 3
        bpe = build_bpe(texts, vocab=min(30_000, third))
    steps: dict[str, tuple[int, Callable[[], float]]] = {
        "words, Adam": _step(examples, words),
        "BPE, Adam": _step(examples, bpe),
        "words, row-sparse Adam": _step(examples, words, optimizer="adam-rows"),
        "words, frozen": _step(examples, words, trainable=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(count + 3):
        for name, (_, step) in steps.items():
            taken = step()
            if turn >= 3:  # the first turns trace the graph and fill the caches
                seconds[name].append(taken)
    batches = -(-len(examples) // BATCH)
    base = statistics.median(seconds["words, Adam"])
    for name, (rows, _) in steps.items():
        middle = statistics.median(seconds[name])
        spread = ", ".join(
            f"{1e3 * s:.0f}" for s in (min(seconds[name]), middle, max(seconds[name]))
        )
        print(
            f"| {path.parent.name} | {name} | {rows:,} | {spread} | {middle * batches:.0f} "
            f"| {base / middle:.2f} |",
            flush=True,
        )


def _step(
    examples: list[Example], tokenizer: Tokenizer, **options: object
) -> tuple[int, Callable[[], float]]:
    rows = len(tokenizer.vocabulary)
    matrix = np.random.default_rng(0).normal(0, 0.1, (rows, DIM)).astype(np.float32)
    table = Vectors(tokenizer.vocabulary, matrix, tokenizer=tokenizer)
    return rows, step_function(examples, table, batch_size=BATCH, **options)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
