"""Subword rows transferred from word rows, against rows trained on the corpus and random rows.

    python -m scripts.bench_transfer data/tagmynews/train.tsv.xz \
        --test data/tagmynews/test.tsv.xz

word2vec is trained on words and on BPE pieces (skip-gram, 10 epochs); `transfer` makes rows for
the same pieces from the word rows alone. The same CNN is then trained on each table, frozen and
trainable (row-sparse Adam). Dev is a tenth of train by a fixed hash and chooses the epoch; nothing
is chosen by test, which is read once a row. `random` draws rows of the spread of the trained ones.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from embzip import (
    Example,
    Vectors,
    build_bpe,
    build_words,
    evaluate,
    read_examples,
    train_vectors,
    transfer,
)
from embzip.labelled.splits import split_examples
from embzip.tf import train


def main() -> None:
    """Print a row of Markdown a table and way of training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--vocab", type=int, nargs="+", default=[8000, 30_000])
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=6, help="of the CNN, at most")
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    kept, dev = split_examples(read_examples(arguments.train))
    test = None if arguments.test is None else read_examples(arguments.test)
    print("| rows | of | table | dev | test | energy explained | seconds to make |")
    print("|---|---|---|---|---|---|---|", flush=True)

    def show(
        name: str, table: Vectors, seconds: float, explained: float | None, *, random: bool = False
    ) -> None:
        for trainable in (False, True):
            dev_accuracy, test_accuracy = _accuracies(
                table, kept, dev, test, arguments, trainable=trainable, random=random
            )
            shown = "" if explained is None else f"{explained:.4f}"
            tested = "" if test_accuracy is None else f"{test_accuracy:.4f}"
            print(
                f"| {table.rows:,} | {name} | {'trainable' if trainable else 'frozen'} "
                f"| {dev_accuracy:.4f} | {tested} | {shown} | {'' if random else f'{seconds:.1f}'} "
                "|",
                flush=True,
            )

    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder, "texts.txt")
        texts.write_text("".join(f"{example.text}\n" for example in kept), "utf-8")
        options = {
            "method": "word2vec",
            "dim": arguments.dim,
            "epochs": 10,
            "workers": arguments.workers,
        }
        start = time.perf_counter()
        words = train_vectors(texts, build_words(texts, min_count=1), **options)
        show("words", words, time.perf_counter() - start, None)
        for vocab in arguments.vocab:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # fewer pieces than asked for: the rows say it
                pieces = build_bpe(texts, vocab=vocab)
            start = time.perf_counter()
            trained = train_vectors(texts, pieces, **options)
            show("BPE, trained on the corpus", trained, time.perf_counter() - start, None)
            start = time.perf_counter()
            done = transfer(words, pieces)
            seconds = time.perf_counter() - start
            show("BPE, transferred", done.vectors, seconds, done.explained_energy)
            show("BPE, random", trained, 0, None, random=True)


def _accuracies(
    table: Vectors,
    kept: Sequence[Example],
    dev: Sequence[Example],
    test: Sequence[Example] | None,
    arguments: argparse.Namespace,
    *,
    trainable: bool,
    random: bool,
) -> tuple[float, float | None]:
    result = train(
        kept,
        table,
        dev=dev,
        trainable=trainable,
        random_init=random,
        optimizer="adam-rows" if trainable else "adam",
        epochs=arguments.epochs,
        max_length=arguments.max_length,
    )
    tested = None if test is None else evaluate(result.classifier, test).accuracy
    return max(result.dev_accuracy), tested


if __name__ == "__main__":
    main()
