"""The arithmetic of decoding in TensorFlow: what the codecs ask of an array library."""

from typing import Any

import numpy as np
import tensorflow as tf

from embzip.codecs.ops import ArrayOps

# Powers of 2 replace shifts: LiteRT and ONNX have no shift of signed numbers and no bitwise AND.
_POWERS = 2 ** np.arange(31, dtype=np.int32)


class KerasOps:
    """The few plain TensorFlow operations that every export can convert.

    keras.ops does not suffice: its `take` adds a comparison for negative ids, and its
    `take_along_axis` and `add` become operations that LiteRT does not have.

    Parameters
    ----------
    largest
        What `largest` returns of numbers that only a running graph knows; None where that is not
        known either.
    """

    def __init__(self, largest: int | None = None) -> None:
        self._largest = largest

    def take(self, array: Any, ids: Any) -> Any:
        array = tf.convert_to_tensor(array)
        if array.dtype == tf.float16:  # LiteRT cannot gather float16, but int16 of the same width
            return tf.bitcast(tf.gather(tf.bitcast(array, tf.int16), ids), tf.float16)
        return tf.gather(array, ids)

    def cast(self, array: Any, dtype: str) -> Any:
        return tf.cast(tf.convert_to_tensor(array), dtype)

    def matmul(self, left: Any, right: Any) -> Any:
        return tf.matmul(left, right)

    def multiply(self, left: Any, right: Any) -> Any:
        return tf.multiply(left, right)

    def add(self, left: Any, right: Any) -> Any:
        return tf.add(left, right)

    def reshape(self, array: Any, shape: tuple[int, ...]) -> Any:
        return tf.reshape(array, shape)

    def concatenate(self, arrays: list[Any], axis: int) -> Any:
        return tf.concat(arrays, axis)

    def columns(self, array: Any, first: int, last: int) -> Any:
        return tf.convert_to_tensor(array)[:, first:last]

    def take_along(self, array: Any, ids: Any) -> Any:
        return tf.gather(array, ids, batch_dims=1)

    def cumsum(self, array: Any) -> Any:
        return tf.cumsum(array, axis=1)

    def right_shift(self, array: Any, bits: Any) -> Any:
        return tf.math.floordiv(array, tf.gather(_POWERS, bits))

    def bitwise_and(self, array: Any, mask: Any) -> Any:
        return tf.math.floormod(array, tf.add(mask, 1))

    def largest(self, array: Any, most: int) -> int:
        known = array if isinstance(array, np.ndarray) else None
        if tf.is_tensor(array):
            known = tf.get_static_value(array)
        if known is not None:
            return int(known.max())
        return most if self._largest is None else self._largest


keras_ops: ArrayOps = KerasOps()
