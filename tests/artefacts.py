"""Files of TensorFlow and Keras, each by its own writer, for tests that read them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.processes import run_tensorflow

# TF1's global state stays in a child. Tables of 50 x 6: 1,200 bytes.
TF1 = """
import sys
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1
for name, resource in (("ref", False), ("res", True)):
    with tf.Graph().as_default() as graph:
        rng = np.random.default_rng(0)
        ids = v1.placeholder(tf.int32, [None, 7], name="ids")
        labels = v1.placeholder(tf.int32, [None], name="labels")
        table = tf.constant(rng.normal(size=(50, 6)).astype("float32"))
        words = v1.get_variable("words", initializer=table, use_resource=resource)
        rows = tf.nn.embedding_lookup(words, ids)
        kernel = v1.get_variable("conv", (2, 6, 5), use_resource=resource)
        features = tf.reduce_max(tf.nn.relu(tf.nn.conv1d(rows, kernel, 1, "VALID")), axis=1)
        dense = v1.get_variable("dense", (5, 3), use_resource=resource)
        logits = tf.matmul(features, dense)
        tf.nn.softmax(logits, name="probs")
        loss = tf.reduce_mean(
            v1.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        )
        train = v1.train.AdamOptimizer(0.01).minimize(loss)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(train, {ids: rng.integers(0, 50, (8, 7)), labels: [0, 1, 2, 0, 1, 2, 0, 1]})
            v1.train.Saver().save(session, f"{name}/model")
            frozen = v1.graph_util.convert_variables_to_constants(
                session, graph.as_graph_def(), ["probs"]
            )
            open(f"{name}.pb", "wb").write(frozen.SerializeToString())
            tf.io.write_graph(frozen, ".", f"{name}.pbtxt")
            v1.saved_model.simple_save(session, f"{name}_saved", {"ids": ids},
                {"probs": graph.get_tensor_by_name("probs:0")})
"""


class Served(tf.Module):  # type: ignore[misc]  # TensorFlow carries no types
    def __init__(self, rows: Any, head: Any) -> None:
        super().__init__()
        self.rows = tf.Variable(rows)
        self.head = tf.Variable(head)

    @tf.function(input_signature=[tf.TensorSpec([None, 7], tf.int32, name="ids")])
    def serve(self, ids: Any) -> Any:
        return {"probs": tf.nn.softmax(tf.reduce_max(tf.gather(self.rows, ids), 1) @ self.head)}


def write_artefacts(path: Path) -> None:
    """Write a file of every writer, each with a 50 x 6 table; Keras' was trained with Adam."""
    run_tensorflow(TF1, path)
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            keras.layers.Embedding(50, 6, name="words"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(3),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(np.ones((8, 7), np.int32), np.zeros(8, np.int32))
    model.save(path / "model.keras")
    keras.src.legacy.saving.legacy_h5_format.save_model_to_hdf5(model, str(path / "model.h5"))
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(path / "tf2" / "model"))
    rng = np.random.default_rng(1)
    served = Served(*(rng.normal(size=s).astype(np.float32) for s in ((50, 6), (6, 3))))
    tf.saved_model.save(served, str(path / "saved"), signatures=served.serve)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(path / "saved"))
    (path / "model.tflite").write_bytes(converter.convert())
