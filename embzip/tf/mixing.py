"""Keras layers without variables, for the encoders with mixing blocks.

Their constants come from the NumPy definition. `time` may be unknown when a model is built.
"""

from typing import Any

import keras
from keras import ops

from embzip.classifier.attention import HIDDEN_SCORE
from embzip.classifier.blocks import positions
from embzip.classifier.fnet import fourier


class Positions(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    """Adds sinusoidal positions to (batch, time, width); time is at most `max_length`."""

    def __init__(self, max_length: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_length = max_length

    def call(self, tokens: Any) -> Any:
        table = ops.convert_to_tensor(positions(self.max_length, tokens.shape[-1]))
        return ops.add(tokens, table[: ops.shape(tokens)[1]])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_length": self.max_length}


class SelfAttention(keras.layers.Layer):  # type: ignore[misc]
    """[query, key, value (batch, time, width), shown (batch, time, 1)] -> (batch, time, width)."""

    def __init__(self, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads

    def call(self, inputs: Any) -> Any:
        *projected, shown = inputs
        time, width = ops.shape(shown)[1], projected[0].shape[-1]
        query, key, value = (
            ops.transpose(
                ops.reshape(part, (-1, time, self.heads, width // self.heads)), (0, 2, 1, 3)
            )
            for part in projected
        )
        query = ops.multiply(query, (width // self.heads) ** -0.5)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        hidden = ops.multiply(ops.subtract(1.0, shown), HIDDEN_SCORE)
        scores = ops.add(scores, ops.reshape(hidden, (-1, 1, 1, time)))
        attended = ops.matmul(ops.softmax(scores, axis=-1), value)
        return ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), (-1, time, width))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]

    def compute_output_spec(self, inputs: Any, **_: Any) -> Any:
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads}


class FourierMixing(keras.layers.Layer):  # type: ignore[misc]
    """The real part of the Fourier transform of (batch, time, width) over time and width.

    It is computed as four products with constant matrices: exact, and available in every runtime.
    """

    def __init__(self, max_length: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_length = max_length

    def call(self, tokens: Any) -> Any:
        time, width = ops.shape(tokens)[1], tokens.shape[-1]
        cosine, sine = (ops.convert_to_tensor(part) for part in fourier(self.max_length))
        column_cosine, column_sine = (ops.convert_to_tensor(part) for part in fourier(width))
        real = ops.matmul(cosine[:time, :time], ops.matmul(tokens, column_cosine))
        imaginary = ops.matmul(sine[:time, :time], ops.matmul(tokens, column_sine))
        return ops.subtract(real, imaginary)

    def compute_output_spec(self, tokens: Any, **_: Any) -> Any:
        return keras.KerasTensor(tokens.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_length": self.max_length}


for _layer in (Positions, SelfAttention, FourierMixing):
    keras.saving.register_keras_serializable(package="embzip")(_layer)
