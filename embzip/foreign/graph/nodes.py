"""Adds nodes to a `GraphDef`."""

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2

from embzip.foreign.graph.lazy_constants import write_constant


class Nodes:
    """A graph with the functions of another, and nodes as they are added."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph_pb2.GraphDef(versions=graph.versions, library=graph.library)

    def keep(self, node: Any, inputs: list[str] | None = None) -> None:
        """Add a copy of a node, with other inputs where they are given."""
        kept = self.graph.node.add()
        kept.CopyFrom(node)
        if inputs is not None:
            kept.ClearField("input")
            kept.input.extend(inputs)

    def add(self, name: str, op: str, inputs: list[str], **attributes: Any) -> None:
        """Add a node; its attributes are types, or lists of whole numbers."""
        node = node_def_pb2.NodeDef(name=name, op=op, input=inputs)
        for key, value in attributes.items():
            if isinstance(value, list):
                node.attr[key].list.i.extend(value)
            else:
                node.attr[key].type = value.as_datatype_enum
        self.graph.node.append(node)

    def constant(self, name: str, value: Any) -> None:
        """Add a constant."""
        write_constant(self.graph.node.add(), name, value)

    def gather(self, name: str, table: str, ids: str, kind: Any, index: Any) -> None:
        """Add a gather of rows of a table of type `kind`, by ids of type `index`."""
        self.constant(f"{name}/axis_of_rows", np.int32(0))
        inputs = [table, ids, f"{name}/axis_of_rows"]
        self.add(name, "GatherV2", inputs, Tparams=kind, Tindices=index, Taxis=tf.int32)
