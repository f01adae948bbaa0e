"""An LSTM of Keras over a compressed table: rebuilt, and tuned against its own answers.

    python -m scripts.bench_distill_layer data/tagmynews --seeds 0 1 2

The model is what anyone might have: a table of 300 numbers a word that starts from `train_vectors`
and is trained on, an LSTM of 64, a dense layer. A tenth of train chooses its epoch. Then its table
is coded: as it is (`rebuild_model`), and by `distill_layer`, which sees the training texts without
labels. Test is read once a model. Sizes are those of whole `.keras` files.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import embzip
import embzip.tf
from embzip.foreign import rebuild_model
from embzip.labelled.splits import split_examples

LENGTH, UNITS, EPOCHS = 40, 64, 6
Ids = NDArray[np.int32]


def main() -> None:
    """Print the table, a row a codec."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of train.tsv.xz and test.tsv.xz")
    parser.add_argument("--codecs", nargs="+", default=["svd:100|tcq:1", "svd:64|tcq:1"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    found: dict[str, list[tuple[float, ...]]] = {codec: [] for codec in given.codecs}
    for seed in given.seeds:
        for codec, row in measured(given.data, given.codecs, seed):
            found[codec].append(row)
    print("| codec | seeds | MB | KB, rebuilt | times | accuracy | rebuilt | tuned | points lost |")
    print("|---|---|---|---|---|---|---|---|---|")
    for codec, rows in found.items():
        before, after, whole, rebuilt, tuned = np.mean(rows, axis=0)
        lost = ", ".join(f"{100 * (row[4] - row[2]):+.2f}" for row in rows)
        print(
            f"| `{codec.replace('|', chr(92) + '|')}` | {len(rows)} | {before / 1e6:.1f} "
            f"| {after / 1e3:.0f} | {before / after:.1f} | {whole:.4f} | {rebuilt:.4f} "
            f"| {tuned:.4f} | {100 * (tuned - whole):+.2f} ({lost}) |"
        )


def measured(data: Path, codecs: list[str], seed: int) -> list[tuple[str, tuple[float, ...]]]:
    """Return the bytes and accuracies of one seed, by codec."""
    import keras

    keras.utils.set_random_seed(seed)
    examples = embzip.read_examples(data / "train.tsv.xz")
    learned, dev = split_examples(examples)
    words = embzip.build_words(data / "train.tsv.xz", labelled=True, min_count=1)
    vectors = embzip.train_vectors(data / "train.tsv.xz", words, labelled=True, seed=seed)
    names = sorted({each.label for each in examples})
    x, y = arrays(words, learned, names)
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            keras.layers.Embedding(*vectors.matrix.shape, mask_zero=True, name="words"),
            keras.layers.LSTM(UNITS),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(len(names), activation="softmax"),
        ]
    )
    model.get_layer("words").set_weights([vectors.matrix])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    best = keras.callbacks.EarlyStopping("val_accuracy", patience=2, restore_best_weights=True)
    kept = arrays(words, dev, names)
    model.fit(x, y, 64, EPOCHS, validation_data=kept, callbacks=[best], verbose=0)
    tests = arrays(words, embzip.read_examples(data / "test.tsv.xz"), names)
    before, whole = size(model), accuracy(model, *tests)
    rows: list[tuple[str, tuple[float, ...]]] = []
    for codec in codecs:
        matrix = model.get_layer("words").get_weights()[0]
        plain = rebuild_model(model, "words", embzip.compress(matrix, codec, seed=seed))
        tuned = embzip.tf.distill_layer(model, "words", codec, x, seed=seed)
        rows.append(
            (codec, (before, size(tuned.model), whole, accuracy(plain, *tests),
                     accuracy(tuned.model, *tests)))
        )  # fmt: skip
    return rows


def arrays(words: Any, examples: Any, names: list[str]) -> tuple[Ids, Ids]:
    """Return the ids of texts, padded and cut at the end, and the places of their labels."""
    ids = np.zeros((len(examples), LENGTH), np.int32)
    for row, text in zip(ids, words.encode([each.text for each in examples]), strict=True):
        row[: len(text[:LENGTH])] = text[:LENGTH]
    return ids, np.array([names.index(each.label) for each in examples], np.int32)


def accuracy(model: Any, x: Ids, y: Ids) -> float:
    """Return the share of texts that get their label."""
    return float((model.predict(x, 256, verbose=0).argmax(axis=1) == y).mean())


def size(model: Any) -> int:
    """Return the bytes of the model's file, without the optimizer."""

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        bare = model
        if getattr(model, "optimizer", None):
            bare = type(model).from_config(model.get_config())
            bare.set_weights(model.get_weights())
        bare.save(path)
        return path.stat().st_size


if __name__ == "__main__":
    main()
