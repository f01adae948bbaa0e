"""Slim graphs predict the same and hold each weight once; operators are timed by name."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from embzip.errors import InputError
from embzip.foreign.graph.flat_graphs import flat_graph
from embzip.foreign.graph.writing import predicted
from embzip.foreign.inspecting import inspect
from embzip.foreign.profiling import profile
from embzip.foreign.slimming import slim

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
IDS = np.random.default_rng(2).integers(0, 50, (5, 7)).astype(np.int32)


def answers(path: Path) -> np.ndarray:
    flat = flat_graph(path)
    signature = flat.signatures["serving_default"]
    return next(iter(predicted(flat, signature, {"ids": IDS}).values()))


@pytest.mark.parametrize("to", ["frozen", "savedmodel"])
@pytest.mark.parametrize("name", ["ref", "res", "ref.pb", "ref_saved", "res_saved", "saved"])
def test_a_slim_graph_predicts_the_same(folder: Path, name: str, to: str, tmp_path: Path) -> None:
    target = tmp_path / ("slim.pb" if to == "frozen" else "slim")
    result = slim(folder / name, target, to=to)
    np.testing.assert_array_equal(answers(target), answers(folder / name))
    if to == "frozen":
        nodes = inspect(target).nodes
        assert nodes.unused == nodes.variable == 0
        assert nodes.total < inspect(folder / name).nodes.total
        assert result.bytes_after < result.bytes_before
    else:
        served = tf.saved_model.load(str(target)).signatures["serving_default"]
        np.testing.assert_array_equal(
            served(ids=tf.constant(IDS))["probs"].numpy(), answers(folder / name)
        )


def test_a_slim_savedmodel_is_hardly_larger_than_its_weights(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            keras.layers.Embedding(5000, 100),
            keras.layers.Conv1D(8, 2),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(3),
        ]
    )
    model.export(tmp_path / "exported", verbose=False)
    payload = sum(weight.value.numpy().nbytes for weight in model.weights)
    copies = [t for t in inspect(tmp_path / "exported").tensors if t.role == "embedding"]
    assert [copy.needed for copy in copies] == [True, False], "the second is of no use"
    slim(tmp_path / "exported", tmp_path / "slim")
    files = [path for path in (tmp_path / "slim").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 1.05 * payload
    served = tf.saved_model.load(str(tmp_path / "slim")).signatures["serving_default"]
    (name,) = served.structured_input_signature[1]
    found = next(iter(served(**{name: tf.constant(IDS)}).values()))
    np.testing.assert_allclose(found.numpy(), np.array(model(IDS)), atol=1e-5)


def test_an_h5_file_keeps_how_its_arrays_are_stored(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes((folder / "model.h5").read_bytes())
    how = {"chunks": (5,), "compression": "gzip", "shuffle": True, "fletcher32": True}
    with h5py.File(path, "a") as file:
        file.create_dataset("extra", data=np.arange(20), maxshape=(None,), **how)
    slim(path, tmp_path / "slim.h5")
    with h5py.File(tmp_path / "slim.h5") as file:
        kept = file["extra"]
        assert {name: getattr(kept, name) for name in how} == how
        assert kept.maxshape == (None,)
        np.testing.assert_array_equal(kept[()], np.arange(20))


def test_an_h5_file_becomes_a_keras_file(folder: Path, tmp_path: Path) -> None:
    slim(folder / "model.h5", tmp_path / "model.keras", to="keras")
    before, after = (
        keras.models.load_model(path, compile=False)
        for path in (folder / "model.h5", tmp_path / "model.keras")
    )
    np.testing.assert_array_equal(np.array(before(IDS)), np.array(after(IDS)))


def test_a_checkpoint_of_a_saved_model_holds_its_variables(folder: Path, tmp_path: Path) -> None:
    slim(folder / "ref_saved", tmp_path / "slim", to="checkpoint")
    source = tf.train.load_checkpoint(str(folder / "ref_saved/variables/variables"))
    slimmed = tf.train.load_checkpoint(str(tmp_path / "slim"))
    assert set(slimmed.get_variable_to_shape_map()) == {"words", "conv", "dense"}
    for name in ("words", "conv", "dense"):
        np.testing.assert_array_equal(source.get_tensor(name), slimmed.get_tensor(name))


def test_weights_that_are_named_like_slots_stay(tmp_path: Path) -> None:
    shapes = {
        "w": (4, 3), "w/Adam": (4, 3), "w/Adam_1": (4, 3), "wide/linear": (9, 1), "wide/v": (2,),
        "attention/m": (5, 5), "deep": (3,), "deep/v": (4,), "iterations_table": (6,),
        "training/gate": (2,), "global_step": (), "beta1_power": (),
    }  # fmt: skip
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "model"),
        tensor_names=list(shapes),
        shape_and_slices=[""] * len(shapes),
        tensors=[tf.ones(shape) for shape in shapes.values()],
    )
    result = slim(tmp_path / "model", tmp_path / "slim")
    assert set(result.dropped) == {"w/Adam", "w/Adam_1", "global_step", "beta1_power"}


def test_outputs_are_chosen_by_name(folder: Path, tmp_path: Path) -> None:
    slim(folder / "ref", tmp_path / "cut.pb", to="frozen", outputs=["MatMul"])
    ops = [node.op for node in graph_pb2.GraphDef.FromString(
        (tmp_path / "cut.pb").read_bytes()).node]  # fmt: skip
    assert "MatMul" in ops
    assert "Softmax" not in ops
    with pytest.raises(InputError, match=r"outputs: .*probs"):
        slim(folder / "saved", tmp_path / "saved", outputs=["nowhere"])
    with pytest.raises(InputError, match="files have no graph"):
        slim(folder / "model.keras", tmp_path / "m.keras", outputs=["probs"])
    with pytest.raises(InputError, match="cannot be slimmed to checkpoint: choose"):
        slim(folder / "model.keras", tmp_path / "m", to="checkpoint")


def test_a_constant_that_says_it_is_huge_is_refused(folder: Path, tmp_path: Path) -> None:
    graph = graph_pb2.GraphDef.FromString((folder / "ref.pb").read_bytes())
    for node in graph.node:
        if node.name == "words":
            tensor = node.attr["value"].tensor
            tensor.tensor_content = b""
            tensor.float_val.append(1.0)
            tensor.tensor_shape.dim[0].size = 2**40
    (tmp_path / "bomb.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(InputError, match="damaged or hostile"):
        slim(tmp_path / "bomb.pb", tmp_path / "out.pb")


@pytest.mark.parametrize("name", ["saved", "ref.pb", "model.tflite"])
def test_every_operator_is_timed_slowest_first(folder: Path, name: str) -> None:
    timed = profile(folder / name, 3)
    times = [each.ms for each in timed.operators]
    assert times == sorted(times, reverse=True)
    assert min(times) >= 0 < timed.total_ms
    kinds = {each.kind for each in timed.operators}
    softmax, gather = ("SOFTMAX", "GATHER") if name == "model.tflite" else ("Softmax", "GatherV2")
    assert {softmax, gather} <= kinds
    if name == "model.tflite":
        assert len(timed.operators) == inspect(folder / name).nodes.total
    assert timed.to_json()["inputs"] == 3


def test_a_damaged_tflite_is_not_timed(folder: Path, tmp_path: Path) -> None:
    """One bit turned at a time: an error of ours, or times."""
    content = (folder / "model.tflite").read_bytes()
    path = tmp_path / "model.tflite"
    told = []
    for place in range(8, len(content), 37):
        flipped = bytearray(content)
        flipped[place] ^= 64
        path.write_bytes(flipped)
        try:
            profile(path, 1)
        except InputError as error:
            told.append(str(error))
    assert len(told) > 5
    assert all(str(path) in each for each in told)


def test_the_name_of_a_frozen_graph_is_free(folder: Path, tmp_path: Path) -> None:
    result = slim(folder / "ref.pb", tmp_path / "graph.frozen")
    assert result.bytes_after == (tmp_path / "graph.frozen").stat().st_size


def test_what_cannot_be_timed_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="profiling needs a graph"):
        profile(folder / "model.keras", 3)
    with pytest.raises(InputError, match="inputs must be at least 1"):
        profile(folder / "saved", 0)
