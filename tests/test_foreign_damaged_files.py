"""Files of TensorFlow and Keras that are cut off, flipped or crafted: one line, no output left."""

import io
import json
import re
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from embzip.cli import main
from embzip.errors import EmbzipError, InputError
from embzip.foreign import rebuild_file, variables_of
from embzip.foreign.formats import hdf5_probe
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.inspecting import inspect
from embzip.foreign.profiling import profile
from embzip.foreign.slimming import slim
from embzip.tf import from_classifier
from scripts.peaks import peak_growth
from tests.models import tiny_classifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
Capture = pytest.CaptureFixture[str]


def refused(capfd: Capture, out: Path, *arguments: str) -> str:
    """Run a command that must fail with one line, leaving nothing; return the line."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(SystemExit) as end:
        main(list(map(str, arguments)))
    error = capfd.readouterr().err
    assert end.value.code == 1, (arguments, error)
    assert error.startswith("embzip: error: "), error
    assert error.count("\n") == 1, error
    assert sorted(out.parent.rglob("*")) == before
    return error


def cuts(content: bytes, count: int = 30) -> Iterator[bytes]:
    for length in np.linspace(0, len(content) - 1, count).astype(int):
        yield content[:length]


def put(source: Path, target: Path, change: Callable[[bytes], bytes]) -> Path:
    """Copy a .keras file with other weights."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name.endswith(".h5") else content)
    return target


# Case 69


def endless(content: bytes) -> bytes:
    """A free place of no bytes in the heap of texts: the HDF5 library walks on the spot."""
    heap = content.index(b"GCOL")
    return content[: heap + 16] + bytes(16) + content[heap + 32 :]


def typed(content: bytes) -> bytes:
    """With the attribute that Keras reads of a table in bfloat16."""
    file = io.BytesIO(content)
    with h5py.File(file, "a") as opened:
        opened["layers/embedding/vars/0"].attrs["dtype"] = "bfloat16"
    return file.getvalue()


@pytest.mark.parametrize("change", [endless, lambda content: endless(typed(content))])
def test_case_69_a_weights_member_whose_attributes_never_end(
    folder: Path,
    tmp_path: Path,
    change: Callable[[bytes], bytes],
    monkeypatch: pytest.MonkeyPatch,
    capfd: Capture,
) -> None:
    monkeypatch.setattr(hdf5_probe, "_SECONDS", 3.0)
    path = put(folder / "model.keras", tmp_path / "endless.keras", change)
    out = tmp_path / "out.keras"
    for command in (
        ("slim", path, "-o", out),
        ("slim", path, "--to", "frozen", "-o", tmp_path / "out.pb"),
        ("rebuild", path, "--codec", "int8", "-o", out),
    ):
        said = refused(capfd, out, *command)
        assert "endless.keras, model.weights.h5: " in said
        assert "attributes could not be read" in said
    assert inspect(path).total  # which reads none


def grown(content: bytes) -> bytes:
    """With an array of 4 TB of which nothing is stored."""
    file = io.BytesIO(content)
    with h5py.File(file, "a") as opened:
        del opened["layers/embedding/vars/0"]
        opened.create_dataset("layers/embedding/vars/0", (2**40,), "f4", chunks=(1024,))
    return file.getvalue()


def many(content: bytes) -> bytes:
    """With 40 arrays of 60 MB that are a few kilobytes each, under the limit of one."""
    file = io.BytesIO(content)
    with h5py.File(file, "a") as opened:
        for number in range(40):
            name = f"layers/dense_{number}/vars/0"
            made = opened.create_dataset(name, (15_000_000,), "f4", chunks=(2**20,), compression=9)
            made[:10] = 1
    return file.getvalue()


@pytest.mark.parametrize("change", [grown, many])
def test_case_69_shape_bombs_in_bounded_memory(
    folder: Path, tmp_path: Path, change: Callable[[bytes], bytes], capfd: Capture
) -> None:
    path = put(folder / "model.keras", tmp_path / "bomb.keras", change)
    with zipfile.ZipFile(path) as archive:
        (tmp_path / "bomb.h5").write_bytes(archive.read("model.weights.h5"))
    out = tmp_path / "out"
    grown = peak_growth()
    for source in (path, tmp_path / "bomb.h5"):
        for command in (("inspect", source), ("slim", source, "-o", out)):
            assert "damaged or hostile" in refused(capfd, out, *command)
        with pytest.raises(InputError, match="damaged or hostile"):
            variables_of(source)
    said = refused(capfd, out, "rebuild", path, "--codec", "int8", "-o", tmp_path / "out.keras")
    assert "damaged or hostile" in said
    assert grown() < 300_000_000


def test_case_69_a_zip_that_lies_about_its_sizes(
    folder: Path, tmp_path: Path, capfd: Capture
) -> None:
    """300 MB of zeros that say they are 20 kB: no more is unpacked, and the checksum is wrong."""
    path = put(folder / "model.keras", tmp_path / "lie.keras", lambda content: bytes(300 * 2**20))
    content = bytearray(path.read_bytes())
    name = b"model.weights.h5"
    for at, mark, place in (
        (content.index(name), b"PK\x03\x04", 22),  # the member
        (content.rindex(name), b"PK\x01\x02", 24),  # the directory
    ):
        struct.pack_into("<I", content, content.rindex(mark, 0, at) + place, 20_000)
    path.write_bytes(content)
    out = tmp_path / "out.keras"
    grown = peak_growth()
    for command in (
        ("inspect", path),
        ("slim", path, "-o", out),
        ("rebuild", path, "--codec", "int8", "-o", out),
    ):
        assert "lie.keras" in refused(capfd, out, *command)
    assert grown() < 100_000_000


def test_case_69_members_packed_in_other_ways(folder: Path, tmp_path: Path) -> None:
    """Also by methods Keras never uses, whose errors are their own."""
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        path = tmp_path / f"{method}.keras"
        with (
            zipfile.ZipFile(folder / "model.keras") as old,
            zipfile.ZipFile(path, "w", method) as new,
        ):
            for name in old.namelist():
                new.writestr(name, old.read(name))
        content = path.read_bytes()
        for place in range(40, len(content), 61):
            path.write_bytes(content[:place] + bytes([content[place] ^ 32]) + content[place + 1 :])
            try:
                inspect(path)
            except EmbzipError as error:
                assert str(path) in str(error)  # noqa: PT017 - a flip in what nobody reads is fine


def test_case_69_weights_of_a_classifier_with_more_than_keras_reads(
    tmp_path: Path, capfd: Capture
) -> None:
    """What Keras passes over is checked too, before anything is written."""
    template = tiny_classifier()
    template.save(tmp_path / "like.embz")
    path, out = tmp_path / "model.weights.h5", tmp_path / "out.embz"
    from_classifier(template).save_weights(path)
    with h5py.File(path, "a") as file:
        file["zzz"] = h5py.ExternalLink("/etc/hostname", "/")
    like = ("--model", tmp_path / "like.embz")
    said = refused(capfd, out, "rebuild", path, *like, "--codec", "int8", "-o", out)
    assert "zzz is a link" in said


# Case 70


@pytest.mark.parametrize("name", ["ref", "tf2"])
@pytest.mark.parametrize("end", ["index", "data-00000-of-00001", "meta"])
def test_case_70_a_checkpoint_cut_at_30_lengths(
    folder: Path, tmp_path: Path, name: str, end: str, capfd: Capture
) -> None:
    shutil.copytree(folder / name, tmp_path / name)
    found = list((tmp_path / name).glob(f"*.{end}"))
    assert len(found) == (0 if (name, end) == ("tf2", "meta") else 1)
    out = tmp_path / "out"
    prefix = next((tmp_path / name).glob("*.index")).with_suffix("")
    for path in found:
        for content in cuts(path.read_bytes()):
            path.write_bytes(content)
            assert prefix.name in refused(capfd, out, "inspect", prefix)
            assert prefix.name in refused(capfd, out, "slim", prefix, "-o", out)


def test_case_70_the_weights_of_a_classifier_cut_at_30_lengths(
    tmp_path: Path, capfd: Capture
) -> None:
    template = tiny_classifier()
    template.save(tmp_path / "like.embz")
    prefix = tmp_path / "model"
    tf.train.Checkpoint(model=from_classifier(template)).write(str(prefix))
    out = tmp_path / "out.embz"
    for end in ("index", "data-00000-of-00001"):
        path = tmp_path / f"model.{end}"
        whole = path.read_bytes()
        for content in cuts(whole):
            path.write_bytes(content)
            refused(
                capfd, out, "rebuild", prefix, "--model", tmp_path / "like.embz",
                "--codec", "int8", "-o", out,
            )  # fmt: skip
        path.write_bytes(whole)


# Case 71


@pytest.mark.parametrize("name", ["ref.pb", "ref.pbtxt"])
def test_case_71_a_graph_cut_at_30_lengths(
    folder: Path, tmp_path: Path, name: str, capfd: Capture
) -> None:
    """A shorter graph may be a graph: then it says what it lacks, or what is not clear."""
    path, out = tmp_path / name, tmp_path / "out.pb"
    for content in cuts((folder / name).read_bytes().rstrip()):  # a text may lose its last line end
        bare = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", content)  # numbers are strings of any bytes
        if name.endswith("txt") and bare.count(b"{") == bare.count(b"}"):
            continue  # cut between two parts, a text is a whole graph
        path.write_bytes(content)
        for command in (
            ("inspect", path, "--profile", "1"),
            ("slim", path, "-o", out),
            ("rebuild", path, "--codec", "int8", "-o", out),
        ):
            refused(capfd, out, *command)


def test_case_71_a_tflite_cut_at_30_lengths(folder: Path, tmp_path: Path, capfd: Capture) -> None:
    path, out = tmp_path / "model.tflite", tmp_path / "out"
    for content in cuts((folder / "model.tflite").read_bytes()):
        path.write_bytes(content)
        for command in (("inspect", path), ("inspect", path, "--profile", "1")):
            assert "model.tflite" in refused(capfd, out, *command)


def edited(source: Path, target: Path, edit: Callable[[Any], None]) -> Path:
    """Copy a frozen graph with another table."""
    graph = tf.compat.v1.GraphDef.FromString(source.read_bytes())
    edit(next(node for node in graph.node if node.name == "words").attr["value"].tensor)
    target.write_bytes(graph.SerializeToString())
    return target


def shorter(tensor: Any) -> None:
    tensor.tensor_content = tensor.tensor_content[:-1]


def wider(tensor: Any) -> None:
    tensor.tensor_shape.dim[0].size += 1


def listed(tensor: Any) -> None:
    tensor.ClearField("tensor_content")
    tensor.float_val.extend([1.0] * 301)


@pytest.mark.parametrize("edit", [shorter, wider, listed])
def test_case_71_a_table_of_other_values_than_it_says(
    folder: Path, tmp_path: Path, edit: Callable[[Any], None], capfd: Capture
) -> None:
    path, out = edited(folder / "ref.pb", tmp_path / "ref.pb", edit), tmp_path / "out.pb"
    for command in (
        ("inspect", path, "--profile", "1"),
        ("slim", path, "-o", out),
        ("slim", path, "--to", "savedmodel", "-o", tmp_path / "out"),
        ("rebuild", path, "--codec", "int8", "-o", out),
    ):
        assert "'words'" in refused(capfd, out, *command)
    with pytest.raises(InputError, match="'words'"):
        variables_of(path)


def test_a_graph_that_fails_while_it_is_timed(folder: Path, tmp_path: Path) -> None:
    """Rows beyond the table: the shapes fit, and only running shows it."""
    graph = tf.compat.v1.GraphDef.FromString((folder / "ref.pb").read_bytes())
    nodes = {node.name: node for node in graph.node}
    gather = next(node for node in graph.node if node.op in ("Gather", "GatherV2"))
    offset = graph.node.add(name="offset", op="Const")
    offset.attr["dtype"].type = tf.int32.as_datatype_enum
    offset.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.int32(1000)))
    moved = graph.node.add(name="moved", op="AddV2", input=[gather.input[1], "offset"])
    moved.attr["T"].type = tf.int32.as_datatype_enum
    gather.input[1] = "moved"
    assert "ids" in nodes
    path = tmp_path / "ref.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(InputError, match=r"ref\.pb: TensorFlow cannot run this graph"):
        profile(path, 1)


def test_an_input_that_is_huge_is_not_made_up(folder: Path, tmp_path: Path) -> None:
    graph = tf.compat.v1.GraphDef.FromString((folder / "ref.pb").read_bytes())
    node = next(node for node in graph.node if node.name == "ids")
    node.attr["shape"].shape.dim[0].size = 2**40
    path = tmp_path / "ref.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(InputError, match=r"at most 16,777,216 numbers"):
        profile(path, 1)


# Cases 74 and 75


class Subclassed(keras.Model):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.words = keras.layers.Embedding(50, 6, name="words")

    def call(self, inputs: Any) -> Any:
        return keras.ops.max(self.words(inputs), axis=1)


def tied() -> Any:
    ids = keras.Input((7,), dtype="int32")
    table = keras.layers.Embedding(50, 6, name="words")
    hidden = keras.ops.max(table(ids), axis=1)
    return keras.Model(ids, keras.ops.matmul(hidden, keras.ops.transpose(table.embeddings)))


def test_case_74_files_of_subclassed_and_tied_models(tmp_path: Path, capfd: Capture) -> None:
    own = Subclassed()
    own(np.zeros((1, 7), np.int32))
    own.save(tmp_path / "own.keras")
    out = tmp_path / "out.keras"
    for command in (
        ("rebuild", tmp_path / "own.keras", "--codec", "int8", "-o", out),
        ("slim", tmp_path / "own.keras", "--to", "frozen", "-o", tmp_path / "out.pb"),
    ):
        assert "Subclassed" in refused(capfd, out, *command)
    with pytest.raises(EmbzipError, match="Subclassed"):
        load_keras(tmp_path / "own.keras")
    slim(tmp_path / "own.keras", tmp_path / "light.keras")  # which makes no model
    tied().save(tmp_path / "tied.keras")
    said = refused(capfd, out, "rebuild", tmp_path / "tied.keras", "--codec", "int8", "-o", out)
    assert "tied" in said


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("probs_of_nothing:0", "probs_of_nothing"),
        ("StatefulPartitionedCall", "refers to an Operation, not a Tensor"),
        ("StatefulPartitionedCall:7", "only has 1 output"),
    ],
)
@pytest.mark.parametrize("to", ["frozen", "savedmodel"])
def test_an_output_that_is_no_tensor(
    folder: Path, tmp_path: Path, named: str, why: str, to: str
) -> None:
    shutil.copytree(folder / "saved", tmp_path / "saved")
    path = tmp_path / "saved" / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for signature in model.meta_graphs[0].signature_def.values():
        for output in signature.outputs.values():
            output.name = named
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=rf"saved.*{why}"):
        slim(tmp_path / "saved", tmp_path / "out", to=to)
    assert not (tmp_path / "out").exists()


def reshaped(old: Any) -> Any:
    return old[()].reshape(-1)


@pytest.mark.parametrize(
    "new",
    [lambda old: h5py.Empty("f4"), lambda old: "text", reshaped, lambda old: h5py.SoftLink("/no")],
    ids=["nothing", "text", "flat", "link"],
)
@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_an_array_of_keras_that_is_none(
    folder: Path, tmp_path: Path, name: str, new: Callable[[Any], Any]
) -> None:
    """Each reader names the file; nothing is written."""

    def change(content: bytes) -> bytes:
        opened = io.BytesIO(content)
        with h5py.File(opened, "r+") as file:
            names: list[str] = []
            file.visititems(lambda path, item: names.append(path) if is_table(item) else None)
            value = new(file[names[0]])
            del file[names[0]]
            file[names[0]] = value
        return opened.getvalue()

    path = tmp_path / name
    if name.endswith(".h5"):
        path.write_bytes(change((folder / name).read_bytes()))
    else:
        put(folder / name, path, change)
    with pytest.raises(EmbzipError, match=name):
        rebuild_file(path, tmp_path / "out.keras", codec="int8")
    told = []
    for read in (inspect, variables_of, lambda path: slim(path, tmp_path / f"slim{path.suffix}")):
        try:
            read(path)  # an array of another shape is still one
        except EmbzipError as error:
            told.append(str(error))
    assert all(name in each for each in told)


def is_table(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and item.shape == (50, 6)


@pytest.mark.parametrize("key", ["class_name", "module", "registered_name"])
@pytest.mark.parametrize("value", [[], {"a": 1}, 3])
def test_a_class_that_is_not_named_by_text(
    folder: Path, tmp_path: Path, key: str, value: Any
) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(folder / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1][key] = value
                content = json.dumps(config).encode()
            new.writestr(name, content)
    with pytest.raises(InputError, match=r"model\.keras: the configuration names a class by text"):
        slim(path, tmp_path / "out.pb", to="frozen")


@pytest.mark.parametrize("deep", ['{"a":' * 5000 + "1" + "}" * 5000, "[" * 5000 + "]" * 5000])
def test_a_configuration_that_is_nested_too_deep(folder: Path, tmp_path: Path, deep: str) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(folder / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, deep if name == "config.json" else old.read(name))
    for call in (
        lambda: slim(path, tmp_path / "out.pb", to="frozen"),
        lambda: slim(path, tmp_path / "out.keras"),
        lambda: rebuild_file(path, tmp_path / "out.keras", codec="int8"),
    ):
        with pytest.raises(InputError, match=r"model\.keras.*config"):
            call()
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_variable_without_a_type(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "saved", tmp_path / "saved")
    path = tmp_path / "saved" / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for node in model.meta_graphs[0].graph_def.node:
        if node.op == "VarHandleOp":
            node.attr.pop("dtype")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"saved: the variable '\w+' of the graph has no type"):
        slim(tmp_path / "saved", tmp_path / "out.pb", to="frozen")


def test_a_configuration_of_keras_that_keras_stumbles_over(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(folder / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"] = []
                content = json.dumps(config).encode()
            new.writestr(name, content)
    with pytest.raises(EmbzipError, match=r"model\.keras"):
        rebuild_file(path, tmp_path / "out.keras", codec="int8")


def field(tag: int, content: bytes) -> bytes:
    """A protobuf field of bytes: its tag, its length as a varint, its content."""
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([tag]) + size + bytes([length]) + content


def test_messages_that_are_nested_too_deep(tmp_path: Path) -> None:
    inner, key = b"\x18\x01", b"\x0a\x01k"  # an attribute, and the key of one in a function
    for _ in range(3000):
        inner = field(0x52, field(0x12, key + field(0x12, inner)))
    node = b"\x0a\x01a\x12\x05Const" + field(0x2A, key + field(0x12, inner))
    (tmp_path / "deep.pb").write_bytes(field(0x0A, node))
    opening = 'func { name: "f" attr { key: "k" value { ' * 3000
    text = f'node {{ name: "a" attr {{ key: "k" value {{ {opening}i: 1{" } } }" * 3000} }} }} }}'
    (tmp_path / "deep.pbtxt").write_text(text)
    for name in ("deep.pb", "deep.pbtxt"):
        for read in (inspect, variables_of, lambda path: slim(path, tmp_path / "out.pb")):
            with pytest.raises(InputError, match=rf"{name}: expected a GraphDef"):
                read(tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 2
