"""Inspects frozen graphs: one GraphDef, .pb or .pbtxt, whose variables are constants."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from embzip.foreign.formats.graphs import (
    Flow,
    constants,
    count_nodes,
    inference_outputs,
    read_graph,
)
from embzip.foreign.formats.names import with_embedding
from embzip.foreign.formats.tensor_protos import dtype_name, shape_of
from embzip.inspection import ArtefactRecord, Role, make_record, scaled

_WORDS = 16  # strings; a shorter list is a setting of the graph
_FLOATS = frozenset({"float32", "float16", "bfloat16", "float64", "int8", "uint8"})


def inspect_frozen(path: Path) -> ArtefactRecord:
    """Return what takes up the bytes of a frozen graph.

    A constant that a Gather reads is the embedding. Other floating-point and 8-bit constants that
    are not scalars were variables. The rest are constants of the graph.
    """
    graph = read_graph(path)
    flow = Flow(graph.node)
    used = flow.behind(inference_outputs(flow)) or set(flow.nodes)
    tables = {table for _, table in flow.gathered()}
    found = list(
        constants(graph.node, lambda node: (role_of_constant(node, tables), node.name in used))
    )
    size = path.stat().st_size
    record = make_record(
        path,
        "frozen",
        [path],
        scaled(with_embedding(found), size, graph.ByteSize()),
        count_nodes(graph.node, lambda node: node.name in used),
    )
    # Slimming writes a text graph as a binary one.
    return replace(record, slimmed=sum(tensor.nbytes for tensor in found if tensor.needed))


def role_of_constant(node: Any, tables: set[str]) -> Role:
    """Return the role of a constant; `tables` are the names of those that are gathered."""
    tensor = node.attr["value"].tensor
    dtype, shape = dtype_name(tensor.dtype), shape_of(tensor.tensor_shape)
    if node.name in tables and len(shape) == 2:
        return "embedding"
    if dtype == "string" and shape and shape[0] >= _WORDS:
        return "vocabulary"
    return "other_variables" if dtype in _FLOATS and shape else "graph_constants"
