"""Cuts a flat graph at later inputs: a node is fed instead of computed, and what fed it goes."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from embzip.errors import InputError
from embzip.foreign.formats.graphs import node_name
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS
from embzip.foreign.graph.grappler import pruned_to


def cut(graph: Any, inputs: Sequence[str], outputs: Sequence[str]) -> tuple[Any, dict[str, str]]:
    """Return a graph whose nodes `inputs` are placeholders, and their tensors by public names.

    Parameters
    ----------
    graph
        A `GraphDef` without calls of functions, but in loops and branches.
    inputs
        Names of nodes.
    outputs
        The nodes that are kept, with all that they still need.

    Raises
    ------
    InputError
        For a node that the graph does not have, or that the outputs do not need.
    """
    if not inputs:
        return graph, {}
    names = [node_name(name) for name in inputs]
    nodes = {node.name: node for node in graph.node}
    for name in names:
        if name not in nodes:
            near = difflib.get_close_matches(name, nodes, 5, 0.3)
            raise InputError(
                f"the graph has no node {name!r} that could be an input; near: {', '.join(near)}"
            )
    try:
        with tf.Graph().as_default() as scope:
            tf.graph_util.import_graph_def(graph, name="")
            fed = {name: scope.get_tensor_by_name(f"{name}:0") for name in names}
    except LIBRARY_ERRORS as error:
        why = " ".join(str(error).split())[:200]
        raise InputError(f"TensorFlow cannot import the graph ({why}): it is damaged") from error
    made = graph_pb2.GraphDef(versions=graph.versions, library=graph.library)
    loops = any(node.op == "Enter" for node in graph.node)
    for node in graph.node:
        added = made.node.add()
        if node.name in fed:
            added.name, added.op = node.name, "Placeholder"
            added.attr["dtype"].type = fed[node.name].dtype.as_datatype_enum
            added.attr["shape"].shape.CopyFrom(fed[node.name].shape.as_proto())
        else:
            added.CopyFrom(node)
            # What only waits for a node does not need it; in a loop of TF1 it may stand inside.
            added.ClearField("input")
            added.input.extend(ref for ref in node.input if loops or ref[0] != "^")
    pruned = pruned_to(made, outputs)
    left = {node.name for node in pruned.node}
    for name in names:
        if name not in left:
            raise InputError(
                f"the outputs do not need the node {name!r}, so it cannot be an input: choose "
                "one between the inputs and the outputs"
            )
    return pruned, {re.sub(r"\W", "_", name): f"{name}:0" for name in names}
