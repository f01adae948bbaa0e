"""Runs TensorFlow's graph optimizer, Grappler: inlines functions, folds constants.

Large constants are removed before and put back afterwards, so that they are not copied or folded.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tensorflow.core.framework import attr_value_pb2, graph_pb2, node_def_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.grappler import tf_optimizer
from tensorflow.python.tools import optimize_for_inference_lib

from embzip.errors import InputError
from embzip.foreign.formats.graphs import Flow, called, functions_of, node_name
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS

_LARGE = 2**20  # bytes
_INLINE = ("function",)
_TIDY = ("pruning", "dependency", "common_subgraph_elimination")


def inlined(graph: Any, outputs: Sequence[str]) -> Any:
    """Return a graph that computes `outputs`, with function calls inlined where possible."""
    pruned = pruned_to(graph, outputs)
    if not pruned.library.function:
        return pruned
    for node in [*pruned.node, *(n for f in pruned.library.function for n in f.node_def)]:
        node.attr.pop(
            "_lower_using_switch_merge", None
        )  # loops stay functions: lowered frames would be mixed up
    for function in pruned.library.function:
        function.attr.pop("api_implements", None)  # otherwise Grappler swaps implementations
    return _run(pruned, outputs, _INLINE)


def optimized(graph: Any, outputs: Sequence[str]) -> Any:
    """Return a frozen graph with fewer nodes: batch norms and constants folded, duplicates merged.

    Constants are not folded if the result would take more bytes.
    """
    large, small = _without_large(pruned_to(graph, outputs))
    tidy = _run(small, outputs, _TIDY)
    with _readable():
        normed = optimize_for_inference_lib.fold_batch_norms(small)
    normed.library.CopyFrom(small.library)  # fold_batch_norms drops the functions
    folded = _run(normed, outputs, (*_TIDY, "constfold", *_TIDY))
    best = folded if folded.ByteSize() <= tidy.ByteSize() else tidy
    for node in best.node:
        if node.name in large:
            node.CopyFrom(large[node.name])
    return pruned_to(best, outputs)


def pruned_to(graph: Any, outputs: Sequence[str]) -> Any:
    """Return the nodes and functions that `outputs` need, without device placements."""
    flow = Flow(graph.node)
    needed = flow.behind(node_name(name) for name in outputs)
    pruned = graph_pb2.GraphDef(versions=graph.versions)
    for node in graph.node:
        if node.name in needed:
            kept = pruned.node.add()
            kept.CopyFrom(node)
            kept.device = ""
            kept.attr.pop("_class", None)  # it may name a node that was removed
    functions = functions_of(graph.library)
    for name in sorted(called(pruned.node, functions)):
        pruned.library.function.add().CopyFrom(functions[name])
    pruned.library.gradient.extend(
        g for g in graph.library.gradient if g.function_name in functions
    )
    return pruned


def _without_large(graph: Any) -> tuple[Mapping[str, Any], Any]:
    large = {}
    for node in graph.node:
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        if tensor is None or tensor.ByteSize() < _LARGE:
            continue
        large[node.name] = node_def_pb2.NodeDef()
        large[node.name].CopyFrom(node)
        placeholder = node_def_pb2.NodeDef(name=node.name, op="Placeholder")
        placeholder.attr["dtype"].type = tensor.dtype
        placeholder.attr["shape"].CopyFrom(attr_value_pb2.AttrValue(shape=tensor.tensor_shape))
        node.CopyFrom(placeholder)
    return large, graph


def _run(graph: Any, outputs: Sequence[str], optimizers: Sequence[str]) -> Any:
    meta = meta_graph_pb2.MetaGraphDef(graph_def=graph)
    inputs = [node.name for node in graph.node if node.op.startswith("Placeholder")]
    meta.collection_def["train_op"].node_list.value.extend([*inputs, *outputs])
    config = config_pb2.ConfigProto()
    options = config.graph_options.rewrite_options
    options.min_graph_nodes = -1  # small graphs too
    options.optimizers.extend(optimizers)
    with _readable():
        return tf_optimizer.OptimizeGraph(config, meta)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise InputError(
            f"TensorFlow cannot optimize this graph ({' '.join(str(error).split())[:200]}): it is "
            "damaged, or contains operators that TensorFlow does not know"
        ) from error
