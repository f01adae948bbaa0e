"""Finds what each variable node of a graph is restored from: a tensor of a checkpoint, or a slice.

The keys are read from the graph's restore nodes, in the main graph or in functions it calls.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from embzip.foreign.formats.graphs import VARIABLES, Flow, functions_of, node_name
from embzip.foreign.formats.tensor_protos import shape_of
from embzip.foreign.formats.tensor_slices import TensorSlice

_MOST = 10**6  # tensors that one node restores


def checkpoint_slices(graph: Any) -> dict[str, TensorSlice]:
    """Return, by the name of a variable node, where its numbers are in the checkpoint.

    For a variable that no node restores, the key is its own name.
    """
    flow = Flow(graph.node)
    slices = {
        name: TensorSlice(node.attr["shared_name"].s.decode(errors="replace") or name)
        for name, node in flow.nodes.items()
        if node.op in VARIABLES
    }
    functions = functions_of(graph.library)
    for variable, piece in _restored(flow, {}):
        if variable in slices:
            slices[variable] = piece
    for node in graph.node:
        function = functions.get(node.attr["f"].func.name) if "f" in node.attr else None
        if function is None:
            continue
        passed = arguments(function, node)
        for variable, piece in _restored(Flow(function.node_def), passed):
            source = flow.source(variable)
            if source in slices:
                slices[source] = piece
    return slices


def arguments(function: Any, call: Any) -> dict[str, str]:
    """Return the input that a call node passes for each argument of a function."""
    names = [argument.name for argument in function.signature.input_arg]
    return dict(zip(names, (ref for ref in call.input if not ref.startswith("^")), strict=False))


def gathered_tables(graph: Any) -> set[str]:
    """Return the nodes of the main graph whose value a Gather reads, also inside functions."""
    flow = Flow(graph.node)
    functions = functions_of(graph.library)
    found = {table for _, table in flow.gathered()}
    waiting: list[tuple[Any, Mapping[str, str]]] = [(flow, {})]
    seen = 0
    while waiting and seen < 10_000:  # calls, each with its own arguments; bounds recursion
        seen += 1
        inner, passed = waiting.pop()
        if passed:
            for _, table in inner.gathered():
                if table in passed:
                    found.add(passed[table])
        for node in inner.nodes.values():
            function = functions.get(node.attr["f"].func.name) if "f" in node.attr else None
            if function is None:
                function = functions.get(node.op)
            if function is None:
                continue
            outer = {}
            for name, reference in arguments(function, node).items():
                source = inner.source(reference)
                outer[name] = passed.get(source, source)
            waiting.append((Flow(function.node_def), outer))
    return found & set(flow.nodes)


def _restored(flow: Flow, passed: Mapping[str, str]) -> Iterator[tuple[str, TensorSlice]]:
    for node in flow.nodes.values():
        if node.op not in ("Assign", "AssignVariableOp") or len(node.input) < 2:
            continue
        reference = _through_identities(flow, node.input[1])
        restore = flow.nodes.get(node_name(reference))
        if restore is None or restore.op != "RestoreV2" or len(restore.input) < 3:
            continue
        keys, slices = (_texts(flow.nodes.get(node_name(ref))) for ref in restore.input[1:3])
        port = reference.rpartition(":")[2] if ":" in reference else "0"
        if port.isdigit() and int(port) < min(len(keys), len(slices)):
            variable = node_name(node.input[0])
            yield passed.get(variable, variable), TensorSlice(keys[int(port)], slices[int(port)])


def _through_identities(flow: Flow, reference: str) -> str:
    for _ in range(len(flow.nodes)):
        node = flow.nodes.get(node_name(reference))
        if node is None or node.op != "Identity" or not node.input:
            break
        reference = node.input[0]
    return reference


def _texts(node: Any) -> list[str]:
    if node is None or node.op != "Const":
        return []
    tensor = node.attr["value"].tensor
    values: list[bytes] = list(tensor.string_val)
    count = math.prod(shape_of(tensor.tensor_shape))
    if 0 < len(values) < count <= _MOST:  # the last is repeated
        values += [values[-1]] * (count - len(values))
    return [value.decode(errors="replace") for value in values]
