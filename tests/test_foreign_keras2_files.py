"""Files that Keras 2 itself wrote (`scripts/make_keras2.py`), and what it answered with them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from embzip.errors import InputError
from embzip.foreign import load_variables
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.slimming import slim
from embzip.layers.keras2_activations import hard_sigmoid_of_keras_2
from tests.commands import stdout_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
FOLDER = Path(__file__).parent / "golden" / "keras2"
TOLD = np.load(FOLDER / "answers.npz")
IDS = TOLD["ids"]


@pytest.mark.parametrize("name", ["recurrent", "nested"])
@pytest.mark.parametrize("end", ["h5", "keras"])
def test_whole_models_answer_as_in_keras_2(name: str, end: str, tmp_path: Path) -> None:
    path = FOLDER / f"{name}.{end}"
    np.testing.assert_allclose(load_keras(path)(IDS), TOLD[name], atol=1e-6)
    rebuild_file(path, tmp_path / "same.keras", codec="float32")
    np.testing.assert_allclose(load_keras(tmp_path / "same.keras")(IDS), TOLD[name], atol=1e-6)
    made = rebuild_file(path, tmp_path / "small.keras", codec="int8")
    assert made.embedding is not None
    assert made.embedding.shape == (50, 6)
    slim(path, tmp_path / f"slim.{end}")
    np.testing.assert_allclose(load_keras(tmp_path / f"slim.{end}")(IDS), TOLD[name], atol=1e-6)


def test_variables_beside_their_architecture_with_every_table(tmp_path: Path) -> None:
    path, config = FOLDER / "branches.h5", FOLDER / "branches.json"
    given = [IDS, TOLD["kinds"]]
    made = rebuild_file(
        path, tmp_path / "same.keras", codec="float32", every=True, architecture=config
    )
    assert [made.layer, made.more[0].layer] == ["words", "kinds"]
    found = keras.models.load_model(tmp_path / "same.keras")
    np.testing.assert_allclose(found(given), TOLD["branches"], atol=1e-6)
    with pytest.raises(InputError, match=r"found only variables: .*--model ARCHITECTURE\.json"):
        rebuild_file(path, tmp_path / "no.keras", codec="int8")
    said = stdout_of("inspect", str(path))
    assert "words" in said


@pytest.mark.parametrize("end", ["h5", "keras"])
def test_a_model_of_keras_3_takes_their_variables(end: str) -> None:
    inner = layers.LSTM(3, recurrent_activation=hard_sigmoid_of_keras_2)
    model: Any = keras.Sequential(
        [
            keras.Input((7,)),
            layers.Embedding(50, 6, mask_zero=True),
            layers.Bidirectional(inner),
            layers.Dense(4, activation="softmax"),
        ]
    )
    load_variables(model, FOLDER / f"recurrent.{end}")
    np.testing.assert_allclose(model(IDS), TOLD["recurrent"], atol=1e-6)
