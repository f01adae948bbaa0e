"""Architectures in .json files, and the variables in .h5 files that belong to them."""

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

from embzip.errors import EmbzipError, InputError, UnsupportedModelError
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.rebuilding import rebuild_file

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
)
IDS = np.random.default_rng(0).integers(0, 50, (4, 7))


def branches() -> Any:
    """Return a model with several layers of one shape, whose order says little."""
    ids = keras.Input((7,), dtype="int32", name="ids")
    rows = layers.Embedding(50, 6, name="words")(ids)
    ends = [layers.Dense(3, name=f"part_{n}")(rows) for n in (2, 0, 1)]
    ends[1] = layers.Activation("tanh", name="bent")(ends[1])
    return keras.Model(ids, layers.Dense(2, name="end")(layers.Concatenate(name="all")(ends)))


def write_as_keras_2(model: Any, path: Path) -> None:
    """Write variables as `save_weights` of Keras 2 did, layers in an order of its own."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
        names = list(file.attrs["layer_names"])
        file.attrs["layer_names"] = names[::-1]


@pytest.mark.parametrize("writer", ["keras 2", "keras 3"])
def test_variables_and_their_architecture(writer: str, tmp_path: Path) -> None:
    model = branches()
    (tmp_path / "model.json").write_text(model.to_json())
    path = tmp_path / "model.weights.h5"
    if writer == "keras 2":
        write_as_keras_2(model, path)
    else:
        model.save_weights(path)
    made = rebuild_file(
        path, tmp_path / "small.keras", codec="float32", architecture=tmp_path / "model.json"
    )
    assert made.layer == "words"
    found = keras.models.load_model(tmp_path / "small.keras")
    np.testing.assert_allclose(found(IDS), model(IDS), atol=1e-6)


def test_an_architecture_of_keras_2(tmp_path: Path) -> None:
    words = {"name": "words", "batch_input_shape": [None, 7], "input_dim": 50, "output_dim": 6}
    gru = {"name": "gru", "units": 3, "recurrent_activation": "hard_sigmoid"}
    parts = [{"class_name": "Embedding", "config": words}, {"class_name": "GRU", "config": gru}]
    old = {"class_name": "Sequential", "config": parts, "keras_version": "2.0.4"}
    (tmp_path / "old.json").write_text(json.dumps(old))
    model = keras.Sequential(
        [
            keras.Input((7,)),
            layers.Embedding(50, 6, name="words"),
            layers.GRU(3, name="gru", reset_after=False),
        ]
    )
    write_as_keras_2(model, tmp_path / "old.h5")
    found = load_keras(tmp_path / "old.h5", tmp_path / "old.json")
    for ours, theirs in zip(found.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert found.get_layer("gru").recurrent_activation.__name__ == "hard_sigmoid_of_keras_2"


def test_the_command_takes_an_architecture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from embzip.cli import main

    model = branches()
    (tmp_path / "model.json").write_text(model.to_json())
    write_as_keras_2(model, tmp_path / "model.h5")
    call = ["rebuild", str(tmp_path / "model.h5"), "--codec", "int8"]
    with pytest.raises(SystemExit) as ended:
        main(call)
    assert ended.value.code == 1
    assert "--model ARCHITECTURE.json" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main([*call, "--model", str(tmp_path / "model.json"), "-o", str(tmp_path / "s.keras")])
    assert ended.value.code == 0
    assert "words: int8, 50 rows of 6" in capsys.readouterr().out


def test_what_is_refused(tmp_path: Path) -> None:
    model = branches()
    write_as_keras_2(model, tmp_path / "model.h5")
    model.save(tmp_path / "model.keras")
    plain = json.loads(model.to_json())
    code = json.loads(model.to_json())
    code["config"]["layers"][1]["class_name"] = "Lambda"
    other = json.loads(model.to_json())
    other["config"]["layers"][1]["config"]["input_dim"] = 9000
    cases: list[tuple[str, Any, type[EmbzipError], str]] = [
        ("model.h5", [1], InputError, "expected the architecture of a Keras model"),
        ("model.h5", "{", InputError, "JSON"),
        ("model.h5", code, UnsupportedModelError, "would run code"),
        ("model.h5", other, InputError, r"\(9000, 6\).* do not belong together"),
        ("model.keras", plain, InputError, "has its own: leave it out"),
    ]
    for name, content, error, match in cases:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(error, match=match):
            load_keras(tmp_path / name, tmp_path / "a.json")
