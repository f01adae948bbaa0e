"""Models run on arrays and compared on them: against TensorFlow itself, and what does not fit."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import entropy

from embzip.errors import EmbzipError, InputError, InputTypeError, MismatchError, NotFiniteError
from embzip.foreign.comparing import compare_on_arrays
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.running import open_model
from embzip.foreign.slimming import slim
from tests.commands import error_of, outcome, stdout_of, write_inputs

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore:In the future `np.object`:FutureWarning",
)
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 60, (300, 5))
MORE = RNG.normal(size=(300, 2))
RIGHT = RNG.integers(0, 4, 300)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arrays")
    ids = keras.Input((5,), dtype="int32", name="ids")
    more = keras.Input((2,), name="more")
    rows = keras.layers.Embedding(60, 8, name="words", embeddings_initializer="glorot_normal")(ids)
    state = keras.layers.LSTM(6)(rows)
    state = keras.layers.Concatenate()([state, more])
    probs = keras.layers.Dense(4, activation="softmax", name="probs")(state)
    keras.Model([ids, more], probs).save(folder / "probs.keras")
    score = keras.layers.Dense(1, name="score")(state)
    keras.Model([ids, more], {"probs": probs, "score": score}).save(folder / "both.keras")
    np.savez(folder / "x.npz", ids=IDS, more=MORE)
    np.savez(folder / "swapped.npz", more=MORE, ids=IDS)
    np.save(folder / "y.npy", RIGHT)
    rebuild_file(folder / "probs.keras", folder / "small.keras", codec="int4")
    slim(folder / "probs.keras", folder / "saved", to="savedmodel")
    fixed = tf.function(
        lambda x: {"out": 2 * x}, input_signature=[tf.TensorSpec([16, 2], name="x")]
    )
    module = tf.Module()
    module.serve = fixed
    tf.saved_model.save(module, str(folder / "sixteen"), signatures=fixed)
    write_inputs(folder)
    return folder


@pytest.fixture
def here(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(models)
    return models


def expected(path: Path) -> Any:
    return keras.models.load_model(path).predict([IDS, MORE], verbose=0)


def test_a_model_gives_what_keras_gives_in_batches(models: Path) -> None:
    model = open_model(models / "both.keras")
    assert {name: str(slot) for name, slot in model.inputs.items()} == {
        "ids": "int32 (any, 5)",
        "more": "float32 (any, 2)",
    }
    found = model.run({"more": MORE, "ids": IDS})
    for name, answers in expected(models / "both.keras").items():
        np.testing.assert_allclose(found[name], answers, atol=1e-6)
    saved = open_model(models / "saved").run({"ids": IDS, "more": MORE})
    np.testing.assert_allclose(saved["probs"], found["probs"], atol=1e-6)
    alone = open_model(models / "sixteen").run({"any name": MORE[:37]})
    np.testing.assert_array_equal(alone["out"], 2 * MORE[:37].astype(np.float32))


def test_differences_are_those_of_plain_numpy(models: Path) -> None:
    before, after = (expected(models / name) for name in ("probs.keras", "small.keras"))
    found = compare_on_arrays(
        models / "probs.keras", models / "small.keras", models / "x.npz", labels=models / "y.npy"
    )
    (each,) = found.outputs
    assert (found.rows, each.name) == (300, "probs")
    assert each.max_difference == pytest.approx(np.abs(before - after).max(), abs=1e-6)
    assert each.agreement == (before.argmax(1) == after.argmax(1)).mean()
    assert each.kl == pytest.approx(entropy(before, after, axis=1).mean(), abs=1e-6)
    assert each.accuracy_before == (before.argmax(1) == RIGHT).mean()
    assert each.accuracy_after == (after.argmax(1) == RIGHT).mean()
    exact = compare_on_arrays(models / "probs.keras", models / "saved", models / "swapped.npz")
    assert exact.outputs[0].max_difference == pytest.approx(0, abs=1e-6)
    probs, score = compare_on_arrays(
        models / "both.keras", models / "both.keras", {"ids": IDS, "more": MORE}
    ).outputs
    assert (probs.kl, score.kl) == (0, None)
    assert score.agreement is None


@pytest.mark.parametrize(
    ("inputs", "labels", "error", "said"),
    [
        ({"ids": IDS}, None, MismatchError, r"ids: int32 .any, 5., more: .*; found 'ids'"),
        ({"ids": IDS, "less": MORE}, None, MismatchError, "found 'ids', 'less'"),
        ({"ids": IDS[:, :4], "more": MORE}, None, MismatchError, r"shape \(300, 4\)"),
        ({"ids": IDS[:9], "more": MORE}, None, MismatchError, "9 of 'ids', 300 of 'more'"),
        ({"ids": IDS + 0.5, "more": MORE}, None, InputTypeError, "numbers of float64 that do not"),
        ({"ids": IDS + 2**40, "more": MORE}, None, InputTypeError, "numbers of int64 that do not"),
        ({"ids": IDS.astype(str), "more": MORE}, None, InputTypeError, "found an array of str"),
        ({"ids": IDS[:0], "more": MORE[:0]}, None, InputError, "at least one row"),
        ({"ids": IDS + 99, "more": MORE}, None, InputError, "cannot run the model on these"),
        ({"ids": IDS, "more": MORE * np.inf}, None, NotFiniteError, "'probs' must be finite"),
        ({"ids": IDS, "more": MORE}, RIGHT[:9], MismatchError, r"shape \(300,\).* found int64 .9"),
        ({"ids": IDS, "more": MORE}, RIGHT + 1, MismatchError, r"labels lie in 0\.\.3.* found 4"),
        ({"ids": IDS, "more": MORE}, RIGHT / 2, MismatchError, "labels are whole numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    models: Path, inputs: Any, labels: Any, error: type[EmbzipError], said: str
) -> None:
    path = models / "probs.keras"
    with pytest.raises(error, match=said):
        compare_on_arrays(path, path, inputs, labels=labels)


def test_outputs_that_do_not_fit_are_refused(models: Path) -> None:
    both, inputs = models / "both.keras", models / "x.npz"
    with pytest.raises(MismatchError, match=r"its outputs are probs, those of .* are probs, score"):
        compare_on_arrays(both, models / "probs.keras", inputs)
    with pytest.raises(MismatchError, match=r"this model has probs, score: .*--node OUTPUT"):
        compare_on_arrays(both, both, inputs, labels=RIGHT)


def test_compare_and_rebuild_say_it(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = stdout_of(
        "compare", "probs.keras", "small.keras", "--inputs", "x.npz", "--labels", "y.npy"
    )
    assert said.startswith("probs, 300 rows: largest difference ")
    for word in ("agreement", "KL", "accuracy"):
        assert word in said
    record = json.loads(
        stdout_of("rebuild", "saved", "--codec", "int4", "--inputs", "x.npz", "-o", "out", "--json")
    )
    (compared,) = record["compared"]["outputs"]
    whole = compare_on_arrays("probs.keras", "small.keras", "x.npz").outputs[0]
    assert compared["max_difference"] == pytest.approx(whole.max_difference, abs=1e-6)
    assert record["snr_db"] > 12
    against = stdout_of(
        "rebuild",
        "probs.keras",
        "--codec",
        "float32",
        "--inputs",
        "x.npz",
        "--against",
        "saved",
        "-o",
        "same.keras",
    )
    assert "agreement 1.0000" in against
    capfd.readouterr()
    message = error_of(["rebuild", "probs.keras", "--codec", "int8", "--inputs", "y.npy",
                        "-o", "not.keras"], capfd)  # fmt: skip
    assert "told by the names of the model's inputs" in message
    message = error_of(["rebuild", "model.embz", "--codec", "int8", "--inputs", "x.npz"], capfd)
    assert "`embzip evaluate AFTER TEST.tsv --against BEFORE` compares .embz files" in message
    done = outcome("compare", "probs.keras", "saved", "--inputs", "x.npz", "--test", "test.tsv")
    assert done.code == 2
    assert not Path("not.keras").exists()
