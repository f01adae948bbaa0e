"""A variable in parts (`words/part_0`, ...) is one tensor of a checkpoint; each part is a slice."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from embzip.errors import InputError
from embzip.foreign import inspect, load_variables, rebuild_file, slim, variables_of
from embzip.foreign.formats.tensor_slices import TensorSlice
from tests.processes import run_tensorflow

IDS = np.arange(50, dtype=np.int32).reshape(5, 10)
NAMES = ["ref", "res", "bare", "ref_saved", "res_saved"]

# 50 rows of 6 in parts of 17, 17 and 16; `bare` is `ref` without the shapes that the graph may
# carry, which alone would show a wrong slice.
TF1 = """
import shutil
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1
found = {}
for name, resource in (("ref", False), ("res", True)):
    with tf.Graph().as_default() as graph:
        v1.set_random_seed(0)
        ids = v1.placeholder(tf.int32, [None, 10], name="ids")
        labels = v1.placeholder(tf.int32, [None], name="labels")
        words = v1.get_variable(
            "words", (50, 6), partitioner=v1.fixed_size_partitioner(3), use_resource=resource
        )
        rows = v1.nn.embedding_lookup(words, ids, partition_strategy="div")
        logits = tf.matmul(tf.reduce_max(rows, 1), v1.get_variable("out", (6, 3)))
        probs = tf.nn.softmax(logits, name="probs")
        loss = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        step = v1.train.AdamOptimizer(0.05).minimize(tf.reduce_mean(loss))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(step, {ids: IDS, labels: [0, 1, 2, 0, 1]})
            v1.train.Saver().save(session, f"{name}/model")
            v1.saved_model.simple_save(session, f"{name}_saved", {"ids": ids}, {"probs": probs})
            found[name] = session.run([probs, tf.concat(list(words), 0)], {ids: IDS})
shutil.copytree("ref", "bare")
meta = v1.MetaGraphDef.FromString(open("bare/model.meta", "rb").read())
for node in meta.graph_def.node:
    node.attr.pop("_output_shapes", None)
open("bare/model.meta", "wb").write(meta.SerializeToString())
"""
# What TensorFlow answers when it restores a slim checkpoint into the graph.
RESTORED = """
import tensorflow as tf
v1 = tf.compat.v1
with tf.Graph().as_default(), v1.Session() as session:
    graph = v1.train.import_meta_graph(meta)
    kept = [v for v in v1.global_variables() if "Adam" not in v.name and "beta" not in v.name]
    v1.train.Saver(kept).restore(session, slim)
    found = session.run("probs:0", {"ids:0": IDS})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parts")
    found = run_tensorflow(TF1, path, IDS=IDS)
    for name, (probs, table) in found.items():
        np.savez(path / f"{name}.npz", probs=probs, table=table)
    return path


def known(folder: Path, name: str) -> Any:
    return np.load(folder / f"{name.partition('_')[0].replace('bare', 'ref')}.npz")


def answers(path: Path) -> Any:
    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(definition, name="")
        return session.run("probs:0", {"ids:0": IDS})


@pytest.mark.parametrize("name", NAMES)
def test_each_part_of_a_frozen_graph_has_its_own_rows(
    folder: Path, name: str, tmp_path: Path
) -> None:
    slim(folder / name, tmp_path / "slim.pb", to="frozen")
    np.testing.assert_array_equal(answers(tmp_path / "slim.pb"), known(folder, name)["probs"])
    parts = variables_of(tmp_path / "slim.pb")
    rows = [array for part, array in sorted(parts.items()) if part.startswith("words/part_")]
    np.testing.assert_array_equal(np.concatenate(rows), known(folder, name)["table"])


@pytest.mark.parametrize("name", NAMES)
def test_one_part_is_rebuilt_and_the_others_stay(folder: Path, name: str, tmp_path: Path) -> None:
    made = rebuild_file(folder / name, tmp_path / "small.pb", codec="float32", layer="words/part_1")
    assert made.embedding.shape == (17, 6)
    np.testing.assert_array_equal(made.embedding.decode(), known(folder, name)["table"][17:34])
    np.testing.assert_array_equal(answers(tmp_path / "small.pb"), known(folder, name)["probs"])


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_table_is_read_and_loaded(folder: Path, name: str) -> None:
    roles = {t.name: t.role for t in inspect(folder / name).tensors}
    assert roles["words"] == "embedding"
    if name in ("ref", "bare", "res"):
        assert roles["words/Adam"] == roles["words/Adam_1"] == "optimizer"
    table = known(folder, name)["table"]
    np.testing.assert_array_equal(variables_of(folder / name)["words"], table)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Embedding(50, 6, name="words")])
    assert load_variables(model, folder / name) == {"words/embeddings": "words"}
    np.testing.assert_array_equal(model.get_weights()[0], table)


@pytest.mark.parametrize("name", ["ref", "res"])
def test_tensorflow_restores_the_parts_of_a_slim_checkpoint(
    folder: Path, name: str, tmp_path: Path
) -> None:
    result = slim(folder / name, tmp_path / "slim")
    assert {"words/Adam", "words/Adam_1", "beta1_power"} <= set(result.dropped)
    meta = str(folder / name / "model.meta")
    found = run_tensorflow(RESTORED, tmp_path, meta=meta, slim=str(tmp_path / "slim"), IDS=IDS)
    np.testing.assert_array_equal(found, known(folder, name)["probs"])


def test_a_graph_of_other_parts_than_the_checkpoint_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    for end in ("index", "data-00000-of-00001"):
        (tmp_path / f"model.{end}").write_bytes((folder / "bare" / f"model.{end}").read_bytes())
    meta = meta_graph_pb2.MetaGraphDef.FromString((folder / "bare/model.meta").read_bytes())
    for old, new, why in (
        (b"50 6 0,17:0,6", b"50 6 0,16:0,6", r"'words/part_0' .*\(17, 6\).*\(16, 6\)"),
        (b"50 6 0,17:0,6", b"50 6 40,17:0,6", r"'50 6 40,17:0,6' of 'words'.*\(50, 6\)"),
        (b"50 6 0,17:0,6", b"51 6 0,17:0,6", r"'51 6 0,17:0,6' of 'words'.*\(50, 6\)"),
        (b"50 6 0,17:0,6", b"fifty 6 0:6", "'fifty 6 0:6' of 'words', which is none"),
        (b"50 6 0,17:0,6", b"", r"'words/part_0' .*\(17, 6\).*\(50, 6\)"),
    ):
        edited = meta_graph_pb2.MetaGraphDef.FromString(meta.SerializeToString())
        for node in edited.graph_def.node:
            texts = node.attr["value"].tensor.string_val
            texts[:] = [new if text == old else text for text in texts]
        (tmp_path / "model.meta").write_bytes(edited.SerializeToString())
        with pytest.raises(InputError, match=why):
            slim(tmp_path, tmp_path / "slim.pb", to="frozen")


def test_the_shape_of_a_slice() -> None:
    assert TensorSlice("words").shape((2, 3)) == (2, 3)
    assert TensorSlice("words", "4 3 1,2:-").shape((4, 3)) == (2, 3)
