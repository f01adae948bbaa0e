"""Files as Keras 2 wrote them, made of those of Keras 3 by writing their configurations back."""

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from embzip.errors import UnsupportedModelError
from embzip.foreign.formats.keras2 import modernized
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.slimming import slim

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore:You are saving your model as an HDF5 file",
    "ignore:Do not pass an `input_shape`",
)
IDS = np.random.default_rng(0).integers(0, 50, (4, 7))


@pytest.fixture(scope="module")
def model() -> Any:
    made = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            keras.layers.Embedding(50, 6, mask_zero=True, name="words"),
            keras.layers.Bidirectional(keras.layers.LSTM(3, name="lstm"), name="both"),
            keras.layers.Dense(2, name="dense"),
        ]
    )
    made.layers[0].set_weights([np.random.default_rng(1).normal(size=(50, 6))])
    return made


def layers_of_keras_2() -> list[dict[str, Any]]:
    uniform = {"class_name": "RandomUniform", "config": {"minval": 0, "maxval": 1, "dtype": "f4"}}
    words = {"name": "words", "batch_input_shape": [None, 7], "input_dim": 50, "output_dim": 6,
             "mask_zero": True, "input_length": 7, "embeddings_initializer": uniform}  # fmt: skip
    normal = {"class_name": "VarianceScaling", "config": {"distribution": "normal"}}
    lstm = {"name": "lstm", "units": 3, "time_major": False, "kernel_initializer": normal,
            "recurrent_activation": "sigmoid", "implementation": 2}  # fmt: skip
    inner = {"class_name": "LSTM", "config": lstm}
    return [
        {"class_name": "Embedding", "config": words},
        {"class_name": "Bidirectional", "config": {"name": "both", "layer": inner}},
        {"class_name": "Dense", "config": {"name": "dense", "units": 2}},
    ]


def test_an_h5_file_whose_configuration_is_a_list(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        config = {"class_name": "Sequential", "config": layers_of_keras_2()}
        file.attrs["model_config"] = json.dumps(config)
    rebuild_file(tmp_path / "old.h5", tmp_path / "new.keras", codec="float32")
    found = keras.models.load_model(tmp_path / "new.keras")
    np.testing.assert_allclose(found(IDS), model(IDS), atol=1e-6)


def test_a_nested_keras_file_with_modules_of_tf_keras(model: Any, tmp_path: Path) -> None:
    ids = keras.Input((7,), dtype="int32", name="ids")
    outer = keras.Model(ids, keras.layers.Activation("tanh", name="end")(model(ids)), name="outer")
    outer.save(tmp_path / "new.keras")
    start = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 7],
             "dtype": "int32", "name": "ids", "ragged": False}}  # fmt: skip
    inner = {"class_name": "Sequential",
             "config": {"name": "model", "layers": [start, *layers_of_keras_2()]}}  # fmt: skip
    end = {"module": "keras.layers", "class_name": "Activation",
           "config": {"name": "end", "activation": "tanh"}}  # fmt: skip
    config = {
        "module": "tf_keras.src.engine.functional",
        "class_name": "Functional",
        "config": {
            "name": "outer",
            "layers": [
                {**start, "name": "ids", "inbound_nodes": []},
                {**inner, "name": "model", "inbound_nodes": [[["ids", 0, 0, {}]]]},
                {**end, "name": "end", "inbound_nodes": [[["model", 1, 0, {}]]]},
            ],
            "input_layers": [["ids", 0, 0]],
            "output_layers": [["end", 0, 0]],
        },
    }
    with (
        zipfile.ZipFile(tmp_path / "new.keras") as new,
        zipfile.ZipFile(tmp_path / "old.keras", "w") as old,
    ):
        for name in new.namelist():
            content = json.dumps(config) if name == "config.json" else new.read(name)
            old.writestr(name, content)
    found = load_keras(tmp_path / "old.keras")
    np.testing.assert_allclose(found(IDS), outer(IDS), atol=1e-6)


def test_what_keras_3_cannot_compute_is_named_with_the_way() -> None:
    layers = layers_of_keras_2()
    layers[1]["config"]["layer"]["config"]["time_major"] = True
    with pytest.raises(UnsupportedModelError, match=r"'lstm' \(LSTM\) has time_major=True.*Saved"):
        modernized({"class_name": "Sequential", "config": layers}, "old.h5")
    layers[1]["config"]["layer"]["class_name"] = "CuDNNLSTM"
    with pytest.raises(UnsupportedModelError, match=r"'lstm' is a CuDNNLSTM.*SavedModel"):
        modernized({"class_name": "Sequential", "config": layers}, "old.h5")


def step_of_keras_2(x: np.ndarray, h: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """One step of the GRU of Keras 2.0, in NumPy: gates z, r, h, and its own hard sigmoid."""
    kernel, recurrent, bias = (np.split(each, 3, axis=-1) for each in weights)

    def hard(numbers: np.ndarray) -> np.ndarray:
        return np.clip(0.2 * numbers + 0.5, 0, 1)

    update = hard(x @ kernel[0] + bias[0] + h @ recurrent[0])
    reset = hard(x @ kernel[1] + bias[1] + h @ recurrent[1])
    candidate = np.tanh(x @ kernel[2] + bias[2] + (reset * h) @ recurrent[2])
    return update * h + (1 - update) * candidate


@pytest.mark.parametrize("version", ["2.0.8", None])
def test_a_gru_with_one_bias_and_the_hard_sigmoid_of_keras_2(
    version: str | None, tmp_path: Path
) -> None:
    made = keras.Sequential([keras.Input((5, 4)), keras.layers.GRU(3, reset_after=False, name="g")])
    weights = [2 * np.random.default_rng(2).normal(size=w.shape) for w in made.get_weights()]
    made.set_weights(weights)
    made.save(tmp_path / "old.h5")
    gru = {"name": "g", "units": 3, "recurrent_activation": "hard_sigmoid", "activation": "tanh",
           "batch_input_shape": [None, 5, 4], "implementation": 0}  # fmt: skip
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        layers = [{"class_name": "GRU", "config": gru}]
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers})
        del file.attrs["keras_version"]
        if version:
            file.attrs["keras_version"] = version
    numbers = np.random.default_rng(3).normal(size=(6, 5, 4))
    state = np.zeros((6, 3))
    for step in range(5):
        state = step_of_keras_2(numbers[:, step], state, weights)
    found = load_keras(tmp_path / "old.h5")
    np.testing.assert_allclose(found(numbers), state, atol=1e-6)
    # What is written opens again, with the same meaning.
    slim(tmp_path / "old.h5", tmp_path / "new.keras", to="keras")
    again = load_keras(tmp_path / "new.keras")
    np.testing.assert_allclose(again(numbers), state, atol=1e-6)


def test_the_hard_sigmoid_of_keras_3_stays(tmp_path: Path) -> None:
    layer = keras.layers.GRU(3, recurrent_activation="hard_sigmoid")
    made = keras.Sequential([keras.Input((5, 4)), layer])
    made.save(tmp_path / "new.h5")
    made.save(tmp_path / "new.keras")
    numbers = np.random.default_rng(3).normal(size=(6, 5, 4))
    for end in ("h5", "keras"):
        found = load_keras(tmp_path / f"new.{end}")
        np.testing.assert_array_equal(found(numbers), made(numbers))
