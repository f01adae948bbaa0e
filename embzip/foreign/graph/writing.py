"""Writes a flat graph as a SavedModel, which stores each variable once, or as a frozen .pb."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.eager.context import context, eager_mode

from embzip.errors import InputError
from embzip.files.writing import atomic_folder, write_bytes
from embzip.foreign.formats.bundle_writing import tensorflow_writes
from embzip.foreign.formats.graphs import Flow, node_name, rename_functions
from embzip.foreign.formats.tensor_protos import array_of
from embzip.foreign.graph.flat_graphs import FlatGraph, Signature
from embzip.foreign.graph.grappler import pruned_to
from embzip.foreign.graph.lazy_constants import compact

_SMALL = 256  # bytes: smaller constants stay in the graph


def write_frozen(flat: FlatGraph, target: Path) -> None:
    """Write the graph with its constants; inputs and outputs get their names in the signature.

    Raises
    ------
    InputError
        For a graph of 2 GB, or with hash tables: a frozen graph keeps nothing that fills them.
    """
    held = sorted(flat.tables.keys() & {node.name for node in flat.graph.node})
    if held:
        raise InputError(
            f"a frozen graph has no hash tables, and this one needs {held[0]!r}: write a "
            "SavedModel, which keeps them, or cut the graph behind them (--input NODE)"
        )
    flat = flat.with_constants()
    named_by_signature(flat)
    for node in flat.graph.node:
        if node.op == "Const":
            compact(node.attr["value"].tensor)
    write_bytes(target, flat.graph.SerializeToString(deterministic=True))


def write_saved_model(flat: FlatGraph, target: Path) -> None:
    """Write a folder with the same signatures and with the constants as variables.

    Raises
    ------
    OutputError
        If the path exists and is not a SavedModel.
    """
    with eager_mode():  # a script for TF1 may have turned it off
        _write_saved_model(flat, target)


def _write_saved_model(flat: FlatGraph, target: Path) -> None:
    module, functions = served(flat)
    with atomic_folder(target, marker="saved_model.pb") as folder, tensorflow_writes(target):
        tf.saved_model.save(module, str(folder), signatures=functions)


def served(flat: FlatGraph) -> tuple[Any, dict[str, Any]]:
    """Return a module with the variables and tables of a graph, and a function a signature.

    A function takes and returns tensors by the names of its signature, as long as the module lives.
    """
    module = tf.Module()
    module.weights = []
    present = {node.name for node in flat.graph.node}
    module.tables = {n: table.made() for n, table in flat.tables.items() if n in present}
    variables: dict[str, Any] = {}
    graph = graph_pb2.GraphDef(versions=flat.graph.versions, library=flat.graph.library)
    for node in flat.graph.node:
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        if node.name in module.tables:
            continue
        if node.name in flat.lazy:
            variables[node.name] = _variable(flat.lazy[node.name].tensor(), node.name)
            module.weights.append(variables[node.name])
        elif tensor is not None and _is_variable(node, tensor):
            # As variables, all types stay on one device; integer constants may be placed elsewhere.
            value = array_of(tensor, f"the constant {node.name!r}")
            variables[node.name] = _variable(value, node.name)
            module.weights.append(variables[node.name])
        else:
            graph.node.add().CopyFrom(node)
    rename_functions(graph)
    for function in graph.library.function:  # calls look for them here; an import leaves them out
        if not context().has_function(function.signature.name):
            context().add_function_def(function)
    for node in graph.node:  # they have no side effect to wait for
        gone = variables.keys() | module.tables.keys()
        kept = [ref for ref in node.input if ref[0] != "^" or ref[1:] not in gone]
        node.ClearField("input")
        node.input.extend(kept)
    made: dict[str, Any] = {}
    alike: dict[str, dict[str, Signature]] = {}
    for name, signature in flat.signatures.items():
        alike.setdefault(repr(sorted(signature.inputs.values())), {})[name] = signature
    for signatures in alike.values():
        made |= _functions(graph, signatures, variables, module.tables)
    functions = {name: made[name] for name in flat.signatures}
    module.functions = list(functions.values())
    return module, functions


def _variable(value: Any, name: str) -> Any:
    """Return a variable that keeps the name of a node, so that it is found by it again."""
    return tf.Variable(value, trainable=False, name=name)


def _is_variable(node: Any, tensor: Any) -> bool:
    """Return whether a constant is stored as a variable.

    One that waits for a node may stand inside a loop of TensorFlow 1, which variables do not.
    """
    waits = any(reference[0] == "^" for reference in node.input)
    return tensor.ByteSize() >= _SMALL and tensor.dtype != tf.string and not waits


def input_specs(graph: Any, signature: Signature) -> dict[str, Any]:
    """Return the `TensorSpec` of every input, by its name in the signature."""
    nodes = Flow(graph.node).nodes
    specs = {}
    for name, tensor in signature.inputs.items():
        attributes = nodes[node_name(tensor)].attr
        shape = tf.TensorShape(attributes["shape"].shape if "shape" in attributes else None)
        specs[name] = tf.TensorSpec(shape, tf.dtypes.as_dtype(attributes["dtype"].type), name=name)
    return specs


def named_by_signature(flat: FlatGraph) -> FlatGraph:
    """Rename the nodes of a single signature to its names: `ids` for `serving_default_ids`.

    The graph is changed in place.
    """
    if len(flat.signatures) != 1:
        return flat
    ((key, signature),) = flat.signatures.items()
    taken = {node.name for node in flat.graph.node}
    names: dict[str, str] = {}
    for name, tensor in (*signature.inputs.items(), *signature.outputs.items()):
        node, _, port = tensor.partition(":")
        if port in ("", "0") and name not in taken and node not in names:
            names[node] = name
            taken.add(name)
    for node in flat.graph.node:
        node.name = names.get(node.name, node.name)
        references = [_renamed(reference, names) for reference in node.input]
        node.ClearField("input")
        node.input.extend(references)
    ends = (signature.inputs, signature.outputs)
    renamed = [{name: _renamed(tensor, names) for name, tensor in each.items()} for each in ends]
    return replace(flat, signatures={key: Signature(*renamed)})


def _renamed(reference: str, names: dict[str, str]) -> str:
    mark = "^" if reference[0] == "^" else ""
    name, colon, port = reference.removeprefix("^").partition(":")
    return f"{mark}{names.get(name, name)}{colon}{port}"


def _functions(
    graph: Any,
    signatures: dict[str, Signature],
    variables: dict[str, Any],
    tables: dict[str, Any],
) -> dict[str, Any]:
    """Return the functions of signatures with the same inputs, whose nodes are stored once.

    Estimators give one computation several names, and their signatures differ in the outputs.
    """
    same = {name: repr((sorted(s.inputs.items()), sorted(s.outputs.items())))
            for name, s in signatures.items()}  # fmt: skip
    first = {key: signatures[name] for name, key in same.items()}
    if len(first) == 1:
        (signature,) = first.values()
        return dict.fromkeys(signatures, _function(graph, signature, variables, tables))
    fed = sorted({tensor for each in first.values() for tensor in each.inputs.values()})
    ends = sorted({tensor for each in first.values() for tensor in each.outputs.values()})
    places = {tensor: f"input_{n}" for n, tensor in enumerate(fed)}
    results = {tensor: f"output_{n}" for n, tensor in enumerate(ends)}
    whole = Signature(
        {name: tensor for tensor, name in places.items()},
        {name: tensor for tensor, name in results.items()},
    )
    inner = _function(graph, whole, variables, tables)

    def part(signature: Signature) -> Any:
        def serve(**inputs: Any) -> dict[str, Any]:
            given = {places[tensor]: inputs[name] for name, tensor in signature.inputs.items()}
            found = inner(**given)
            return {name: found[results[tensor]] for name, tensor in signature.outputs.items()}

        function = tf.function(serve, autograph=False)
        return function.get_concrete_function(**input_specs(graph, signature))

    parts = {key: part(signature) for key, signature in first.items()}
    return {name: parts[key] for name, key in same.items()}


def _function(
    graph: Any, signature: Signature, variables: dict[str, Any], tables: dict[str, Any]
) -> Any:
    own = pruned_to(graph, [node_name(name) for name in signature.outputs.values()])
    read = {node_name(ref) for node in own.node for ref in node.input}
    ends = {node_name(name) for name in signature.outputs.values()}
    gone = {node_name(tensor) for tensor in signature.inputs.values()}
    specs = input_specs(own, signature)
    bare = graph_pb2.GraphDef(versions=own.versions, library=own.library)
    bare.node.extend(node for node in own.node if node.name not in gone or node.name in ends)

    def serve(**inputs: Any) -> dict[str, Any]:
        fed = {tensor: inputs[name] for name, tensor in signature.inputs.items()}
        fed |= {
            f"{n}:0": tf.convert_to_tensor(value) for n, value in variables.items() if n in read
        }
        own = tf.compat.v1.get_default_graph()
        fed |= {f"{n}:0": own.capture(t.resource_handle) for n, t in tables.items() if n in read}
        found = tf.graph_util.import_graph_def(
            bare, input_map=fed, return_elements=list(signature.outputs.values()), name=""
        )
        return dict(zip(signature.outputs, found, strict=True))

    function: Any = serve
    if any(node.op == "Enter" for node in bare.node):
        # A `tf.function` orders nodes with state by control edges, which enter loops of TensorFlow
        # 1 from outside; a wrapped function, called by it, does not.
        wrapped = tf.compat.v1.wrap_function(
            lambda *values: serve(**dict(zip(specs, values, strict=True))), list(specs.values())
        )

        def function(**inputs: Any) -> dict[str, Any]:
            found: dict[str, Any] = wrapped(*(inputs[name] for name in specs))
            return found

    return tf.function(function, autograph=False).get_concrete_function(**specs)


def predicted(flat: FlatGraph, signature: Signature, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs of one signature, computed in a TensorFlow session."""
    with tf.Graph().as_default() as scope, tf.compat.v1.Session(graph=scope) as session:
        tf.graph_util.import_graph_def(flat.with_constants().graph, name="")
        fed = {signature.inputs[name]: np.asarray(value) for name, value in inputs.items()}
        found: dict[str, Any] = session.run(dict(signature.outputs), fed)
        return found
