"""Large weights kept beside a graph, which as one message ends at 2 GB: a placeholder for each.

They are read when something is written of them, one after the other.
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
_LIMIT = 2**31 - 2**20  # protobuf writes no message of 2 GB


@dataclass(frozen=True)
class LazyConstant:
    """A weight that is not in the graph.

    Attributes
    ----------
    dtype
        The number of TensorFlow's `DataType`.
    read
        Gives the values, as an array or a tensor; called anew each time.
    """

    dtype: int
    shape: tuple[int, ...]
    read: Callable[[], Any]

    @property
    def nbytes(self) -> int:
        """Bytes of the values, which are not read for it."""
        return int(tf.dtypes.as_dtype(self.dtype).size) * math.prod(self.shape)

    @property
    def large(self) -> bool:
        """Whether it is to stay out of the graph."""
        return self.nbytes >= LARGE

    def values(self) -> NDArray[Any]:
        """Return the values as an array; see `tensor`."""
        return np.asarray(self.tensor())

    def tensor(self) -> Any:
        """Return the values as they are read.

        Raises
        ------
        InputError
            Where the file holds others than its graph says.
        """
        array = self.read()
        found = (tf.dtypes.as_dtype(array.dtype).as_datatype_enum, tuple(array.shape))
        if found != (self.dtype, self.shape):
            raise InputError(
                f"the graph reads a weight of {dtype_name(self.dtype)} {self.shape}, the file "
                f"holds {array.dtype.name} {tuple(array.shape)}: they do not belong together"
            )
        return array


def write_placeholder(node: Any, name: str, constant: LazyConstant) -> None:
    """Make a node the placeholder of a weight."""
    node.Clear()
    node.name, node.op = name, "Placeholder"
    node.attr["dtype"].type = constant.dtype
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(constant.shape).as_proto())


def write_constant(node: Any, name: str, value: Any) -> None:
    """Make a node a constant."""
    proto = tf.make_tensor_proto(value)
    node.Clear()
    node.name, node.op = name, "Const"
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)


def with_constants(graph: Any, lazy: Mapping[str, LazyConstant]) -> Any:
    """Return the graph with constants for the weights that it stands on.

    Raises
    ------
    InputError
        Above 2 GB, before a value is read.
    """
    inside = {node.name for node in graph.node} & lazy.keys()
    size = graph.ByteSize() + sum(lazy[name].nbytes for name in inside)
    if size > _LIMIT:
        raise InputError(
            f"a frozen graph stays under 2 GB, and this one would have {size:,} bytes: write it "
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
