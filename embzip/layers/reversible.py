"""A compressed table that is an output layer too, as `keras.layers.ReversibleEmbedding` has it."""

from typing import Any

import keras
from keras import ops
from keras.src.backend.common.masking import set_keras_mask

from embzip.embedding import CompressedEmbedding
from embzip.layers.decoding import CompressedEmbeddingLayer


class CompressedReversibleEmbedding(CompressedEmbeddingLayer):
    """A `CompressedEmbeddingLayer` that can be called in reverse, over the same codes.

    Parameters
    ----------
    embedding, options
        As in `CompressedEmbeddingLayer`.
    reverse_dtype, logit_soft_cap
        As in `keras.layers.ReversibleEmbedding`.

    Notes
    -----
    With `reverse=True`, floats (..., dim) -> (..., rows): the products with all rows, which are
    decoded at each call.

    References
    ----------
    Press and Wolf 2017, Using the output embedding to improve language models.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip.compression import compress
    >>> table = compress(np.eye(3, 2, dtype=np.float32), "float32")
    >>> layer = CompressedReversibleEmbedding(table)
    >>> layer(np.float32([[5, 7]]), reverse=True).numpy().tolist()
    [[5.0, 7.0, 0.0]]
    """

    def __init__(
        self,
        embedding: CompressedEmbedding,
        *,
        reverse_dtype: str | None = None,
        logit_soft_cap: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(embedding, **options)
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if not reverse:
            found = super().call(inputs)
            mask = super().compute_mask(inputs)
            if mask is not None:
                set_keras_mask(found, mask)
            return found
        dtype = self.reverse_dtype or self.compute_dtype
        rows = ops.cast(super().call(ops.arange(self.rows)), dtype)
        logits = ops.matmul(ops.cast(inputs, dtype), ops.transpose(rows))
        if self.logit_soft_cap is None:
            return logits
        cap = self.logit_soft_cap
        return ops.multiply(ops.tanh(ops.divide(logits, cap)), cap)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return None: only ids are masked, which `call` does."""

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...], reverse: bool = False
    ) -> tuple[int | None, ...]:
        if reverse:
            return (*input_shape[:-1], self.rows)
        return super().compute_output_shape(input_shape)

    def compute_output_spec(self, inputs: Any, reverse: bool = False, **_: Any) -> Any:
        shape = self.compute_output_shape(inputs.shape, reverse)
        dtype = self.reverse_dtype if reverse and self.reverse_dtype else self.compute_dtype
        return keras.KerasTensor(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "reverse_dtype": self.reverse_dtype,
            "logit_soft_cap": self.logit_soft_cap,
        }


keras.saving.register_keras_serializable(package="embzip")(CompressedReversibleEmbedding)
