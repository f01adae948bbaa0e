"""Inspects checkpoints of TF1 and TF2, given as a folder, a prefix or any one of their files.

The .meta of a TF1 checkpoint is parsed: it identifies the embedding and the optimizer's slots
exactly, and often contains a copy of the initial table as a constant.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import meta_graph_pb2

from embzip.errors import MissingFileError
from embzip.foreign.formats.bundles import OBJECT_GRAPH, Bundle, Entry
from embzip.foreign.formats.graphs import (
    Flow,
    constants,
    count_nodes,
    inference_outputs,
    parse_message,
    slots,
)
from embzip.foreign.formats.kinds import find_prefix
from embzip.foreign.formats.names import role_of_name, with_embedding
from embzip.foreign.formats.object_graphs import Trackable, read_objects
from embzip.foreign.formats.variable_slices import checkpoint_slices
from embzip.inspection import ArtefactRecord, NodeCounts, Role, StoredTensor, make_record

_TABLE = re.compile(r"(^|/)_?embeddings$")
_Shapes = Mapping[str, tuple[int, ...]]


def read_meta(prefix: Path) -> Any:
    """Return the `MetaGraphDef` of a TF1 checkpoint, or None if it has no .meta file."""
    path = Path(f"{prefix}.meta")
    return parse_message(meta_graph_pb2.MetaGraphDef(), path) if path.is_file() else None


def inspect_checkpoint(path: Path) -> ArtefactRecord:
    """Return what takes up the bytes of a checkpoint."""
    prefix = find_prefix(path)
    if prefix is None:
        raise MissingFileError(
            f"{path}: expected a checkpoint, PREFIX.index and .data files, found none"
        )
    bundle = Bundle(prefix)
    meta = read_meta(prefix)
    files = list(bundle.files)
    if meta is not None:
        files.append(Path(f"{prefix}.meta"))
    if path.is_dir() and (path / "checkpoint").is_file():
        files.append(path / "checkpoint")
    tensors = list(variables(bundle, meta))
    nodes = NodeCounts()
    if meta is not None:
        flow = Flow(meta.graph_def.node)
        used = flow.behind(inference_outputs(flow))
        tensors += constants(meta.graph_def.node, lambda _: ("graph_constants", False))
        nodes = count_nodes(meta.graph_def.node, lambda node: node.name in used)
    return make_record(path if path.is_dir() else prefix, "checkpoint", files, tensors, nodes)


def variables(bundle: Bundle, meta: Any = None) -> Iterator[StoredTensor]:
    """Yield the tensors of a bundle with their roles."""
    objects = read_objects(bundle)
    entries = [entry for entry in bundle.entries() if entry.name != OBJECT_GRAPH]
    shapes = {entry.name: entry.shape for entry in entries}
    if objects:
        found = _by_objects(entries, objects, shapes)
    elif meta is not None:
        found = _by_graph(entries, meta.graph_def, shapes)
    else:
        found = [_tensor(entry, role_of_name(entry.name, entry.dtype, shapes)) for entry in entries]
    yield from with_embedding(found)


def _by_graph(entries: list[Entry], graph: Any, shapes: _Shapes) -> list[StoredTensor]:
    flow = Flow(graph.node)
    slices = checkpoint_slices(graph)

    def keys(variables: Iterable[str]) -> set[str]:
        return {slices[name].key for name in variables if name in slices}

    tables = keys(table for _, table in flow.gathered())
    only_training = keys(slots(flow))
    read = keys(flow.behind(inference_outputs(flow)))
    tensors = []
    for entry in entries:
        role = role_of_name(entry.name, entry.dtype, shapes)
        if role == "optimizer" and entry.name in read:
            role = "other_variables"  # whatever its name: an output depends on it
        if entry.name in only_training:
            role = "optimizer"
        elif entry.name in tables and len(entry.shape) == 2:
            role = "embedding"
        tensors.append(_tensor(entry, role))
    return tensors


def _by_objects(
    entries: list[Entry], objects: Mapping[str, Trackable], shapes: _Shapes
) -> list[StoredTensor]:
    tensors = []
    for entry in entries:
        known = objects.get(entry.name)
        role = role_of_name(entry.name, entry.dtype, shapes)
        if known is not None:
            names = (*known.paths, known.full_name)
            table = len(entry.shape) == 2 and any(map(_TABLE.search, names))
            plain: Role = "vocabulary" if entry.dtype == "string" else "other_variables"
            role = "optimizer" if known.training else "embedding" if table else plain
        tensors.append(_tensor(entry, role))
    return tensors


def _tensor(entry: Entry, role: Role) -> StoredTensor:
    return StoredTensor(
        entry.name, role, entry.dtype, entry.shape, entry.nbytes, needed=role != "optimizer"
    )


def with_roles(tensors: list[StoredTensor], tables: set[str]) -> list[StoredTensor]:
    """Return the tensors, with the role of those in `tables` set to embedding."""
    return [replace(t, role="embedding") if t.name in tables else t for t in tensors]
