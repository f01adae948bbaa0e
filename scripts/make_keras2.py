"""Write the files of Keras 2 into tests/golden/keras2: models, and what they answered there.

    pip install --no-deps --target keras2 tf_keras==2.21.0
    PYTHONPATH=keras2 python -m scripts.make_keras2

Run by hand, never by a test, with Keras 2 (tf_keras, which is Keras 2 under another name) in a
folder of its own.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tf_keras  # type: ignore[import-not-found]

layers = tf_keras.layers
FOLDER = Path(__file__).parent.parent / "tests" / "golden" / "keras2"


def recurrent() -> Any:
    """Return a Bidirectional LSTM behind a masked table, with the old default of its gates."""
    inner = layers.LSTM(3, recurrent_activation="hard_sigmoid")
    return tf_keras.Sequential(
        [
            layers.Embedding(50, 6, mask_zero=True, input_length=7, name="words"),
            layers.Bidirectional(inner),
            layers.Dense(4, activation="softmax"),
        ]
    )


def nested() -> Any:
    """Return a model that calls a nested one, whose table it does not know."""
    encoder = tf_keras.Sequential(
        [layers.Embedding(50, 6, input_length=7, name="words"), layers.GRU(4)], name="encoder"
    )
    ids = tf_keras.Input((7,))
    return tf_keras.Model(ids, layers.Dense(4, activation="softmax")(encoder(ids)))


def branches() -> Any:
    """Return convolutions of several widths, each behind its own dense layer, and two tables.

    deepcut's model is made so.
    """
    letters, kinds = tf_keras.Input((7,)), tf_keras.Input((7,))
    rows = layers.BatchNormalization()(layers.Embedding(50, 6, name="words")(letters))
    found = []
    for width in (1, 2, 3):
        seen = layers.Conv1D(8, width, activation="relu")(rows)
        few = layers.TimeDistributed(layers.Dense(5))(seen)
        found.append(layers.ZeroPadding1D((0, width - 1))(few))
    own = layers.Embedding(9, 3, name="kinds")(kinds)
    joined = layers.Concatenate()([rows, layers.Maximum()(found), own])
    flat = layers.Flatten()(layers.BatchNormalization()(joined))
    return tf_keras.Model([letters, kinds], layers.Dense(1, activation="sigmoid")(flat))


def main() -> None:
    """Write whole models as .h5 and .keras, and one as variables and architecture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    inputs = {"ids": rng.integers(0, 50, (5, 7)), "kinds": rng.integers(0, 9, (5, 7))}
    answers = {}
    for make in (recurrent, nested, branches):
        model, name = make(), make.__name__
        given = list(inputs.values()) if name == "branches" else inputs["ids"]
        model(given)
        drawn = [rng.normal(scale=0.5, size=each.shape) for each in model.get_weights()]
        model.set_weights([np.abs(each) if each.ndim == 1 else each for each in drawn])
        answers[name] = model(given).numpy()
        if name == "branches":
            (FOLDER / f"{name}.json").write_text(model.to_json())
            model.save_weights(FOLDER / f"{name}.h5")
            continue
        model.save(FOLDER / f"{name}.h5", save_format="h5")
        model.save(FOLDER / f"{name}.keras", save_format="keras")
    held: dict[str, Any] = {**inputs, **answers}
    np.savez(FOLDER / "answers.npz", **held)


if __name__ == "__main__":
    main()
