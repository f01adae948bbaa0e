"""Graphs that read texts, loop or branch: hash tables, TensorArrays, functions, later inputs."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from embzip.errors import InputError
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
