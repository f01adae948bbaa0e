"""Rows read as a codec leaves them while they are trained. Kernels: tests/test_tf_tuning.py."""

import numpy as np
import tensorflow as tf

from embzip.compression import compress
from embzip.tf.quantization import RoundedEmbedding


def test_rows_are_read_as_coded_and_gradients_pass() -> None:
    matrix = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    coded = compress(matrix, "int2").decode()
    layer = RoundedEmbedding(matrix, pad_id=0)
    ids = np.array([[2, 0, 5]], np.int32)
    np.testing.assert_array_equal(layer(ids)[0, 0], matrix[2])
    layer.read_as(coded)
    np.testing.assert_allclose(layer(ids)[0, ::2], coded[[2, 5]], atol=1e-6)
    assert not np.any(layer(ids)[0, 1])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(ids))
    gradient = tf.convert_to_tensor(tape.gradient(total, layer.table.value)).numpy()
    assert gradient.sum(axis=1).tolist() == [0, 0, 4, 0, 0, 4]
    assert [variable.name for variable in layer.trainable_variables] == ["table"]
    layer.table.assign(matrix + 1)  # what is learned moves what is read, until it is coded anew
    np.testing.assert_allclose(layer(ids)[0, 0], coded[2] + 1, atol=1e-6)
