"""Foreign models for other runtimes, loaded by those: numbers, names, codes, and refusals."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from embzip.compression import compress
from embzip.errors import EmbzipError, InputError, SpecError, UnsupportedModelError
from embzip.foreign.decoding_weights import decoding_weight
from embzip.foreign.exporting import export_model
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.running import open_model
from embzip.foreign.slimming import slim
from tests.commands import error_of, outcome, stdout_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
)
ROWS = 1200
IDS = np.random.default_rng(0).integers(0, ROWS, (9, 6)).astype(np.int32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")

    def sequential(name: str, *layers: Any) -> None:
        table = keras.layers.Embedding(ROWS, 16, name="words")
        head = keras.layers.Dense(3, activation="softmax", name="probs")
        ids = keras.Input((6,), dtype="int32", name="ids")
        keras.Sequential([ids, table, *layers, head]).save(folder / f"{name}.keras")

    sequential("pooled", keras.layers.Conv1D(4, 2), keras.layers.GlobalMaxPooling1D())
    sequential("recurrent", keras.layers.LSTM(5))
    reader = keras.layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=6)
    model = keras.Sequential(
        [keras.Input((1,), dtype="string", name="texts"), reader,
         keras.layers.Embedding(ROWS, 16, name="words"), keras.layers.GlobalMaxPooling1D()]
    )  # fmt: skip
    model.save(folder / "texts.keras")
    for codec in ("int8", "svd|tcq:2"):
        rebuild_file(folder / "pooled.keras", folder / f"{codec[:3]}.keras", codec=codec)
    slim(folder / "pooled.keras", folder / "saved", to="savedmodel")
    rebuild_file(folder / "saved", folder / "small_saved", codec="int8")
    return folder


def litert(path: Path, ids: np.ndarray) -> np.ndarray:
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    return np.array(runner(ids=ids)["probs"])


def savedmodel(path: Path, ids: np.ndarray) -> np.ndarray:
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    return np.array(served(ids=tf.constant(ids))["probs"])


def frozen(path: Path, ids: np.ndarray) -> np.ndarray:
    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as scope, tf.compat.v1.Session(graph=scope) as session:
        tf.graph_util.import_graph_def(graph, name="")
        return np.array(session.run("probs:0", {"ids:0": ids}))


def onnx_file(path: Path, ids: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.array(session.run(["probs:0"], {"ids:0": ids})[0])


RUN = {"litert": litert, "savedmodel": savedmodel, "frozen": frozen, "onnx": onnx_file}


@pytest.mark.parametrize(
    ("source", "to"),
    [*(("int.keras", to) for to in RUN), ("svd.keras", "litert"), ("small_saved", "onnx")],
)
def test_other_runtimes_give_what_the_model_gives(
    models: Path, tmp_path: Path, source: str, to: str
) -> None:
    made = export_model(models / source, tmp_path / "out", to=to)
    of = "int.keras" if source == "small_saved" else source
    expected = keras.models.load_model(models / of).predict(IDS, verbose=0)
    np.testing.assert_allclose(RUN[to](tmp_path / "out", IDS), expected, atol=1e-5)
    assert made.max_difference is not None
    assert made.max_difference < 1e-5
    assert made.rows is None
    files = [each for each in (tmp_path / "out").rglob("*") if each.is_file()]
    written = sum(each.stat().st_size for each in files or [tmp_path / "out"])
    assert made.bytes_after == written
    if of == "int.keras":  # a byte a number, and no row decoded
        assert written < ROWS * 16 * 4
        assert not made.decoding
    else:
        (weight,) = made.decoding
        assert weight.better in ("int4", "int8")


def test_codes_stay_codes(models: Path, tmp_path: Path) -> None:
    export_model(models / "int.keras", tmp_path / "m.onnx", to="onnx")
    stored = onnx.load(tmp_path / "m.onnx").graph.initializer
    assert {tuple(each.dims): each.data_type for each in stored}[ROWS, 16] == onnx.TensorProto.INT8
    export_model(models / "int.keras", tmp_path / "m.tflite")
    details = Interpreter(model_path=str(tmp_path / "m.tflite")).get_tensor_details()
    table = [each["dtype"] for each in details if tuple(each["shape"]) == (ROWS, 16)]
    assert table == [np.int8]


def test_a_recurrent_model_runs_row_by_row_in_litert(models: Path, tmp_path: Path) -> None:
    made = export_model(models / "recurrent.keras", tmp_path / "m.tflite")
    assert made.rows == 1
    expected = keras.models.load_model(models / "recurrent.keras").predict(IDS, verbose=0)
    found = np.concatenate([litert(tmp_path / "m.tflite", IDS[r : r + 1]) for r in range(len(IDS))])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    slim(models / "recurrent.keras", tmp_path / "saved", to="savedmodel")
    with pytest.raises(UnsupportedModelError, match=r"LiteRT .* has no TensorListReserve"):
        export_model(tmp_path / "saved", tmp_path / "n.tflite")
    export_model(tmp_path / "saved", tmp_path / "n.onnx", to="onnx")
    np.testing.assert_allclose(onnx_file(tmp_path / "n.onnx", IDS), expected, atol=1e-6)


def test_texts_go_to_a_savedmodel_or_are_cut_off(models: Path, tmp_path: Path) -> None:
    path = models / "texts.keras"
    for to in ("litert", "onnx", "frozen"):
        with pytest.raises(UnsupportedModelError, match=r"has no (texts|hash tables).*as '.+'"):
            export_model(path, tmp_path / "out", to=to)
    assert export_model(path, tmp_path / "saved", to="savedmodel").max_difference == 0
    with pytest.raises(UnsupportedModelError) as caught:
        export_model(path, tmp_path / "out")
    node = str(caught.value).split("as '")[1].split("'")[0]
    made = export_model(path, tmp_path / "m.tflite", inputs=[node])
    assert made.max_difference is not None
    assert made.max_difference < 1e-6


def test_inputs_without_rows_and_inputs_that_nobody_can_guess(tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        ids = v1.placeholder(tf.int32, [None, 6], name="ids")
        keep = v1.placeholder(tf.float32, [], name="keep")
        rows = tf.gather(tf.constant(np.eye(40, 5, dtype=np.float32)), ids)
        tf.reduce_sum(rows * keep, axis=1, name="sums")
        lengths = v1.placeholder(tf.int32, [None], name="lengths")
        tf.reshape(tf.reduce_sum(rows, axis=1), tf.stack([lengths[0], -1]), name="guess")
        (tmp_path / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    made = export_model(tmp_path / "graph.pb", tmp_path / "m.onnx", to="onnx", outputs=["sums"])
    assert made.max_difference == 0
    model = open_model(tmp_path / "graph.pb", outputs=["sums"])
    found = model.run({"ids": IDS[:, :6] % 5, "keep": np.array(0.5)})["sums"]
    np.testing.assert_array_equal(found.sum(axis=1), np.full(len(IDS), 3))
    unknown = export_model(tmp_path / "graph.pb", tmp_path / "g.pb", to="frozen", outputs=["guess"])
    assert unknown.max_difference is None
    assert unknown.bytes_after == (tmp_path / "g.pb").stat().st_size


def test_what_decodes_is_weighed_by_a_file_of_it_alone() -> None:
    rows = np.random.default_rng(0).normal(size=(2000, 32)).astype(np.float32)
    weight = decoding_weight("words", compress(rows, "svd|tcq:2"), "litert")
    assert weight is not None
    assert weight.decoding > weight.codes
    assert weight.better == "int4"
    assert 2000 * 16 < (weight.better_bytes or 0) < weight.codes + weight.decoding
    assert "--codec int4 would take" in weight.sentence
    assert decoding_weight("words", compress(rows, "int8"), "litert") is None
    assert decoding_weight("words", compress(rows, "svd|tcq:2"), "keras") is None
    few = decoding_weight("words", compress(rows[:3, :4], "svd|int4"), "frozen")
    assert few is not None
    assert "leaving it as it is would take" in few.sentence


@pytest.mark.parametrize("to", ["litert", "frozen"])
def test_a_graph_that_was_rebuilt_before_says_it_too(models: Path, tmp_path: Path, to: str) -> None:
    for name in ("heavy.pb", "heavy"):
        rebuild_file(models / "saved", tmp_path / name, codec="svd|tcq:2")
        (weight,) = export_model(tmp_path / name, tmp_path / f"{name}.out", to=to).decoding
        of_keras = export_model(models / "svd.keras", tmp_path / f"{name}.keras.out", to=to)
        assert weight.codec == of_keras.decoding[0].codec
        assert weight.codes == of_keras.decoding[0].codes
        assert weight.decoding == pytest.approx(of_keras.decoding[0].decoding, rel=0.05)
        assert weight.better == "int4"
    assert export_model(models / "small_saved", tmp_path / "light", to=to).decoding == ()


@pytest.mark.parametrize(
    ("to", "outputs", "error", "said"),
    [
        ("coreml", (), SpecError, "coreml"),
        ("litert", ("none",), InputError, "no output 'none'"),
    ],
)
def test_wrong_options(
    models: Path, tmp_path: Path, to: str, outputs: tuple[str, ...],
    error: type[EmbzipError], said: str,
) -> None:  # fmt: skip
    with pytest.raises(error, match=said):
        export_model(models / "pooled.keras", tmp_path / "out", to=to, outputs=outputs)


def test_the_commands_say_it(
    models: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(models)
    said = stdout_of("export", "svd.keras", "-o", "m.tflite")
    assert "bytes," in said
    assert "outputs within" in said
    assert "--codec int4 would take" in said
    record = json.loads(stdout_of("export", "recurrent.keras", "--to", "litert", "--json"))
    assert (record["path"], record["rows"], record["format"]) == ("recurrent.tflite", 1, "litert")
    said = stdout_of("rebuild", "saved", "--codec", "svd|tcq:2", "-o", "heavy.pb")
    assert "of what decodes them: --codec int4" in said
    capfd.readouterr()
    assert "has no texts" in error_of(["export", "texts.keras", "-o", "t.onnx"], capfd)
    assert "pass the .embz, or the model" in error_of(["export", "m.tflite", "-o", "t.onnx"], capfd)
    for wrong in (["--kernels", "int8"], ["--to", "javascript"]):
        assert outcome("export", "pooled.keras", *wrong).code == 2
