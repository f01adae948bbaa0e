"""Files of Keras and TensorFlow rebuilt on codes; files that are refused, with nothing run."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import embzip
from embzip.cli import main
from embzip.compression import compress
from embzip.errors import EmbzipError, InputError, MismatchError, UnsupportedModelError
from embzip.foreign.formats import hdf5_probe
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.graph.flat_graphs import flat_graph
from embzip.foreign.graph.rebuilding import chosen_tables
from embzip.foreign.graph.writing import predicted
from embzip.foreign.inspecting import inspect
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.slimming import slim
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from scripts.peaks import peak_growth

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
IDS = np.random.default_rng(2).integers(0, 50, (5, 7)).astype(np.int32)


def answers(path: Path) -> np.ndarray:
    """Return the predictions of a file, by TensorFlow or Keras alone."""
    if path.suffix in (".keras", ".h5"):
        return np.array(keras.models.load_model(path, compile=False)(IDS))
    if path.is_dir():
        served = tf.saved_model.load(str(path)).signatures["serving_default"]
        return np.array(served(ids=tf.constant(IDS))["probs"])
    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as scope, tf.compat.v1.Session(graph=scope) as session:
        tf.import_graph_def(graph, name="")
        return session.run("probs:0", {"ids:0": IDS})


def with_table(path: Path, table: np.ndarray) -> np.ndarray:
    """Return what the original file predicts once its table is another: the oracle."""
    flat = flat_graph(path)
    (name,) = chosen_tables(flat)
    for node in flat.graph.node:
        if node.name == name:
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(table))
    signature = flat.signatures["serving_default"]
    return predicted(flat, signature, {"ids": IDS})["probs"]


@pytest.mark.parametrize(("name", "end"), [("ref.pb", ".pb"), ("res", "")])
def test_a_graph_whose_table_is_compressed_says_so(
    folder: Path, name: str, end: str, tmp_path: Path
) -> None:
    rebuild_file(folder / name, tmp_path / f"small{end}", codec="int4")
    found = r"found none that is not compressed \('.+' as int4\): begin with the file before"
    with pytest.raises(UnsupportedModelError, match=found):
        rebuild_file(tmp_path / f"small{end}", tmp_path / f"again{end}", codec="int8")


@pytest.mark.parametrize("spec", ["svd:3|int8", "int4", "kmeans:8", "tcq:2"])
@pytest.mark.parametrize(
    ("name", "end"),
    [("ref", ".pb"), ("res", ""), ("ref.pb", ".pb"), ("res.pb", ""), ("ref_saved", ".pb"),
     ("res_saved", ""), ("saved", "")],
)  # fmt: skip
def test_a_rebuilt_graph_predicts_as_the_decoded_table_does(
    folder: Path, name: str, end: str, spec: str, tmp_path: Path
) -> None:
    target = tmp_path / f"small{end}"
    result = rebuild_file(folder / name, target, codec=spec)
    assert result.format == ("frozen" if end else "savedmodel")
    expected = with_table(folder / name, result.embedding.decode())
    np.testing.assert_allclose(answers(target), expected, atol=2e-6)
    assert np.abs(expected - with_table(folder / name, np.zeros((50, 6), np.float32))).max() > 1e-3
    stored = inspect(target).tensors
    assert not [t for t in stored if t.shape == (50, 6) and t.dtype == "float32"]
    for codes in result.embedding.codes.values():
        assert any(t.shape == codes.shape and t.dtype == codes.dtype.name for t in stored)


def test_a_given_table_keeps_row_order_and_its_padding_reads_as_zeros(
    folder: Path, tmp_path: Path
) -> None:
    words = WordTokenizer([f"w{number:02}" for number in range(48)], Normalization())
    rows = len(words.vocabulary)
    assert rows == 50
    values = np.random.default_rng(5).normal(size=(rows, 6)).astype(np.float32)
    table = compress(Vectors(words.vocabulary, values, tokenizer=words), "int8")
    rebuild_file(folder / "ref.pb", tmp_path / "small.pb", embedding=table)
    expected = with_table(folder / "ref.pb", table.decode())
    np.testing.assert_allclose(answers(tmp_path / "small.pb"), expected, atol=2e-6)
    assert not table.decode()[table.pad_id].any()


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_rebuilt_keras_file_predicts_as_the_decoded_table_does(
    folder: Path, name: str, tmp_path: Path
) -> None:
    target = tmp_path / "small.keras"
    result = rebuild_file(folder / name, target, codec="svd:3|int8")
    model = keras.models.load_model(folder / name, compile=False)
    model.get_layer("words").set_weights([result.embedding.decode()])
    np.testing.assert_allclose(answers(target), np.array(model(IDS)), atol=1e-6)
    kept = {(t.shape, t.dtype) for t in inspect(target).tensors}
    assert ((50, 3), "int8") in kept
    assert ((50, 6), "float32") not in kept


def conv(path: Path, **options: Any) -> Path:
    layers = [
        keras.layers.Embedding(50, 6, name="words"),
        keras.layers.Dropout(0.5),
        keras.layers.Conv1D(5, 2, name="reading", **options),
        keras.layers.GlobalMaxPooling1D(),
        keras.layers.Dense(3),
    ]
    keras.Sequential([keras.Input((7,), dtype="int32"), *layers]).save(path)
    return path


@pytest.mark.parametrize(
    ("spec", "columns", "options"),
    [
        ("svd:3|int8", 3, {"padding": "same"}),
        ("int8:scale=column", 6, {}),
        ("center|svd:3|int8", 3, {}),
    ],
)
def test_folding_changes_no_prediction(
    spec: str, columns: int, options: dict[str, Any], tmp_path: Path
) -> None:
    source = conv(tmp_path / "conv.keras", **options)
    for fold in (False, True):
        rebuild_file(source, tmp_path / f"{fold}.keras", codec=spec, fold=fold)
    np.testing.assert_allclose(
        *(answers(tmp_path / f"{f}.keras") for f in (0 > 1, 1 > 0)), atol=1e-6
    )
    model = keras.models.load_model(tmp_path / "True.keras")
    assert model.get_layer("reading").kernel.shape == (2, columns, 5)


def test_folding_into_what_is_not_linear_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.keras"
    with pytest.raises(UnsupportedModelError, match=r"'global_max_pooling1d.*' reads the table"):
        rebuild_file(folder / "model.keras", out, codec="svd:3|int8", fold=True)
    padded = conv(tmp_path / "conv.keras", padding="same")
    with pytest.raises(UnsupportedModelError, match="'reading' sees padding"):
        rebuild_file(padded, out, codec="center|svd:3|int8", fold=True)
    with pytest.raises(InputError, match="not for graphs"):
        rebuild_file(folder / "ref.pb", tmp_path / "o.pb", codec="int8", fold=True)
    assert not out.exists()


def functional(path: Path, layers: Callable[[Any], Any]) -> Path:
    ids = keras.Input((7,), dtype="int32")
    keras.Model(ids, keras.layers.Dense(2)(layers(ids))).save(path)
    return path


def test_case_74_models_without_one_embedding_are_refused_and_shared_ones_are_not(
    tmp_path: Path,
) -> None:
    words, tags = (keras.layers.Embedding(50, 6, name=name) for name in ("words", "tags"))
    out = tmp_path / "out.keras"
    none = functional(tmp_path / "none.keras", lambda ids: keras.layers.Dense(3)(ids))
    with pytest.raises(UnsupportedModelError, match=r"needs an Embedding layer, and .* has none"):
        rebuild_file(none, out, codec="int8")
    two = functional(
        tmp_path / "two.keras",
        lambda ids: keras.layers.Flatten()(keras.layers.Add()([words(ids), tags(ids)])),
    )
    with pytest.raises(UnsupportedModelError, match=r"'words', 'tags'|'tags', 'words'"):
        rebuild_file(two, out, codec="int8")
    assert rebuild_file(two, out, codec="int8", layer="tags").layer == "tags"
    np.testing.assert_allclose(answers(out), answers(two), atol=0.05)
    shared = keras.layers.Embedding(50, 6, name="shared")
    twice = functional(
        tmp_path / "twice.keras",
        lambda ids: keras.layers.Flatten()(keras.layers.Concatenate()([shared(ids), shared(ids)])),
    )
    rebuild_file(twice, out, codec="int8")
    np.testing.assert_allclose(answers(out), answers(twice), atol=0.05)


def test_case_75_a_table_of_another_shape_is_refused(folder: Path, tmp_path: Path) -> None:
    for shape in ((49, 6), (50, 5)):
        table = compress(np.ones(shape, np.float32), "int8")
        for name, end in (("model.keras", ".keras"), ("ref.pb", ".pb"), ("saved", "")):
            with pytest.raises(MismatchError, match="50 x 6"):
                rebuild_file(folder / name, tmp_path / f"out{end}", embedding=table)


def graph_file(path: Path, make: Callable[[Any, Any], Any]) -> Path:
    with tf.Graph().as_default() as graph:
        ids = tf.compat.v1.placeholder(tf.int32, [None, 7], name="ids")
        table = tf.constant(np.random.default_rng(0).normal(size=(50, 6)).astype("float32"))
        tf.identity(make(table, ids), name="probs")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_graphs_whose_table_is_not_only_gathered_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.pb"
    tied = graph_file(
        tmp_path / "tied.pb", lambda table, ids: tf.gather(table, ids) @ tf.transpose(table)
    )
    with pytest.raises(UnsupportedModelError, match="reads it too"):
        rebuild_file(tied, out, codec="int8")
    two = graph_file(
        tmp_path / "two.pb",
        lambda table, ids: tf.gather(table, ids) + tf.gather(np.ones((50, 6), "f4"), ids),
    )
    with pytest.raises(UnsupportedModelError, match="several: choose with --layer"):
        rebuild_file(two, out, codec="int8")
    columns = graph_file(tmp_path / "columns.pb", lambda table, ids: tf.gather(table, ids, axis=1))
    with pytest.raises(UnsupportedModelError, match="only look-ups of rows may read"):
        rebuild_file(columns, out, codec="int8")
    assert not out.exists()


def test_a_graph_that_writes_files_is_refused_and_does_not(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    def writing(table: Any, ids: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(str(canary), "x")]):
            return tf.gather(table, ids) + 0.0

    source = graph_file(tmp_path / "writes.pb", writing)
    with pytest.raises(InputError, match="WriteFile"):
        rebuild_file(source, tmp_path / "out.pb", codec="int8")
    assert not canary.exists()


def test_a_checkpoint_without_meta_and_a_tflite_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.meta"):
        rebuild_file(folder / "tf2", tmp_path / "out.pb", codec="int8")
    with pytest.raises(InputError, match="embzip export"):
        rebuild_file(folder / "model.tflite", tmp_path / "out.tflite", codec="int8")


def reconfigured(source: Path, target: Path, old: str, new: str) -> Path:
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "config.json":
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode())
            after.writestr(name, content)
    return target


def test_case_69_hostile_keras_files_are_refused_before_anything_is_made(
    folder: Path, tmp_path: Path
) -> None:
    source, out = folder / "model.keras", tmp_path / "out.keras"
    grown = peak_growth()
    for rows in ("400000000", "50000000000"):
        bomb = reconfigured(
            source, tmp_path / "bomb.keras", '"input_dim": 50', f'"input_dim": {rows}'
        )
        with pytest.raises(InputError, match="do not belong together"):
            rebuild_file(bomb, out, codec="int8")
    assert grown() < 300_000_000  # the smaller bomb is 9.6 GB
    canary = tmp_path / "canary"
    dense = '"module": "keras.layers", "class_name": "Dense"'
    foreign = reconfigured(
        source, tmp_path / "os.keras", dense, '"module": "os", "class_name": "system"'
    )
    with pytest.raises(UnsupportedModelError, match=r"os\.system"):
        rebuild_file(foreign, out, codec="int8")
    marker = str(canary)
    code = keras.layers.Lambda(lambda x: (open(marker, "w").close(), x)[1], name="code")
    keras.Sequential([keras.Input((3,)), code]).save(tmp_path / "lambda.keras")
    canary.unlink(missing_ok=True)
    with pytest.raises(UnsupportedModelError, match=r"'code' is .*Lambda"):
        rebuild_file(tmp_path / "lambda.keras", out, codec="int8")
    assert not canary.exists()
    assert not out.exists()


class Shifted(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    def call(self, inputs: Any) -> Any:
        return inputs + 1


def test_case_69_a_class_nobody_registered_is_refused_by_name(tmp_path: Path) -> None:
    layers = [keras.layers.Embedding(50, 6), Shifted(name="shifted")]
    keras.Sequential([keras.Input((7,), dtype="int32"), *layers]).save(tmp_path / "own.keras")
    with pytest.raises(UnsupportedModelError, match=r"'shifted' is of the class .*Shifted"):
        load_keras(tmp_path / "own.keras")


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_case_71_a_cut_off_file_is_refused(
    folder: Path, name: str, share: float, tmp_path: Path
) -> None:
    content = (folder / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(EmbzipError, match=name):
        rebuild_file(tmp_path / name, tmp_path / "out.keras", codec="int8")


def test_case_69_an_h5_file_whose_attributes_never_end_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A free place of no bytes in the heap of texts: the HDF5 library walks on the spot."""
    monkeypatch.setattr(hdf5_probe, "_SECONDS", 5.0)
    content = bytearray((folder / "model.h5").read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    for call in (
        lambda: slim(path, tmp_path / "out.h5"),
        lambda: slim(path, tmp_path / "out.pb", to="frozen"),
        lambda: rebuild_file(path, tmp_path / "out.keras", codec="int8"),
    ):
        with pytest.raises(InputError, match=r"attributes could not be read|damaged"):
            call()
    assert list(tmp_path.iterdir()) == [path]


def test_a_graph_that_tensorflow_does_not_read_is_refused(folder: Path, tmp_path: Path) -> None:
    graph = tf.compat.v1.GraphDef.FromString((folder / "ref.pb").read_bytes())
    for node in graph.node:
        if node.op == "Conv2D":
            node.attr["data_format"].s = b"NHWA"
    path = tmp_path / "ref.pb"
    path.write_bytes(graph.SerializeToString())
    for out in ("out.pb", "out"):
        with pytest.raises(InputError, match=r"damaged|cannot optimize"):
            rebuild_file(path, tmp_path / out, codec="int8")
    assert list(tmp_path.iterdir()) == [path]


def test_case_70_nothing_is_written_of_a_damaged_checkpoint(folder: Path, tmp_path: Path) -> None:
    """Also where only the optimizer's numbers are, which a rebuilt file does not hold."""
    shutil.copytree(folder / "ref", tmp_path / "ref")
    data = tmp_path / "ref" / "model.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    for place in range(0, len(content), 211):
        content[place] ^= 16
        data.write_bytes(content)
        with pytest.raises(InputError, match="damaged or cut short"):
            rebuild_file(tmp_path / "ref", tmp_path / "out.pb", codec="int8")
        content[place] ^= 16
    assert [path.name for path in tmp_path.iterdir()] == ["ref"]


def test_the_command(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "table.embz"
    embzip.save(compress(np.ones((50, 6), np.float32), "int8"), table)
    first = [str(folder / "ref"), "--codec", "int8", "-o", str(tmp_path / "a.pb")]
    second = [str(folder / "model.keras"), "--embedding", str(table), "--layer", "words"]
    for call in (first, [*second, "-o", str(tmp_path / "b.keras")]):
        with pytest.raises(SystemExit) as end:
            main(["rebuild", *call, "--json"])
        assert end.value.code == 0
        record = json.loads(capfd.readouterr().out)
        assert (record["layer"], record["codec"], record["rows"]) == ("words", "int8", 50)
        assert Path(record["path"]).stat().st_size == record["bytes_after"]
    with pytest.raises(SystemExit) as end:
        main(["rebuild", str(folder / "tf2"), "--codec", "int8", "-o", str(tmp_path / "c.pb")])
    assert end.value.code == 1
    assert "no .meta" in capfd.readouterr().err
