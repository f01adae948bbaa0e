"""Embedding layers for Keras: one that decodes a compressed table, and a trainable float32 one.

The arithmetic of decoding is that of the codecs, run with the operations of `KerasOps`.
"""

from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from embzip.codecs import parse_codec
from embzip.codecs.arrays import ArraySpec
from embzip.embedding import CompressedEmbedding
from embzip.errors import FileFormatError
from embzip.layers.keras_ops import KerasOps
from embzip.types import Arrays, Matrix


class _Lookup(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    """The base of both layers: ids of any shape -> (*shape, dim); padding becomes zeros."""

    def __init__(self, dim: int, pad_id: int | None, mask_zero: bool, **options: Any) -> None:
        super().__init__(**options)
        self.autocast = False
        self.dim = dim
        self.pad_id = pad_id
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero

    def rows_of(self, ids: Any) -> Any:
        """Return the float32 rows (k, dim) of ids (k,)."""
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        # keras.ops.take refuses 8-bit and uint16 indices.
        wide = keras.backend.standardize_dtype(inputs.dtype) in ("int32", "int64")
        ids = inputs if wide else ops.cast(inputs, "int32")
        flat = ops.reshape(ids, (-1,))
        rows = self.rows_of(flat)
        if self.pad_id is not None:
            shown = ops.cast(ops.not_equal(flat, self.pad_id), "float32")
            rows = ops.multiply(rows, ops.expand_dims(shown, -1))
        shaped = ops.reshape(rows, (*ops.shape(ids), self.dim))
        return ops.cast(shaped, self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape, self.dim)

    def compute_output_spec(self, inputs: Any, **_: Any) -> Any:
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)


class CompressedEmbeddingLayer(_Lookup):
    """An embedding layer with a compressed table, which decodes the rows it looks up.

    Its variables have the dtypes of the codec (int8 codes stay int8). Codes are never trainable,
    params only with `tunable`. A `.keras` file with this layer opens after `import embzip.tf`.

    Parameters
    ----------
    embedding
        The table. If it has a padding row, that row reads as zeros.
    mask_zero
        As in `keras.layers.Embedding`: whether id 0 is masked for the layers that follow.
    tunable
        Whether training may change the params: centroids, codebooks, components, means.
    options
        The options of every Keras layer, such as `name` and `dtype` (of the output).

    Notes
    -----
    Input: integers of any shape, in 0..rows-1; as in Keras, -1 reads the last row or fails.
    Output: the same shape + (dim,).

    Examples
    --------
    >>> import numpy as np, embzip.tf
    >>> from embzip.compression import compress
    >>> table = compress(np.eye(4, dtype=np.float32), "int8")
    >>> layer = embzip.layers.CompressedEmbeddingLayer(table)
    >>> np.array_equal(layer(np.array([[1, 2]])), table[[[1, 2]]])
    True
    """

    def __init__(
        self,
        embedding: CompressedEmbedding,
        *,
        mask_zero: bool = False,
        tunable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(embedding.dim, embedding.pad_id, mask_zero, **options)
        self.tunable = tunable
        self.rows = embedding.rows
        self.codec = embedding.codec
        layout = self.codec.layout(self.rows, self.dim)
        self._codes = {s.name: self._held(s, embedding.codes[s.name]) for s in layout.codes}
        moved = self.codec.tunable(self.dim) if tunable else ()
        self._params = {
            s.name: self._held(s, embedding.params[s.name], trainable=s.name in moved)
            for s in layout.params
        }
        # Derived tables are variables too, so that a reloaded layer gets those it was saved with.
        for name, array in embedding.tables.items():
            spec = ArraySpec(name, array.dtype.name, array.shape)
            self._params[name] = self._held(spec, array)
        self._decoded: Any = None
        self.set_most_bits(_most_bits(embedding.params))
        self.built = True

    @property
    def input_dim(self) -> int:
        """Rows of the table, as `keras.layers.Embedding` calls them."""
        return self.rows

    @property
    def output_dim(self) -> int:
        """Numbers of a row, as `keras.layers.Embedding` calls them."""
        return self.dim

    def set_most_bits(self, most: int | None) -> None:
        """Say of how many bits a number has at most, so that a graph holds no larger tables."""
        self._most_bits = most
        self._ops = KerasOps(most)

    def decode_once(self) -> None:
        """Keep all rows decoded, as training wants them: it reads each many times.

        They are no variables of the model, which is saved and counted as before.
        """
        self._decoded = ops.convert_to_tensor(self.rows_of(ops.arange(self.rows)))

    def decode_anew(self) -> None:
        """Decode each row where it is read, as before `decode_once`."""
        self._decoded = None

    def rows_of(self, ids: Any) -> Any:
        if self._decoded is not None:
            return tf.gather(self._decoded, ids)
        taken = self.codec.quantizer.take(self._codes, ids, self._ops)
        return self.codec.decode(taken, self._params, self._ops)

    def build(self, input_shape: Any = None) -> None:
        """Do nothing: the variables are made in the constructor."""

    def codes(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the stored codes."""
        return {name: held.value.numpy() for name, held in self._codes.items()}

    def params(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the stored params, as training has left them."""
        stored = self.codec.layout(self.rows, self.dim).params
        return {spec.name: self._params[spec.name].value.numpy() for spec in stored}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "codec": self.codec.spec,
            "rows": self.rows,
            "dim": self.dim,
            "pad_id": self.pad_id,
            "mask_zero": self.mask_zero,
            "tunable": self.tunable,
            **({} if self._most_bits is None else {"most_bits": self._most_bits}),
        }

    def load_own_variables(self, store: Any) -> None:
        """Load the variables of a file, as every layer does.

        Raises
        ------
        FileFormatError
            For numbers of more bits than the layer was made for.
        """
        super().load_own_variables(store)
        found = _most_bits(self.params())
        if found is not None and self._most_bits is not None and found > self._most_bits:
            raise FileFormatError(
                f"the layer {self.name!r} was made for numbers of at most {self._most_bits} bits, "
                f"and its variables tell of {found}: make the layer from the table they belong to"
            )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the layer with zero codes and params; Keras loads its variables afterwards."""
        options = dict(config)
        codec = parse_codec(options.pop("codec"))
        rows, dim, pad_id = (options.pop(name) for name in ("rows", "dim", "pad_id"))
        most = options.pop("most_bits", None)
        layout = codec.layout(rows, dim)
        codes = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in layout.codes}
        params = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in layout.params}
        layer = cls(CompressedEmbedding(codec, codes, params, rows, dim), **options)
        layer.pad_id = pad_id
        layer.set_most_bits(most)
        return layer

    def _held(
        self, spec: ArraySpec, array: np.ndarray[Any, Any], *, trainable: bool = False
    ) -> Any:
        # `trainable` is set for each variable: set on the layer, it would break reloading.
        name = spec.name.replace(".", "_")
        held = self.add_weight(
            shape=spec.shape,
            dtype=spec.dtype,
            initializer=lambda shape, dtype: ops.convert_to_tensor(array, dtype),
            trainable=trainable,
            autocast=False,
            name=name,
        )
        # tf.train.Checkpoint follows attributes; it does not see variables in a dictionary.
        setattr(self, f"held_{name}", held)
        return held


def _most_bits(params: Arrays) -> int | None:
    """Return the bits of the widest number of a quantizer of many widths; None of others."""
    found = [int(array.max()) for name, array in params.items() if name.endswith(".bits")]
    return max(found, default=None)


class TrainableEmbedding(_Lookup):
    """An embedding layer of trainable float32 rows; used only for training.

    Parameters
    ----------
    matrix
        The initial rows, (rows, dim).
    pad_id
        The row that reads as zeros, and so receives no gradient.
    mask_zero
        As in `keras.layers.Embedding`.
    """

    def __init__(
        self, matrix: Matrix, *, pad_id: int | None, mask_zero: bool = False, **options: Any
    ) -> None:
        super().__init__(matrix.shape[1], pad_id, mask_zero=mask_zero, **options)
        self.table = self.add_weight(
            shape=matrix.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(matrix, dtype),
            name="table",
        )
        self.built = True

    def rows_of(self, ids: Any) -> Any:
        # keras.ops.take would read the whole variable, and copy it when rows are written later.
        return tf.gather(self.table.value, ids)

    def build(self, input_shape: Any = None) -> None:
        """Do nothing: the variable is made in the constructor."""


keras.saving.register_keras_serializable(package="embzip")(CompressedEmbeddingLayer)
