"""A compressed table as layers that Keras itself has, so that a file opens without embzip.

Keras has three forms of a table: float32 rows, int8 with a scale a row, and int4 of whole levels
with a scale a row. What is linear in decoding (components, column scales, a mean) becomes a Dense
layer behind it. The numbers of the codec are kept, not rounded again.
"""

from typing import Any

import keras
import numpy as np

from embzip.classifier.folding import linear_part
from embzip.embedding import CompressedEmbedding
from embzip.errors import UnsupportedModelError
from embzip.layers.finding import is_timed, walk

_FORMS = ("float32", "int8", "int8:scale=none", "int4:scale=none")


def plain_embedding(model: Any, old: Any, embedding: CompressedEmbedding) -> Any:
    """Return layers of Keras that give the rows of a compressed table, in place of an Embedding.

    Returns
    -------
    keras.layers.Embedding or keras.Sequential
        With the name of `old`. Where decoding is more than a table, an Embedding called `table`
        and a Dense called `components`; where `old` gives half precision, one that casts.

    Raises
    ------
    UnsupportedModelError
        For codes that no layer of Keras holds, a padding row that cannot be zeros, and a layer
        that is called with ids of several ranks.

    Examples
    --------
    >>> from embzip.compression import compress
    >>> old = keras.layers.Embedding(6, 4, name="words")
    >>> model = keras.Sequential([keras.Input((3,)), old])
    >>> small = plain_embedding(model, old, compress(old.get_weights()[0], "svd:2|int8"))
    >>> [(layer.name, type(layer).__name__) for layer in small.layers]
    [('table', 'Embedding'), ('components', 'Dense')]
    """
    split = linear_part(embedding)
    inner, matrix, offset = (embedding, None, None) if split is None else split
    form = inner.codec.spec
    if form not in _FORMS:
        raise UnsupportedModelError(
            f"layers of Keras alone (--plain) hold float32, int8, or int4:scale=column, behind svd "
            f"or center or not, and {embedding.codec.spec!r} stores {form!r}: choose 'int8' or "
            "'svd:32|int8', or leave --plain out"
        )
    if embedding.pad_id is not None and embedding[[embedding.pad_id]].any():
        raise UnsupportedModelError(
            "the table has a padding row, which no layer of Keras alone (--plain) makes zeros: "
            "compress the model's own table with --codec, or leave --plain out"
        )
    single = old.compute_dtype == "float32"
    alone = matrix is None and single
    table = _table(inner, form, mask_zero=old.mask_zero, name=old.name if alone else "table")
    if alone:
        return table
    made = [_entrance(model, old), table]
    if matrix is not None and offset is not None:
        shifted = bool(offset.any())
        dense = keras.layers.Dense(embedding.dim, use_bias=shifted, name="components")
        dense.build((None, inner.dim))
        dense.set_weights([matrix, offset] if shifted else [matrix])
        made.append(dense)
    if not single:  # Keras has no int8 table of half precision
        made.append(keras.layers.Identity(dtype=old.compute_dtype, name="cast"))
    return keras.Sequential(made, name=old.name)


def _table(embedding: CompressedEmbedding, form: str, *, mask_zero: bool, name: str) -> Any:
    """Return an Embedding of Keras with the numbers of a table without a linear part."""
    kind = form.partition(":")[0]
    dtype = kind if kind == "float32" else f"{kind}_from_float32"
    layer = keras.layers.Embedding(*embedding.shape, mask_zero=mask_zero, dtype=dtype, name=name)
    layer.build((None,))
    if kind == "float32":
        layer.set_weights([embedding.decode()])
        return layer
    if kind == "int8":
        levels = np.asarray(embedding.codes["values"])
    else:
        levels = keras.quantizers.pack_int4(embedding.decode().astype(np.int8), axis=-1)[0]
    scale = embedding.codes.get("scale") if kind == "int8" else None
    steps = np.ones(embedding.rows, np.float32) if scale is None else 1 / np.asarray(scale)
    layer._embeddings.assign(levels)
    layer.embeddings_scale.assign(steps)  # Keras divides by it
    return layer


def _entrance(model: Any, old: Any) -> Any:
    """Return an input of as many axes as the ids that a layer is called with."""
    called = [(tensor, 0) for node in old._inbound_nodes for tensor in node.input_tensors]
    for _, part in walk(model):
        inner, timed = part, 0
        while is_timed(inner):
            inner, timed = inner.layer, timed + 1
        if timed and inner is old:
            called += [(t, timed) for node in part._inbound_nodes for t in node.input_tensors]
    ranks = sorted({len(tensor.shape) - timed for tensor, timed in called})
    if len(ranks) > 1:
        raise UnsupportedModelError(
            f"the layer {old.name!r} is called with ids of {ranks} axes, and layers of Keras alone "
            "(--plain) take those of one rank where decoding is more than a table: choose 'int8', "
            "or leave --plain out"
        )
    dtypes = {str(tensor.dtype) for tensor, _ in called}
    dtype = dtypes.pop() if len(dtypes) == 1 else "int32"
    return keras.Input(batch_shape=(None,) * (ranks or [2])[0], dtype=dtype)
