"""Freezes GraphDefs: replaces variables by constants, and keeps only what the outputs need.

Graphs are edited as protobuf messages: no session is made, and no node of a file runs.
"""

from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, graph_pb2, node_def_pb2

from embzip.errors import InputError
from embzip.foreign.formats.graphs import (
    VARIABLES,
    Flow,
    called,
    functions_of,
    inference_outputs,
    node_name,
    output_types,
)
from embzip.foreign.formats.tensor_protos import dtype_name
from embzip.foreign.formats.tensor_slices import TensorSlice
from embzip.foreign.graph.frozen_functions import FrozenFunctions
from embzip.foreign.graph.lazy_constants import LazyConstant, write_constant, write_placeholder

_RESOURCE_READS = frozenset({"ReadVariableOp", "ResourceGather", *VARIABLES})


def chosen_outputs(flow: Flow, names: Sequence[str]) -> list[str]:
    """Return the output nodes of a graph: the named ones, or the only candidate.

    Raises
    ------
    InputError
        For an unknown name, or, without names, unless there is exactly one candidate.
    """
    candidates = inference_outputs(flow)
    texts = [name for name in candidates if tf.string in output_types(flow.nodes[name])]
    numbers = [name for name in candidates if name not in texts]
    candidates = numbers or _floats_behind(flow, texts) or candidates
    known = ", ".join(candidates[:20]) or "none"
    for name in names:
        if node_name(name) not in flow.nodes:
            raise InputError(f"the graph has no node {name!r}; candidates for outputs: {known}")
    if names:
        return [node_name(name) for name in names]
    if len(candidates) != 1:
        raise InputError(
            f"expected one node that can be the output, found these: {known}; choose with --output"
        )
    return candidates


def _floats_behind(flow: Flow, names: Sequence[str]) -> list[str]:
    """Return the nearest nodes of floating-point numbers that feed others, as scores do labels."""
    fed = flow.ahead(name for name, node in flow.nodes.items() if node.op.startswith("Placeholder"))
    found: list[str] = []
    seen, waiting = set(names), list(names)
    while waiting:
        for name in flow.inputs(waiting.pop()):
            if name in fed and name not in seen:
                seen.add(name)
                floats = any(tf.dtypes.as_dtype(t).is_floating for t in _types(flow, name))
                (found if floats else waiting).append(name)
    return found


def _types(flow: Flow, name: str) -> list[int]:
    return [number for number in output_types(flow.nodes[name]) if number]


class Tensors(Protocol):
    """What variables are read from: a checkpoint, `embzip.foreign.formats.bundles.Bundle`."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of one tensor."""

    def tensor(self, name: str, slice: str = "") -> Any:
        """Return one tensor, or the slice that a `TensorSlice` names."""


def freeze(
    graph: Any, stored: Tensors, outputs: Sequence[str], slices: Mapping[str, TensorSlice]
) -> tuple[Any, dict[str, LazyConstant]]:
    """Return a `GraphDef` that computes `outputs`, and its large constants.

    Small variables become constants, large ones become placeholders with the same name.

    Parameters
    ----------
    graph
        A graph with `VariableV2` or `VarHandleOp` nodes.
    stored
        The values of the variables.
    outputs
        Names of nodes.
    slices
        Variable node -> what it reads of `stored`, from `checkpoint_slices`.

    Raises
    ------
    InputError
        For operations that do more with a variable than read it, and for a variable that has
        another shape in the checkpoint than in the graph.
    """
    flow = Flow(graph.node)
    needed = flow.behind(outputs)
    variables = [name for name in flow.nodes if name in needed and flow.nodes[name].op in VARIABLES]
    constants = {name: _constant(flow.nodes[name], stored, slices[name]) for name in variables}
    large = {name: constant for name, constant in constants.items() if constant.large}
    handles = {name for name in variables if flow.nodes[name].op == "VarHandleOp"}
    types = {name: flow.nodes[name].attr["dtype"] for name in handles}
    functions = functions_of(graph.library)
    loops = FrozenFunctions(functions)
    frozen = graph_pb2.GraphDef(versions=graph.versions)
    for node in graph.node:
        if node.name not in needed:
            continue
        handle = _handle(flow, node.input[0]) if node.input else ""
        if node.name in large:
            write_placeholder(frozen.node.add(), node.name, large[node.name])
        elif node.name in constants:
            write_constant(frozen.node.add(), node.name, constants[node.name].values())
        elif handle in handles and node.op == "Identity":
            passed = frozen.node.add(name=node.name, op="Identity", input=node.input)
            passed.attr["T"].CopyFrom(types[handle])
        elif read := _places(flow, node, handles):
            if loops.calls(node):
                given = {place: types[name].type for place, name in read.items()}
                frozen.node.append(loops.call(node, given))
            else:
                _read_of_constant(frozen, node)
        else:
            kept = frozen.node.add()
            kept.CopyFrom(node)
            kept.attr.pop("_class", None)  # it may name a node that was removed
    for name in sorted(called(frozen.node, functions)):
        frozen.library.function.add().CopyFrom(functions[name])
    return frozen, large


def _places(flow: Flow, node: Any, handles: Set[str]) -> dict[int, str]:
    """Return the variable of each input that is the handle of one, by its place."""
    found = {i: _handle(flow, ref) for i, ref in enumerate(node.input) if ref[0] != "^"}
    return {place: name for place, name in found.items() if name in handles}


def _handle(flow: Flow, reference: str) -> str:
    """Return the node that a resource comes from, through identities; otherwise the node itself."""
    name = node_name(reference)
    for _ in range(len(flow.nodes)):
        node = flow.nodes.get(name)
        if node is None or node.op != "Identity" or node.attr["T"].type != tf.resource:
            break
        name = node_name(node.input[0])
    return name


def _read_of_constant(frozen: Any, node: Any) -> None:
    """Add the node that replaces the read of a resource once the resource is a constant."""
    if node.op not in _RESOURCE_READS:
        raise InputError(
            f"only reads of variables can be frozen, and the node {node.name!r} ({node.op}) does "
            "more: choose outputs that do not depend on it"
        )
    dtype = attr_value_pb2.AttrValue(type=node.attr["dtype"].type)
    if node.op == "ReadVariableOp":
        made = node_def_pb2.NodeDef(name=node.name, op="Identity", input=node.input)
        made.attr["T"].CopyFrom(dtype)
    else:
        if node.attr["batch_dims"].i:
            raise InputError(
                f"gathers with batch dimensions cannot be frozen, and {node.name!r} has some: "
                "choose outputs that do not depend on it"
            )
        axis = f"{node.name}/axis_of_rows"
        write_constant(frozen.node.add(), axis, np.int32(0))
        made = node_def_pb2.NodeDef(
            name=node.name, op="GatherV2", input=[*node.input[:2], axis, *node.input[2:]]
        )
        made.attr["Tparams"].CopyFrom(dtype)
        made.attr["Tindices"].CopyFrom(node.attr["Tindices"])
        made.attr["Taxis"].type = tf.int32.as_datatype_enum
    made.device = node.device
    frozen.node.append(made)


def _constant(node: Any, stored: Tensors, piece: TensorSlice) -> LazyConstant:
    if dtype_name(node.attr["dtype"].type) == "invalid":
        raise InputError(f"the variable {node.name!r} of the graph has no type: it is damaged")
    shape = piece.shape(stored.shape(piece.key))
    declared = tf.TensorShape(node.attr["shape"].shape if "shape" in node.attr else None)
    if not declared.is_compatible_with(shape):
        raise InputError(
            f"the variable {node.name!r} of the graph has the shape {declared}, and "
            f"{piece.key!r} in the checkpoint has {shape}: the two do not belong together"
        )
    return LazyConstant(
        node.attr["dtype"].type, shape, partial(stored.tensor, piece.key, piece.slice)
    )
