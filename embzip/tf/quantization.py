"""Fake quantization: kernels rounded to int8 in the forward pass, trained as float32.

A gradient must pass through the rounding, so TensorFlow does it in its graph; a test holds it to
the rounding of `embzip.codecs.rounding`.
"""

from typing import Any

import tensorflow as tf


def fake_quantized(kernel: Any) -> Any:
    """Return a kernel as int8 with a scale an output column makes it; gradients pass through.

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
    # A column of zeros would have an empty range.
    largest = tf.maximum(tf.reduce_max(tf.abs(tf.stop_gradient(flat)), axis=0), 1e-30)
    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        flat, -largest, largest, num_bits=8, narrow_range=True
    )
    return tf.reshape(rounded, tf.shape(kernel))
