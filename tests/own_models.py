"""Models as a user of Keras has them, small and trained on nothing, for tests that judge them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

WORDS = ("goal", "team", "vote", "law", "bank", "price")
LABELS = ("sport", "politics", "money")
TEXTS = [
    "a goal for the team",
    "vote on the law",
    "",
    "the bank price",
    "goal vote bank",
    "law",
] * 3
DIM = 16


def write_own_models(folder: Path) -> None:
    """Write models of texts and ids that give logits, probabilities or one probability."""
    rng = np.random.default_rng(0)
    reader = keras.layers.TextVectorization(vocabulary=list(WORDS), output_sequence_length=7)
    table = keras.layers.Embedding(300, DIM, name="words")
    texts = keras.Input((1,), dtype="string", name="texts")
    ids = keras.Input((7,), dtype="int32", name="ids")
    pooled = keras.layers.GlobalAveragePooling1D()
    logits = keras.layers.Dense(3, name="logits")
    heads = {
        "logits": logits,
        "shares": keras.layers.Dense(3, activation="sigmoid", name="shares"),
        "second": keras.layers.Dense(1, activation="sigmoid", name="second"),
        "score": keras.layers.Dense(1, name="score"),
    }
    read = pooled(table(reader(texts)))
    made: dict[str, Any] = {name: keras.Model(texts, head(read)) for name, head in heads.items()}
    shared = pooled(table(ids))
    made["ids"] = keras.Model(ids, keras.layers.Softmax(name="probs")(logits(shared)))
    made["two"] = keras.Model(texts, {"one": logits(read), "other": heads["score"](read)})
    free = keras.Input((None,), dtype="int32", name="free")
    made["free"] = keras.Model(free, keras.layers.Softmax()(logits(pooled(table(free)))))
    table.set_weights([rng.normal(size=(300, DIM)).astype(np.float32)])
    for model in (made["logits"], made["shares"], made["second"], made["score"]):
        kernel, bias = model.layers[-1].get_weights()
        model.layers[-1].set_weights([3 * rng.normal(size=kernel.shape), bias])
    for name, model in made.items():
        model.save(folder / f"{name}.keras")
    made["logits"].export(str(folder / "saved"), verbose=False)
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
    (folder / "two.txt").write_text("no\nyes\n")
    right = ["sport", "politics", "money", "money", "sport", "politics"] * 3
    rows = zip(right, TEXTS, strict=True)
    (folder / "test.tsv").write_text("".join(f"{label}\t{text}\n" for label, text in rows))
    (folder / "texts.txt").write_text("".join(f"{text}\n" for text in TEXTS))
