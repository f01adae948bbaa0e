"""Graphs that read texts, loop or branch: hash tables, TensorArrays, functions, later inputs."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session as c_api

from embzip.errors import InputError
from embzip.foreign.graph.allowed_ops import check_ops, computes
from embzip.foreign.graph.flat_graphs import flat_graph
from embzip.foreign.rebuilding import rebuild_file
from embzip.foreign.slimming import slim
from tests.processes import run_tensorflow

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore:In the future `np.object`:FutureWarning",
)
WORDS = [f"w{index}" for index in range(38)]
RNG = np.random.default_rng(0)
TEXTS = tf.constant([[" ".join(RNG.choice([*WORDS, "unknown"], 5))] for _ in range(6)])
TABLE = RNG.normal(size=(40, 6)).astype(np.float32)

# In TF1 a loop is nodes of the graph, and hash tables and variables are references.
TF1 = """
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1
v1.disable_control_flow_v2()
v1.disable_resource_variables()
with tf.Graph().as_default() as graph, v1.Session() as session:
    ids = v1.placeholder(tf.int64, [None, 7], name="ids")
    rng = np.random.default_rng(0)
    keys = np.arange(50)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, rng.permutation(50)), 3
    )
    words = v1.get_variable("words", initializer=rng.normal(size=(50, 6)).astype("float32"))
    rows = tf.nn.embedding_lookup(words, table.lookup(ids))
    kernel = v1.get_variable("kernel", initializer=rng.normal(size=(11, 5)).astype("float32"))
    steps = tf.TensorArray(tf.float32, 7).unstack(tf.transpose(rows, [1, 0, 2]))
    step = lambda i, h: (i + 1, tf.tanh(tf.concat([steps.read(i), h], 1) @ kernel))
    state = tf.zeros([tf.shape(ids)[0], 5])
    shapes = [tf.TensorShape([]), tf.TensorShape([None, 5])]
    probs = tf.while_loop(lambda i, h: i < 7, step, [0, state], shapes)[1]
    probs = tf.nn.softmax(probs, name="probs")
    tf.as_string(tf.argmax(probs, 1), name="label")
    session.run([v1.global_variables_initializer(), v1.tables_initializer()])
    v1.train.Saver().save(session, "loop/model")
    init = v1.tables_initializer()
    v1.saved_model.simple_save(
        session, "loop_saved", {"ids": ids}, {"probs": probs}, legacy_init_op=init
    )
    found = session.run(probs, {ids: np.arange(14).reshape(2, 7)})
    frozen = v1.graph_util.convert_variables_to_constants(
        session, graph.as_graph_def(), ["probs"]
    )
    open("loop.pb", "wb").write(frozen.SerializeToString())
"""


class FromAsset(tf.Module):  # type: ignore[misc]  # TensorFlow carries no types
    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        self.rows = tf.Variable(TABLE)
        self.table = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            2,
        )  # fmt: skip

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.string, name="texts")])
    def serve(self, texts: Any) -> Any:
        words = tf.strings.split(texts[:, 0]).to_tensor("w0", shape=(None, 5))
        return {"sums": tf.reduce_sum(tf.gather(self.rows, self.table.lookup(words)), 1)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text_graphs")
    (path / "words.txt").write_text("\n".join(WORDS) + "\n")
    from_asset = FromAsset(path / "words.txt")
    tf.saved_model.save(from_asset, str(path / "asset"), signatures=from_asset.serve)
    (path / "words.txt").unlink()
    split = keras.layers.TextVectorization(max_tokens=40, output_sequence_length=5)
    split.adapt([" ".join(WORDS)])
    words = keras.layers.Embedding(40, 6, mask_zero=True, name="words")
    recurrent = keras.layers.Bidirectional(keras.layers.LSTM(3))
    model = keras.Sequential(
        [keras.Input((1,), dtype="string"), split, words, recurrent, keras.layers.Dense(3)]
    )
    words.set_weights([TABLE])
    model.save(path / "text.keras")
    model.export(str(path / "text"), verbose=False)
    np.save(path / "answers.npy", model(TEXTS))
    return path


def answer(path: Path, inputs: Any) -> np.ndarray:
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    (name,) = served.structured_input_signature[1]
    (found,) = served(**{name: inputs}).values()
    return np.array(found)


@pytest.mark.parametrize("source", ["text.keras", "text"])
def test_a_model_of_texts_stays_one(folder: Path, tmp_path: Path, source: str) -> None:
    expected = np.load(folder / "answers.npy")
    slim(folder / source, tmp_path / "slim", to="savedmodel")
    np.testing.assert_allclose(answer(tmp_path / "slim", TEXTS), expected, atol=1e-6)
    rebuild_file(tmp_path / "slim", tmp_path / "small", codec="float32")
    np.testing.assert_allclose(answer(tmp_path / "small", TEXTS), expected, atol=1e-6)


def test_a_vocabulary_among_the_assets_goes_along(folder: Path, tmp_path: Path) -> None:
    expected = answer(folder / "asset", TEXTS)
    rebuild_file(folder / "asset", tmp_path / "small", codec="float32")
    np.testing.assert_allclose(answer(tmp_path / "small", TEXTS), expected, atol=1e-6)
    for asset in (folder / "asset" / "assets").iterdir():
        assert asset.name == "words.txt"


def test_a_frozen_graph_has_no_tables_and_is_cut_behind_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no hash tables.*--input"):
        slim(folder / "asset", tmp_path / "slim.pb", to="frozen")
    flat = flat_graph(folder / "asset")
    (gather,) = (node for node in flat.graph.node if node.op == "GatherV2")
    slim(folder / "asset", tmp_path / "slim", inputs=[gather.input[1]])
    ids = RNG.integers(0, 40, (3, 5))
    found = answer(tmp_path / "slim", tf.constant(ids))
    np.testing.assert_allclose(found, TABLE[ids].sum(1), atol=1e-6)
    rebuild_file(folder / "asset", tmp_path / "small.pb", codec="int8", inputs=[gather.input[1]])
    with pytest.raises(InputError, match=r"no node 'gahter'.*near"):
        slim(folder / "asset", tmp_path / "not", inputs=["gahter"])
    assert not (tmp_path / "slim.pb").exists()


def test_loops_and_tables_of_tf1(tmp_path: Path) -> None:
    expected = run_tensorflow(TF1, tmp_path)
    ids = tf.constant(np.arange(14).reshape(2, 7))
    # The label is text, so that the probabilities are the only output to choose.
    for number, source in enumerate(("loop", "loop_saved")):
        rebuild_file(tmp_path / source, tmp_path / f"out{number}", codec="float32")
        np.testing.assert_allclose(answer(tmp_path / f"out{number}", ids), expected, atol=1e-6)
    with pytest.raises(InputError, match="'hash_table' is empty"):
        slim(tmp_path / "loop.pb", tmp_path / "out.pb", outputs=["probs"])


# As an Estimator exports a classifier: signatures that share an input and differ in their outputs,
# two of them one computation; a table of labels that is filled from numbers in a row.
ESTIMATOR = """
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1
with tf.Graph().as_default(), v1.Session() as session:
    texts = v1.placeholder(tf.string, [None], name="Placeholder")
    words = tf.constant(WORDS)
    known = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(words, tf.range(len(WORDS), dtype=tf.int64)), -1
    )
    split = tf.strings.split(texts).to_tensor("w0", shape=(None, 5))
    table = v1.get_variable("words", initializer=TABLE)
    logits = tf.reduce_sum(tf.gather(table, known.lookup(split) + 1), axis=1)
    probabilities = tf.nn.softmax(logits)
    labels = tf.constant(["a", "b", "c", "d", "e", "f"])
    named = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.range(6, dtype=tf.int64), labels), "unknown"
    )
    classes = named.lookup(tf.argmax(logits, axis=1))
    session.run([v1.global_variables_initializer(), v1.tables_initializer()])
    info = v1.saved_model.build_tensor_info
    define = v1.saved_model.build_signature_def
    few = {"classes": info(classes), "scores": info(probabilities)}
    whole = {**few, "logits": info(logits)}
    builder = v1.saved_model.Builder("estimator")
    builder.add_meta_graph_and_variables(
        session,
        ["serve"],
        {
            "serving_default": define({"inputs": info(texts)}, few),
            "classification": define({"inputs": info(texts)}, few),
            "predict": define({"content": info(texts)}, whole),
        },
        main_op=v1.tables_initializer(),
    )
    builder.save()
    found = session.run([probabilities, classes, logits], {texts: TEXTS})
"""


def test_signatures_that_share_an_input_share_what_decodes(tmp_path: Path) -> None:
    texts = [each.decode() for each in TEXTS.numpy()[:, 0]]
    told = run_tensorflow(ESTIMATOR, tmp_path, WORDS=WORDS, TABLE=TABLE, TEXTS=texts)
    rebuild_file(tmp_path / "estimator", tmp_path / "small", codec="float32")
    rebuild_file(tmp_path / "small", tmp_path / "again", codec="int8")
    rebuild_file(tmp_path / "estimator", tmp_path / "coded", codec="svd|tcq:2")
    for name, atol in (("small", 1e-6), ("again", 0.2), ("coded", 6.0)):
        served = tf.saved_model.load(str(tmp_path / name)).signatures
        assert set(served) == {"serving_default", "classification", "predict"}
        for key, given in (("serving_default", "inputs"), ("classification", "inputs"),
                           ("predict", "content")):  # fmt: skip
            found = served[key](**{given: tf.constant(texts)})
            assert set(found) == {"classes", "scores", *(["logits"] if key == "predict" else [])}
            np.testing.assert_allclose(found["scores"], told[0], atol=min(atol, 1))
            if name == "small":
                np.testing.assert_array_equal(found["classes"], told[1])
        np.testing.assert_allclose(served["predict"](content=tf.constant(texts))["logits"],
                                   told[2], atol=atol)  # fmt: skip
    # The nodes of one function, and not of one for each signature.
    stored = saved_model_pb2.SavedModel.FromString((tmp_path / "coded/saved_model.pb").read_bytes())
    functions = stored.meta_graphs[0].graph_def.library.function
    decoding = [f for f in functions if sum("compressed" in n.name for n in f.node_def) > 20]
    assert len(decoding) == 1


@pytest.mark.parametrize(
    ("op", "why"),
    [
        ("PyFunc", "touches files or Python"),
        ("EagerPyFunc", "touches files or Python"),
        ("WriteFile", "touches files or Python"),
        ("ReadFile", "touches files or Python"),
        ("SaveV2", "touches files or Python"),
        ("QueueDequeueV2", "keeps state, and is not known to embzip"),
        ("IteratorGetNext", "keeps state, and is not known to embzip"),
        ("NotAnOpOfTensorFlow", "TensorFlow does not know"),
    ],
)
def test_an_operator_is_refused_by_node_kind_reason_and_way_out(op: str, why: str) -> None:
    graph = tf.compat.v1.GraphDef()
    for name, kind in (("fine", "Identity"), ("the/node", op)):
        graph.node.add(name=name, op=kind)
    with pytest.raises(InputError, match=f"'the/node' is a {op}, which {why}.*--output.*--input"):
        check_ops(graph.node, (), Path("model.pb"))


def test_every_operator_of_tensorflow_is_on_the_one_list_or_refused() -> None:
    """Those that TensorFlow calls stateful are allowed by name only; no name allows files."""
    known = op_def_pb2.OpList.FromString(c_api.TF_GetBuffer(c_api.TF_GetAllOpList()))
    stateful = {each.name for each in known.op if each.is_stateful}
    assert len(stateful) > 100
    allowed = {name for name in stateful if computes(name)}
    assert {"ResourceGather", "VarHandleOp", "While", "TensorArrayV3"} <= allowed
    files = ("File", "Save", "Restore", "PyFunc", "Reader", "Dataset", "Iterator", "Queue", "Send")
    assert [name for name in allowed if any(word in name for word in files)] == []
    assert not any(
        computes(name) for name in ("PyFunc", "PyFuncStateless", "ReadFile", "WriteFile")
    )
    assert computes("MatMul")


def test_what_touches_python_or_is_unknown_is_refused_by_its_name(tmp_path: Path) -> None:
    graphs = {}
    with tf.Graph().as_default() as scope:
        ids = tf.compat.v1.placeholder(tf.float32, [None], name="ids")
        tf.identity(tf.numpy_function(lambda x: x, [ids], tf.float32), name="python")
        queue = tf.queue.FIFOQueue(3, tf.float32)
        tf.identity(queue.dequeue() + ids, name="queued")
        graphs = scope.as_graph_def()
    (tmp_path / "graph.pb").write_bytes(graphs.SerializeToString())
    for output, why in (("python", "PyFunc, which touches files or Python"),
                        ("queued", "keeps state, and is not known")):  # fmt: skip
        with pytest.raises(InputError, match=why):
            slim(tmp_path / "graph.pb", tmp_path / "out.pb", outputs=[output])
