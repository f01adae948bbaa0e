"""Rounds in the forward pass as files store it what is trained as float32: kernels, a table's rows.

Gradients must pass through the rounding of kernels, so it is done in the TensorFlow graph; a test
compares it with `embzip.classifier.grids`. A table is encoded beside the graph, by any codec.
"""

from typing import Any

import tensorflow as tf

from embzip.classifier.grids import LARGEST, SMALLEST, divisors, highest
from embzip.classifier.storage import scaled
from embzip.layers.decoding import TrainableEmbedding
from embzip.types import Matrix


def rounded_kernel(kernel: Any, kernels: str) -> Any:
    """Return a kernel rounded with a scale for each output column; gradients pass as they are.

    Parameters
    ----------
    kernel
        (..., outputs) float32, finite. Numbers that a file cannot hold are cut off.
    kernels
        `int8`, `int4` or `int2`: how a file stores it.

    References
    ----------
    Bengio, Leonard, Courville 2013, Estimating or propagating gradients through stochastic neurons
    for conditional computation. Jacob et al. 2018, Quantization and training of neural networks
    for efficient integer-arithmetic-only inference.

    Examples
    --------
    >>> rounded_kernel(tf.constant([[127.0, 2.0], [3.2, -2.0]]), "int8").numpy()[:, 0].tolist()
    [127.0, 3.0]
    >>> rounded_kernel(tf.constant([[1.5], [0.4]]), "int2").numpy().tolist()
    [[1.5], [0.5]]
    """
    bits = scaled(kernels).bits
    rounding = _octets if bits == 8 else _of_least_squares

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def straight_through(numbers: Any) -> Any:
        flat = tf.reshape(numbers, (-1, numbers.shape[-1]))
        return tf.reshape(rounding(flat, bits), tf.shape(numbers)), lambda gradient: gradient

    return straight_through(kernel)


class RoundedEmbedding(TrainableEmbedding):
    """An embedding layer whose trainable rows are read as a codec leaves them.

    What the codec changed in a row, when `read_as` was last called, is added to what is read of it.
    """

    def __init__(self, matrix: Matrix, *, pad_id: int | None, **options: Any) -> None:
        super().__init__(matrix, pad_id=pad_id, **options)
        self.error = self.add_weight(
            shape=matrix.shape, initializer="zeros", trainable=False, name="error"
        )

    def read_as(self, coded: Matrix) -> None:
        """Read the rows as they are now as these, (rows, dim)."""
        self.error.assign(coded - self.table.value)

    def rows_of(self, ids: Any) -> Any:
        return super().rows_of(ids) + tf.gather(self.error.value, ids)


def _octets(flat: Any, bits: int) -> Any:
    wanted = tf.minimum(_largest(flat) / highest(bits), LARGEST)
    scale = tf.cast(wanted, tf.float16)
    below = tf.cast(tf.cast(scale, tf.float32) < wanted, tf.int16)
    # The next larger float16 has the next larger bits.
    raised = tf.bitcast(tf.bitcast(scale, tf.int16) + below, tf.float16)
    step = tf.maximum(tf.cast(raised, tf.float32), SMALLEST)
    return step * tf.clip_by_value(tf.round(flat / step), -highest(bits), highest(bits))


def _of_least_squares(flat: Any, bits: int) -> Any:
    tried = tf.minimum(_largest(flat) / divisors(bits)[:, None, None], LARGEST)
    # In float64, so that the order of a sum decides nothing.
    scales = tf.cast(tf.cast(tried, tf.float16), tf.float64)
    numbers = tf.cast(flat, tf.float64)
    errors = tf.reduce_sum(tf.square(_nearest(numbers, scales, bits) - numbers), axis=1)
    best = tf.argmin(errors, output_type=tf.int32)
    scale = tf.gather(tf.transpose(scales[:, 0]), best, batch_dims=1)
    return tf.cast(_nearest(numbers, scale, bits), tf.float32)


def _nearest(numbers: Any, scale: Any, bits: int) -> Any:
    """Return the nearest levels times their scale."""
    half = 2 ** (bits - 1)
    step = tf.floor(tf.math.divide_no_nan(numbers, scale))
    return scale * (tf.clip_by_value(step, -half, half - 1) + 0.5)


def _largest(flat: Any) -> Any:
    return tf.reduce_max(tf.abs(flat), axis=0)
