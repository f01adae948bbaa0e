"""Inspects SavedModel folders: parses the graph, and reads the variables as a checkpoint.

Nothing is loaded into TensorFlow, and no node runs.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow.core.protobuf import saved_model_pb2

from embzip.errors import InputError, MissingFileError
from embzip.foreign.formats.bundles import Bundle
from embzip.foreign.formats.checkpoints import variables, with_roles
from embzip.foreign.formats.frozen import role_of_constant
from embzip.foreign.formats.graphs import (
    Flow,
    called,
    constants,
    count_nodes,
    functions_of,
    node_name,
    parse_message,
)
from embzip.foreign.formats.kinds import saved_model_file
from embzip.foreign.formats.names import with_embedding
from embzip.foreign.formats.variable_slices import checkpoint_slices, gathered_tables
from embzip.inspection import ArtefactRecord, Role, StoredTensor, make_record


def read_meta_graph(folder: Path) -> Any:
    """Return the `MetaGraphDef` for serving, or the only one.

    Raises
    ------
    InputError
        For a damaged file, or several graphs none of which is tagged `serve`.
    """
    path = saved_model_file(folder)
    if path is None:
        raise MissingFileError(f"{folder}: expected a saved_model.pb in this folder, found none")
    model = parse_message(saved_model_pb2.SavedModel(), path)
    graphs = list(model.meta_graphs)
    if len(graphs) > 1:
        graphs = [g for g in graphs if set(g.meta_info_def.tags) == {"serve"}]
    if len(graphs) != 1:
        raise InputError(
            f"{path}: expected one graph, or one tagged 'serve', found {len(model.meta_graphs)}"
        )
    return graphs[0]


def inspect_saved_model(folder: Path) -> ArtefactRecord:
    """Return what takes up the bytes of a SavedModel."""
    meta = read_meta_graph(folder)
    graph = meta.graph_def
    flow = Flow(graph.node)
    outputs = [
        node_name(output.name)
        for name, signature in meta.signature_def.items()
        if name != "__saved_model_init_op"
        for output in signature.outputs.values()
    ]
    used = flow.behind(outputs) if outputs else set(flow.nodes)
    functions = functions_of(graph.library)
    reached = called((flow.nodes[name] for name in used if name in flow.nodes), functions)
    inner = [node for name in sorted(functions) for node in functions[name].node_def]
    kept = {id(node) for name in reached for node in functions[name].node_def}
    kept |= {id(flow.nodes[name]) for name in used if name in flow.nodes}
    tables = gathered_tables(graph)
    found = list(constants(graph.node, lambda n: _role(n, tables, n.name in used)))
    for name in sorted(functions):
        found += _inner_constants(name, functions[name].node_def, name in reached)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found += _assets(folder, files)
    if (folder / "variables" / "variables.index").is_file():
        bundle = Bundle(folder / "variables" / "variables")
        weights = list(variables(bundle))
        slices = checkpoint_slices(graph)
        named = {slices[table].key for table in tables if table in slices}
        needed = {piece.key for variable, piece in slices.items() if variable in used}
        if named:
            weights = [
                replace(w, role="other_variables") if w.role == "embedding" else w for w in weights
            ]
            weights = with_roles(weights, named)
        weights = with_roles(weights, _copied(weights, bundle))
        found += [replace(w, needed=w.name in needed) if outputs and slices else w for w in weights]
    every = [*graph.node, *inner]
    return make_record(
        folder,
        "savedmodel",
        files,
        with_embedding(found),
        count_nodes(every, lambda node: id(node) in kept),
    )


def _copied(weights: list[StoredTensor], bundle: Bundle) -> set[str]:
    """Return the names of tables that are stored twice, as in Keras' exports."""
    kinds = {(w.dtype, w.shape): w.name for w in weights if w.role == "embedding"}
    return {
        weight.name
        for weight in weights
        if weight.role == "other_variables"
        and (table := kinds.get((weight.dtype, weight.shape)))
        and np.array_equal(bundle.read(weight.name), bundle.read(table))
    }


def _inner_constants(name: str, nodes: Any, used: bool) -> list[StoredTensor]:
    tables = {table for _, table in Flow(nodes).gathered()}
    return list(constants(nodes, lambda node: _role(node, tables, used), f"{name}/"))


def _role(node: Any, tables: set[str], used: bool) -> tuple[Role, bool]:
    # Constants that no signature reaches are initial values and names of saved tensors.
    return (role_of_constant(node, tables) if used else "graph_constants"), used


def _assets(folder: Path, files: list[Path]) -> list[StoredTensor]:
    return [
        StoredTensor(str(path.relative_to(folder)), "vocabulary", "string", (), path.stat().st_size)
        for path in files
        if path.parent.name == "assets" and path.stat().st_size
    ]
