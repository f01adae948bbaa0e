"""Folds the linear decoding of a compressed table into the Keras layers that read it.

Only the new variables are computed here; `embzip.foreign.keras_rebuilding` copies the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from embzip.classifier.folding import linear_part
from embzip.embedding import CompressedEmbedding
from embzip.errors import UnsupportedModelError

_PASSING = (keras.layers.Dropout, keras.layers.SpatialDropout1D, keras.layers.Identity)


@dataclass(frozen=True)
class Folding:
    """The result of folding.

    Attributes
    ----------
    embedding
        The table without its linear part.
    variables
        The new variables of the layers that read it, by `id` of the layer, as `set_weights` takes
        them.
    """

    embedding: CompressedEmbedding
    variables: Mapping[int, list[NDArray[np.float32]]]


def folded(model: Any, layer: Any, embedding: CompressedEmbedding) -> Folding:
    """Fold the linear part of a table into the layers that read it.

    Raises
    ------
    UnsupportedModelError
        If a layer that reads the table is not a plain Conv1D or Dense layer, also reads other
        inputs, or cannot take the offset. The message names the layer.
    """
    split = linear_part(embedding)
    if split is None:
        return Folding(embedding, {})
    plain, matrix, offset = split
    variables = {}
    for reader in _readers(model, layer):
        kernel, *bias = (np.asarray(w, np.float64) for w in reader.get_weights())
        if offset.any():
            padded = getattr(reader, "padding", "valid") != "valid"
            if padded or not bias or embedding.pad_id is not None:
                raise _refused(
                    reader,
                    "has no bias" if not bias else "sees padding",
                    "so it cannot absorb the mean that the codec removes: choose another codec",
                )
            taps = tuple(range(kernel.ndim - 2))
            bias = [bias[0] + (offset @ kernel).sum(axis=taps)]
        variables[id(reader)] = [np.asarray(each, np.float32) for each in (matrix @ kernel, *bias)]
    return Folding(plain, variables)


def _readers(model: Any, layer: Any) -> list[Any]:
    inner = model._functional if isinstance(model, keras.Sequential) else model
    if not any(each is layer for each in model.layers):
        raise _refused(layer, "is in a nested model", "and only the outer model can be folded")
    ends = {id(tensor) for tensor in keras.tree.flatten(inner.outputs)}
    own = {id(operation) for operation in inner.operations}
    found: list[Any] = []
    waiting, linear = [layer], {id(layer)}
    while waiting:
        source = waiting.pop()
        if any(id(t) in ends for node in source._inbound_nodes for t in node.output_tensors):
            raise _refused(source, "is an output of the model", "whose width must not change")
        for node in source._outbound_nodes:
            reader = node.operation
            if id(reader) not in own or id(reader) in linear:
                continue
            if type(reader) in _PASSING:
                linear.add(id(reader))
                waiting.append(reader)
            elif _is_plain(reader):
                found.append(reader)
                linear.add(id(reader))
            else:
                kind = type(reader).__name__
                raise _refused(
                    reader, f"reads the table and is a {kind}", "not a plain Conv1D or Dense layer"
                )
    for reader in found:
        for node in reader._inbound_nodes:
            sources = [t._keras_history.operation for t in node.input_tensors]
            if any(id(source) not in linear for source in sources):
                raise _refused(reader, "also reads other inputs", "with the same variables")
    return found


def _is_plain(layer: Any) -> bool:
    if type(layer) is keras.layers.Dense:
        return layer.quantization_mode is None and not layer.lora_enabled
    return (
        type(layer) is keras.layers.Conv1D
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and not layer.lora_enabled
    )


def _refused(layer: Any, why: str, rest: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"cannot fold: {layer.name!r} {why}, {rest}. Leave out --fold (fold=False): rows are then "
        "decoded in full"
    )
