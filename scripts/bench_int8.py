"""What smaller kernels and int8 arithmetic cost in accuracy: a trained CNN in each form, on dev.

    python -m scripts.bench_int8 data/tagmynews/train.tsv.xz

Words of one corpus with word2vec vectors, a CNN of the default shape over them, then
`rebuild --codec`. Dev is a tenth of train by a fixed hash; the test set is not read. The ranges of
int8 arithmetic come from texts that the CNN was trained on. `changed` counts the texts of dev that
get another label than from the .embz.
"""

import argparse
import tempfile
from pathlib import Path

from embzip import build_words, evaluate, read_examples, rebuild, train_vectors
from embzip.classifier import load_one
from embzip.labelled.splits import split_examples
from embzip.tf import train
from embzip.tf.export import export

FORMS = (
    (".tflite", "float32"),
    (".tflite, --kernels float16", "float16"),
    (".tflite, --kernels int8", "int8"),
    (".tflite, --compute int8", None),
)


def main() -> None:
    """Train once, then print one row a form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--codec", default="svd:32|int8")
    parser.add_argument("--calibrate", type=int, default=500, help="texts")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    kept, dev = split_examples(read_examples(arguments.train))
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder, "texts.txt")
        texts.write_text("".join(f"{example.text}\n" for example in kept), "utf-8")
        words = build_words(texts, min_count=1)
        seed = arguments.seed
        vectors = train_vectors(
            texts, words, method="word2vec", dim=arguments.dim, epochs=10, seed=seed
        )
        trained = train(kept, vectors, dev=dev, epochs=arguments.epochs, seed=seed).classifier
        small = rebuild(trained, codec=arguments.codec, seed=seed)
        path = Path(folder, "small.embz")
        small.save(path)
        expected = [found.label for found in small.predict(e.text for e in dev)]
        print(f"Before compression {evaluate(trained, dev).accuracy:.4f}, {len(dev):,} texts.\n")
        print("| form | bytes | accuracy | macro-F1 | changed | largest difference |")
        print("|---|---|---|---|---|---|")
        result, chain = evaluate(small, dev), arguments.codec.replace("|", r"\|")
        print(
            f"| .embz, {chain} | {path.stat().st_size:,} | {result.accuracy:.4f} "
            f"| {result.macro_f1:.4f} | 0 | 0 |"
        )
        for label, kernels in FORMS:
            calibrate = [e.text for e in kept[: arguments.calibrate]]
            made = export(
                small,
                Path(folder, "small.tflite"),
                kernels=kernels or "float32",
                calibrate=calibrate if kernels is None else None,
            )
            loaded = load_one(made.path)
            result = evaluate(loaded, dev)
            found = [prediction.label for prediction in loaded.predict(e.text for e in dev)]
            changed = sum(one != other for one, other in zip(found, expected, strict=True))
            print(
                f"| {label} | {made.nbytes:,} | {result.accuracy:.4f} | {result.macro_f1:.4f} "
                f"| {changed} | {made.max_difference:.2g} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
