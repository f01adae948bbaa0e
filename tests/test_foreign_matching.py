"""Arrays of files that name layers by their class: what tells them apart beside names."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from embzip.errors import MismatchError
from embzip.foreign import load_variables

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


class Windows(keras.Model):
    """A subclassed model with layers in a list, whose biases have one shape."""

    def __init__(self) -> None:
        super().__init__()
        self.words = layers.Embedding(50, 6)
        self.windows = [layers.Conv1D(4, width) for width in (2, 3)]
        self.out = layers.Dense(3)

    def call(self, ids: Any) -> Any:
        rows = self.words(ids)
        found = [keras.ops.max(window(rows), axis=1) for window in self.windows]
        return self.out(keras.ops.concatenate(found, axis=1))


def both_ways() -> Any:
    return keras.Sequential(
        [keras.Input((7,)), layers.Embedding(50, 6), layers.Bidirectional(layers.LSTM(4))]
    )


IDS = np.random.default_rng(0).integers(0, 50, (4, 7))


def drawn(model: Any) -> Any:
    """Return a model of which no two arrays are equal, as biases of zeros are."""
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=each.shape) for each in model.get_weights()])
    return model


def windows() -> Any:
    model = Windows()
    model(IDS)
    return model


@pytest.mark.parametrize("make", [windows, both_ways])
@pytest.mark.parametrize("end", [".weights.h5", ".keras"])
def test_a_bias_stands_beside_its_kernel_and_directions_have_names(
    make: Any, end: str, tmp_path: Path
) -> None:
    model = drawn(make())
    path = tmp_path / f"model{end}"
    (model.save_weights if end == ".weights.h5" else model.save)(path)
    other = make()
    load_variables(other, path)
    np.testing.assert_array_equal(other(IDS), model(IDS))


def test_two_layers_of_the_same_shapes_are_still_not_clear(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(4)])
    model.save(tmp_path / "two.keras")
    other = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="a"), layers.Dense(4)])
    with pytest.raises(MismatchError, match="not clear which array belongs to 'a/kernel'"):
        load_variables(other, tmp_path / "two.keras")
