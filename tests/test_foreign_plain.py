"""`--plain`: rebuilt Keras files of Keras' own layers, opened by a process that has no embzip."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from embzip.compression import compress
from embzip.errors import EmbzipError, InputError, UnsupportedModelError
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.keras_rebuilding import rebuild_model
from embzip.foreign.rebuilding import rebuild_file
from tests.commands import error_of, stdout_of
from tests.processes import run_tensorflow

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore:You are saving your model as an HDF5 file",
)
ROWS, DIM = 900, 24
RNG = np.random.default_rng(0)
IDS = RNG.integers(1, ROWS, (5, 7)).astype(np.int32)
IDS[:, 5:] = 0
# A process that has TensorFlow and nothing of embzip opens and runs the file.
OPENED = """
import sys
import keras
model = keras.models.load_model(path)
found = model.predict(ids, verbose=0), [n for n in sys.modules if n.startswith("embzip")]
"""


def table() -> Any:
    low = RNG.normal(size=(ROWS, 6)) @ RNG.normal(size=(6, DIM))
    return (low + 0.05 * RNG.normal(size=(ROWS, DIM)) + 0.3).astype(np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = layers.Embedding(ROWS, DIM, mask_zero=True, name="words")
    head = [layers.Bidirectional(layers.LSTM(4)), layers.Dense(3, name="end")]
    model = keras.Sequential([keras.Input((7,), dtype="int32"), words, *head])
    words.set_weights([table()])
    where = tmp_path_factory.mktemp("plain") / "model.keras"
    model.save(where)
    return where


@pytest.mark.parametrize(
    "codec",
    ["float32", "int8", "svd:6|float32", "svd:6|int8", "center|svd:6|int8", "int8:scale=column",
     "int4:scale=column", "svd:6|int4:scale=column"],
)  # fmt: skip
def test_a_process_without_embzip_answers_as_the_decoded_table(
    path: Path, tmp_path: Path, codec: str
) -> None:
    made = rebuild_file(path, tmp_path / "plain.keras", codec=codec, plain=True)
    assert made.embedding is not None
    model = load_keras(path)
    model.get_layer("words").set_weights([made.embedding.decode()])
    small = str(tmp_path / "plain.keras")
    answers, of_embzip = run_tensorflow(OPENED, tmp_path, path=small, ids=IDS)
    assert of_embzip == []
    np.testing.assert_allclose(answers, model.predict(IDS, verbose=0), atol=2e-5)
    assert made.bytes_after == Path(small).stat().st_size
    # Keras has a float32 scale a row, also where the codec has one a column.
    rest = path.stat().st_size - 4 * ROWS * DIM
    assert made.bytes_after < rest + made.embedding.nbytes + 4 * ROWS + 9_000  # of two more layers


def test_the_mask_reaches_what_follows(path: Path) -> None:
    model = load_keras(path)
    rows = model.get_layer("words").get_weights()[0]
    small = rebuild_model(model, "words", compress(rows, "svd:6|float32"), plain=True)
    np.testing.assert_allclose(small(IDS), small(IDS * (np.arange(7) < 5)), atol=1e-6)
    other = IDS.copy()
    other[:, 5:] = 3
    assert np.abs(np.array(small(IDS)) - np.array(small(other))).max() > 1e-3
    # It is a Keras model, so that it is compressed again.
    again = rebuild_model(small, "words/table", compress(rows[:, :6], "int8"), plain=True)
    assert again.get_layer("words").get_layer("table").dtype_policy.name == "int8_from_float32"


def test_shared_timed_and_half_precision_layers() -> None:
    shared = layers.Embedding(ROWS, DIM, name="words", dtype="mixed_float16")
    sentences, title = keras.Input((3, 7)), keras.Input((7,))  # floats, as Keras' default is
    pooled = keras.ops.max(layers.TimeDistributed(shared)(sentences), axis=2)
    model = keras.Model([sentences, title], [pooled, shared(title)])
    shared.set_weights([table()])
    numbers = [np.stack([IDS, IDS, IDS], axis=1).astype(np.float32), IDS.astype(np.float32)]
    for codec in ("float32", "int8", "center|svd:6|int8"):
        compressed = compress(shared.get_weights()[0], codec)
        small = rebuild_model(model, "words", compressed, plain=True)
        ours = rebuild_model(model, "words", compressed)
        for found, expected in zip(small(numbers), ours(numbers), strict=True):
            assert found.dtype == "float16"
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_folding_leaves_no_dense_layer(path: Path) -> None:
    words = layers.Embedding(ROWS, DIM, name="words")
    convolution = layers.Conv1D(4, 2)
    model = keras.Sequential([keras.Input((7,), dtype="int32"), words, convolution])
    compressed = compress(words.get_weights()[0], "svd:6|int8")
    small = rebuild_model(model, "words", compressed, fold=True, plain=True)
    assert type(small.get_layer("words")) is layers.Embedding
    ours = rebuild_model(model, "words", compressed)
    np.testing.assert_allclose(small(IDS), ours(IDS), atol=1e-6)


def test_what_is_refused(path: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.keras"
    cases: list[tuple[dict[str, Any], type[EmbzipError], str]] = [
        (
            {"codec": "svd|tcq:2"},
            UnsupportedModelError,
            r"'svd:24.*\|tcq:2' stores 'tcq:2': choose",
        ),
        ({"codec": "int4"}, UnsupportedModelError, "int4:scale=column.*'int4' stores 'int4'"),
        ({"codec": "int8", "kernels": "int8"}, InputError, "--plain cannot have --kernels"),
        ({"codec": "int8", "tied": True}, InputError, "--plain cannot have --tied"),
        ({"kernels": "int8"}, InputError, "name a codec for them too"),
    ]
    for options, error, match in cases:
        with pytest.raises(error, match=match):
            rebuild_file(path, out, plain=True, **options)
    with pytest.raises(InputError, match=r"--plain is for \.keras and \.h5 files"):
        rebuild_file(folder / "saved", tmp_path / "o.pb", codec="int8", plain=True)
    rebuild_file(path, tmp_path / "k.keras", kernels="int8")
    with pytest.raises(UnsupportedModelError, match=r"is a Int8.* of embzip.*leave --plain out"):
        rebuild_file(tmp_path / "k.keras", out, codec="int8", plain=True)
    words = layers.Embedding(ROWS, DIM, name="words")
    first, second = keras.Input((7,), dtype="int32"), keras.Input((2, 7), dtype="int32")
    two = keras.Model([first, second], [words(first), words(second)])
    timed = keras.Model(second, [words(second), layers.TimeDistributed(words)(second)])
    compressed = compress(words.get_weights()[0], "svd:6|int8")
    for model in (two, timed):
        with pytest.raises(UnsupportedModelError, match=r"ids of \[2, 3\] axes"):
            rebuild_model(model, "words", compressed, plain=True)
    assert not out.exists()


def test_the_command(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = stdout_of("rebuild", str(path), "--codec", "svd:6|int8", "--plain", "-o", "p.keras")
    size = (tmp_path / "p.keras").stat().st_size
    assert f"{path.stat().st_size:,} -> {size:,} bytes" in said
    capfd.readouterr()
    wrong = ["rebuild", str(path), "--codec", "pq:4", "--plain", "-o", "q.keras"]
    assert "layers of Keras alone (--plain) hold float32" in error_of(wrong, capfd)
