"""Large constants that are kept outside a graph, because a protobuf message is limited to 2 GB.

In the graph, a placeholder replaces each. Their values are read only when they are needed, one
after the other.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import graph_pb2

from embzip.errors import InputError
from embzip.foreign.formats.tensor_protos import dtype_name

LARGE = 2**20  # bytes
_LIMIT = 2**31 - 2**20  # bytes; protobuf cannot write a message of 2 GB


@dataclass(frozen=True)
class LazyConstant:
    """A constant whose values are read when they are needed.

    Attributes
    ----------
    dtype
        The number of its TensorFlow `DataType`.
    shape
        The shape of the values.
    read
        Returns the values as an array or a tensor; called each time they are needed.
    """

    dtype: int
    shape: tuple[int, ...]
    read: Callable[[], Any]

    @property
    def nbytes(self) -> int:
        """The size of the values in bytes; computed without reading them."""
        return int(tf.dtypes.as_dtype(self.dtype).size) * math.prod(self.shape)

    @property
    def large(self) -> bool:
        """Whether it is large enough to be kept outside the graph."""
        return self.nbytes >= LARGE

    def values(self) -> NDArray[Any]:
        """Return the values as an array; see `tensor`."""
        return np.asarray(self.tensor())

    def tensor(self) -> Any:
        """Return the values as `read` returns them.

        Raises
        ------
        InputError
            If the type or shape in the file differs from that in the graph.
        """
        array = self.read()
        found = (tf.dtypes.as_dtype(array.dtype).as_datatype_enum, tuple(array.shape))
        if found != (self.dtype, self.shape):
            raise InputError(
                f"the graph reads a variable of {dtype_name(self.dtype)} {self.shape}, but the "
                f"file has {array.dtype.name} {tuple(array.shape)}: they do not belong together"
            )
        return array


def write_placeholder(node: Any, name: str, constant: LazyConstant) -> None:
    """Turn a node into the placeholder of a constant."""
    node.Clear()
    node.name, node.op = name, "Placeholder"
    node.attr["dtype"].type = constant.dtype
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(constant.shape).as_proto())


def write_constant(node: Any, name: str, value: Any) -> None:
    """Turn a node into a constant."""
    proto = compact(tf.make_tensor_proto(value))
    node.Clear()
    node.name, node.op = name, "Const"
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)


def compact(proto: Any) -> Any:
    """Return a `TensorProto` whose half-precision numbers take two bytes each, not three.

    >>> proto = tf.make_tensor_proto(np.ones(100, np.float16) * np.arange(100, dtype=np.float16))
    >>> proto.ClearField("tensor_content")
    >>> proto.half_val.extend(range(15360, 15460))
    >>> compact(proto).ByteSize() < 220
    True
    """
    if len(proto.half_val) > 1:
        array = tf.make_ndarray(proto)
        proto.ClearField("half_val")
        proto.tensor_content = array.tobytes()
    return proto


def with_constants(graph: Any, lazy: Mapping[str, LazyConstant]) -> Any:
    """Return the graph with its placeholders replaced by their constants.

    Raises
    ------
    InputError
        If the graph would exceed 2 GB; no values are read then.
    """
    inside = {node.name for node in graph.node} & lazy.keys()
    size = graph.ByteSize() + sum(lazy[name].nbytes for name in inside)
    if size > _LIMIT:
        raise InputError(
            f"a frozen graph is limited to 2 GB, and this one would have {size:,} bytes: choose "
            "--to savedmodel or --to checkpoint, or compress its table first (`embzip rebuild "
            "--codec 'svd:64|int8'`)"
        )
    full = graph_pb2.GraphDef(versions=graph.versions, library=graph.library)
    for node in graph.node:
        if node.name in inside:
            write_constant(full.node.add(), node.name, lazy[node.name].values())
        else:
            full.node.add().CopyFrom(node)
    return full
