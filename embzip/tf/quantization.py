"""Fake quantization: kernels are rounded to int8 in the forward pass, and trained as float32.

Gradients must pass through the rounding, so it is done in the TensorFlow graph; a test compares it
with `embzip.codecs.rounding`.
"""

from typing import Any

import tensorflow as tf


def fake_quantized(kernel: Any) -> Any:
    """Return a kernel rounded to int8 with one scale per output column; gradients pass through.

    Parameters
    ----------
    kernel
        (..., outputs) float32.

    References
    ----------
    Jacob et al. 2018, Quantization and training of neural networks for efficient
    integer-arithmetic-only inference.

    Examples
    --------
    >>> fake_quantized(tf.constant([[127.0, 2.0], [3.2, -2.0]])).numpy().tolist()
    [[127.0, 2.0], [3.0, -2.0]]
    """
    flat = tf.reshape(kernel, (-1, tf.shape(kernel)[-1]))
    # A column of zeros would have a scale of 0.
    largest = tf.maximum(tf.reduce_max(tf.abs(tf.stop_gradient(flat)), axis=0), 1e-30)
    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        flat, -largest, largest, num_bits=8, narrow_range=True
    )
    return tf.reshape(rounded, tf.shape(kernel))
