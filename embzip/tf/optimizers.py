"""An Adam that updates only the rows of a table that a batch has read.

Keras' own Adam updates the moments of every row at every step, which makes a large trainable table
slow. Training times of compressed tables are therefore compared with this optimizer as well.
"""

from typing import Any

import keras
import tensorflow as tf


class RowSparseAdam(keras.optimizers.Adam):  # type: ignore[misc]  # Keras carries no types
    """Adam with row-sparse updates of embedding tables; no library ships one for Keras 3.

    If a gradient covers only some rows, only these rows and their moments are updated. Unlike in
    dense Adam, moments do not decay while a row is not read, and a row does not keep moving after
    it was read. For all other gradients it is Keras' Adam.

    References
    ----------
    Kingma and Ba 2015, Adam; the row-sparse variant is known as LazyAdam.

    Examples
    --------
    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(9, 4)])
    >>> model.compile(RowSparseAdam(0.1), "mse")
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Apply the gradient of one variable; row-sparse for `tf.IndexedSlices`."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        rows, place = tf.unique(gradient.indices)
        summed = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))
        index = self._get_variable_index(variable)
        first, second = self._momentums[index].value, self._velocities[index].value
        step = tf.cast(self.iterations + 1, summed.dtype)
        rate = tf.cast(learning_rate, summed.dtype)
        rate *= tf.sqrt(1.0 - tf.pow(self.beta_2, step)) / (1.0 - tf.pow(self.beta_1, step))
        mean = self.beta_1 * tf.gather(first, rows) + (1 - self.beta_1) * summed
        square = self.beta_2 * tf.gather(second, rows) + (1 - self.beta_2) * tf.square(summed)
        first.scatter_update(tf.IndexedSlices(mean, rows))
        second.scatter_update(tf.IndexedSlices(square, rows))
        change = rate * mean / (tf.sqrt(square) + self.epsilon)
        variable.scatter_sub(tf.IndexedSlices(change, rows))
