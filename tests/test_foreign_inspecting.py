"""TensorFlow's own files: where the bytes are, and the same files without training state."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from embzip.cli import main
from embzip.errors import EmbzipError, InputError, MissingFileError
from embzip.foreign.formats.checkpoints import read_meta
from embzip.foreign.formats.variable_slices import checkpoint_slices
from embzip.foreign.graph.freezing import freeze
from embzip.foreign.graph.lazy_constants import with_constants
from embzip.foreign.inspecting import inspect
from embzip.foreign.slimming import slim
from tests.models import tiny_classifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def size_on_disk(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("ref", 2 * (1200 + 240 + 60) + 8),
        ("res", 2 * (1200 + 240 + 60) + 8),
        ("ref.pb", 0),
        ("res.pb", 0),
        ("ref_saved", 2 * (1200 + 240 + 60) + 8),
        ("res_saved", 2 * (1200 + 240 + 60) + 8),
        ("saved", 0),
        ("model.tflite", 0),
        ("model.keras", 2 * (1200 + 72 + 12) + 12),
        ("model.h5", 2 * (1200 + 72 + 12) + 12),
        ("tf2", 2 * (1200 + 72 + 12) + 12 + 8),  # and its save_counter
    ],
)
def test_every_byte_is_attributed(folder: Path, name: str, optimizer: int) -> None:
    record = inspect(folder / name).to_json()
    parts = dict(record["bytes"])
    total = parts.pop("total")
    assert total == size_on_disk(folder / name)
    assert sum(parts.values()) == total
    assert min(parts.values()) >= 0
    assert 1200 <= parts["embedding"] <= 1224  # a constant has its shape and type around it
    assert parts["optimizer"] == optimizer
    assert record["slim_bytes"] < total
    assert sum(t["role"] == "embedding" for t in record["tensors"]) == 1


PARTS = ("embedding", "other_variables", "optimizer", "graph_constants", "vocabulary")
NODES = {"total", "const", "variable", "identity", "quantization", "unused"}


@pytest.mark.parametrize(
    "name",
    ["ref", "tf2", "ref_saved", "saved", "ref.pb", "ref.pbtxt", "model.keras", "model.h5",
     "model.tflite", "model.embz"],
)  # fmt: skip
def test_every_kind_of_file_has_the_same_record(
    folder: Path, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny_classifier("int8").save(tmp_path / "model.embz")
    path = tmp_path / name if name == "model.embz" else folder / name
    with pytest.raises(SystemExit):
        main(["inspect", str(path), "--json"])
    record = json.loads(capfd.readouterr().out)
    assert set(record["bytes"]) == {*PARTS, "header", "total"}
    assert set(record["nodes"]) == NODES
    assert {"name", "role", "dtype", "shape", "bytes", "share"} <= record["tensors"][0].keys()
    for part in PARTS:
        stored = sum(t["bytes"] for t in record["tensors"] if t["role"] == part)
        assert record["bytes"][part] == stored
    assert 0 < record["slim_bytes"] < record["bytes"]["total"]


@pytest.mark.parametrize(
    ("name", "end"),
    [("ref", ""), ("res", ""), ("tf2", ""), ("model.keras", ".keras"), ("model.h5", ".h5"),
     ("ref.pb", ".pb"), ("res.pb", ".pb"), ("ref.pbtxt", ".pb"), ("ref_saved", ""),
     ("res_saved", ""), ("saved", "")],
)  # fmt: skip
def test_slim_bytes_are_what_slimming_leaves(
    folder: Path, name: str, end: str, tmp_path: Path
) -> None:
    """Tensors within the few bytes around a constant; the rest of a small file is its header."""
    promised = inspect(folder / name).slim_bytes
    result = slim(folder / name, tmp_path / f"slim{end}")
    left = inspect(tmp_path / f"slim{end}")
    assert left.total == result.bytes_after
    assert left.slim_bytes == pytest.approx(promised, abs=40)
    constants = left.to_json()["bytes"]["graph_constants"]
    assert promised <= left.total - constants
    assert left.total - left.slim_bytes < 18_000  # settings, names and signatures


def test_text_and_binary_graphs_say_the_same(folder: Path) -> None:
    binary, text = (inspect(folder / f"ref.{end}").to_json() for end in ("pb", "pbtxt"))
    assert text["nodes"] == binary["nodes"]
    assert [(t["name"], t["role"]) for t in text["tensors"]] == [
        (t["name"], t["role"]) for t in binary["tensors"]
    ]
    assert sum(text["bytes"].values()) == 2 * (folder / "ref.pbtxt").stat().st_size


def test_the_initial_table_in_the_meta_graph_is_seen(folder: Path) -> None:
    tensors = inspect(folder / "ref").to_json()["tensors"]
    copies = [t["role"] for t in tensors if t["shape"] == [50, 6] and t["bytes"] >= 1200]
    assert sorted(copies) == ["embedding", "graph_constants", "optimizer", "optimizer"]
    assert inspect(folder / "ref").nodes.unused > 0


@pytest.mark.parametrize("name", ["ref", "res", "tf2"])
def test_a_slim_checkpoint_holds_the_same_weights(folder: Path, name: str, tmp_path: Path) -> None:
    result = slim(folder / name, tmp_path / "slim")
    before = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder / name)))
    after = tf.train.load_checkpoint(str(tmp_path / "slim"))
    kept = set(after.get_variable_to_shape_map())
    assert kept == set(before.get_variable_to_shape_map()) - set(result.dropped)
    for key in kept - {"_CHECKPOINTABLE_OBJECT_GRAPH"}:
        np.testing.assert_array_equal(after.get_tensor(key), before.get_tensor(key))
    assert inspect(tmp_path / "slim").slim_bytes == inspect(folder / name).slim_bytes
    assert inspect(tmp_path / "slim").to_json()["bytes"]["optimizer"] == 0
    assert result.bytes_after < result.bytes_before


@pytest.mark.parametrize("name", ["ref", "res"])
def test_a_checkpoint_is_frozen_as_tensorflow_freezes_it(
    folder: Path, name: str, tmp_path: Path
) -> None:
    target = tmp_path / "frozen.pb"
    slim(folder / name, target, to="frozen")
    ids = np.random.default_rng(2).integers(0, 50, (5, 7))
    results = []
    for path in (target, folder / f"{name}.pb"):
        graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        with tf.Graph().as_default() as scope, tf.compat.v1.Session(graph=scope) as session:
            tf.import_graph_def(graph, name="")
            results.append(session.run("probs:0", {"ids:0": ids}))
    np.testing.assert_array_equal(*results)
    record = inspect(target)
    assert record.nodes.variable == record.nodes.unused == 0
    with pytest.raises(InputError, match="has no node"):
        slim(folder / name, target, to="frozen", outputs=["nowhere"])


class Large:
    """A checkpoint in which every tensor has 4 GB, and none may be read."""

    SHAPE = (2**20, 2**10)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.SHAPE

    def tensor(self, name: str, slice: str = "") -> Any:
        raise AssertionError(name)


def test_a_frozen_graph_above_two_gigabytes_is_refused_before_a_value_is_read(
    folder: Path,
) -> None:
    meta = read_meta(folder / "ref" / "model")
    for node in meta.graph_def.node:
        if node.op == "VariableV2":
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(Large.SHAPE).as_proto())
    slices = checkpoint_slices(meta.graph_def)
    graph, lazy = freeze(meta.graph_def, Large(), ["probs"], slices)
    assert set(lazy) == {"words", "conv", "dense"}
    with pytest.raises(InputError, match=r"2 GB.*12,884,9\d\d,\d+ bytes.*--to checkpoint"):
        with_constants(graph, lazy)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_slim_keras_file_predicts_the_same(folder: Path, name: str, tmp_path: Path) -> None:
    target = tmp_path / name
    slim(folder / name, target)
    ids = np.random.default_rng(2).integers(0, 50, (5, 7)).astype(np.int32)
    before, after = (keras.models.load_model(p, compile=False) for p in (folder / name, target))
    np.testing.assert_array_equal(np.array(before(ids)), np.array(after(ids)))
    assert inspect(target).to_json()["bytes"]["optimizer"] == 0
    assert target.stat().st_size < (folder / name).stat().st_size


def test_a_slim_tf2_checkpoint_restores_into_the_model(folder: Path, tmp_path: Path) -> None:
    slim(folder / "tf2", tmp_path / "slim")
    expected = keras.models.load_model(folder / "model.keras", compile=False)
    model = keras.models.clone_model(expected)
    tf.train.Checkpoint(model=model).restore(str(tmp_path / "slim")).expect_partial()
    for old, new in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", ["ref.pb", "model.tflite", "model.h5", "model.keras"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_case_71_a_file_that_is_cut_off_is_refused(
    folder: Path, name: str, share: float, tmp_path: Path
) -> None:
    content = (folder / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(EmbzipError, match=name):
        inspect(tmp_path / name)


def copied(folder: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    shutil.copytree(folder / "ref", tmp_path / "ref")
    return tuple(
        tmp_path / "ref" / f"model.{end}" for end in ("data-00000-of-00001", "index", "meta")
    )  # type: ignore[return-value]


def test_case_70_a_checkpoint_with_a_file_missing_or_short_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    data, index, meta = copied(folder, tmp_path)
    for path in (data, index):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(MissingFileError):
            inspect(tmp_path / "ref" / "model")
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(EmbzipError):
            inspect(tmp_path / "ref")
        path.write_bytes(content)
    meta.write_bytes(meta.read_bytes()[:-9])
    with pytest.raises(EmbzipError, match=r"model\.meta"):
        inspect(tmp_path / "ref")


def test_case_70_a_flipped_bit_of_a_checkpoint_is_refused(folder: Path, tmp_path: Path) -> None:
    data, _, _ = copied(folder, tmp_path)
    content = data.read_bytes()
    for place in range(0, len(content), 397):
        flipped = bytearray(content)
        flipped[place] ^= 4
        data.write_bytes(bytes(flipped))
        with pytest.raises(EmbzipError, match="damaged or cut short"):
            inspect(tmp_path / "ref")


def rewritten(source: Path, target: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, members.pop(name.partition(".")[0], old.read(name)))
        for name, content in members.items():
            new.writestr(name, content)
    return target


def test_case_69_zip_bombs_and_strange_members_are_refused(folder: Path, tmp_path: Path) -> None:
    source = folder / "model.keras"
    bomb = rewritten(source, tmp_path / "bomb.keras", config=bytes(65 * 2**20))
    with pytest.raises(EmbzipError, match="would unpack to"):
        inspect(bomb)
    strange = rewritten(source, tmp_path / "strange.keras", code=b"import os")
    with pytest.raises(EmbzipError, match="unexpected"):
        inspect(strange)


def test_case_69_a_shape_bomb_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("layers/embedding/vars/0", (2**40,), "f4", chunks=(1024,))
    with pytest.raises(EmbzipError, match="damaged or hostile"):
        inspect(tmp_path / "bomb.h5")


def test_case_69_looking_and_slimming_run_no_code_of_the_file(folder: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    marker = str(canary)
    code = keras.layers.Lambda(lambda x: (open(marker, "w").close(), x)[1])
    keras.Sequential([keras.Input((3,)), code]).save(tmp_path / "lambda.keras")
    canary.unlink(missing_ok=True)
    inspect(tmp_path / "lambda.keras")
    slim(tmp_path / "lambda.keras", tmp_path / "slim.keras")
    assert not canary.exists()


def test_the_commands(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["inspect", str(folder / "ref"), "--json"])
    assert end.value.code == 0
    assert json.loads(capfd.readouterr().out)["bytes"]["embedding"] == 1200
    target = tmp_path / "slim.keras"
    with pytest.raises(SystemExit) as end:
        main(["slim", str(folder / "model.keras"), "-o", str(target)])
    assert end.value.code == 0
    assert str(target) in capfd.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["slim", str(folder / "model.tflite"), "-o", str(target)])
    assert end.value.code == 1
    assert "contains only what inference needs" in capfd.readouterr().err
