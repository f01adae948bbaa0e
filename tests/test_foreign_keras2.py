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
