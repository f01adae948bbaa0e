"""Rebuilds a flat graph on a compressed table: replaces gathers by look-up and decoding.

The decoding nodes are traced by TensorFlow from the codec's arithmetic, and inserted for each
gather. All other nodes of the graph are kept unchanged.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import graph_pb2

from embzip.embedding import CompressedEmbedding
from embzip.errors import InputError, MismatchError, UnsupportedModelError
from embzip.files.records import parse_json
from embzip.foreign.formats.graphs import GATHERS, Flow, node_name
from embzip.foreign.formats.names import clean
from embzip.foreign.formats.tensor_protos import array_of
from embzip.foreign.graph.flat_graphs import FlatGraph
from embzip.foreign.graph.grappler import pruned_to
from embzip.foreign.graph.ragged_reads import with_plain_gathers
from embzip.foreign.graph.table_reads import (
    FLOATS,
    PASSING,
    joined,
    reads,
    stored,
    tables_in_parts,
    values_of,
    with_gathers,
)
from embzip.layers.keras_ops import keras_ops

_TOLD = "_embzip_table"  # an attribute of the node that has a compressed table's rows


def found_tables(flat: FlatGraph) -> dict[str, tuple[tuple[int, ...], list[str]]]:
    """Return the shape and the look-ups of each table of the graph, by its name.

    Tables hold float32, float16 or bfloat16. One in parts has one name, and each part its own.
    Of what decodes a table that is compressed already, only codes that are floats are one: they
    have its number of rows.
    """
    flow = Flow(flat.graph.node)
    tables: dict[str, tuple[tuple[int, ...], list[str]]] = {}
    decoding = _decoding(flow)
    compressed_rows = {rows for _, _, rows, _ in compressed_tables(flat)}
    for read, table in reads(flow):
        dtype, shape = stored(flat, flow, table)
        if table in decoding and shape[:1] and shape[0] not in compressed_rows:
            continue  # a codec's own, such as points
        if len(shape) == 2 and dtype in FLOATS:
            tables.setdefault(table, (shape, []))[1].append(read)
    for parts in tables_in_parts(flat, flow):
        if all(name in tables for name in parts.names):
            shapes = [tables.pop(name)[0] for name in parts.names]
            whole = (sum(shape[0] for shape in shapes), shapes[0][1])
            tables[parts.name] = (whole, sorted(parts.stitches))
    return tables


def chosen_tables(flat: FlatGraph, names: Sequence[str] = (), *, every: bool = False) -> list[str]:
    """Return the named tables; without names the only one, or every one.

    Raises
    ------
    UnsupportedModelError
        If there is no such table, or, without a name, more than one. The message lists them.
    """
    tables = found_tables(flat)
    listed = "; ".join(
        f"{table!r} ({shape[0]} x {shape[1]}, read by {', '.join(map(repr, lookups))})"
        for table, (shape, lookups) in sorted(tables.items())
    )
    parts = {part for each in tables_in_parts(flat, Flow(flat.graph.node)) for part in each.names}
    chosen = []
    for name in names:
        known = flat.keys.get(clean(name), name)
        if known not in tables and known not in parts:
            raise UnsupportedModelError(
                f"the graph has no table {name!r} that a look-up reads; its tables: "
                f"{listed or 'none'}"
            )
        chosen.append(known)
    if names or (every and tables):
        return chosen or sorted(tables)
    if len(tables) == 1:
        return list(tables)
    coded = ", ".join(f"{name!r} as {codec}" for name, codec, _, _ in compressed_tables(flat))
    none = f"none that is not compressed ({coded}): begin with the file before" if coded else "none"
    raise UnsupportedModelError(
        "expected one table that a look-up reads, found "
        + (f"several: choose with --layer, or --all: {listed}" if tables else none)
    )


def prepared(flat: FlatGraph, name: str, *, tied: bool = False) -> FlatGraph:
    """Return the graph with one table of a name, read by plain gathers.

    Parameters
    ----------
    tied
        Whether what needs the whole table, such as an output layer, is to read all rows decoded.
    """
    flow = Flow(flat.graph.node)
    for parts in tables_in_parts(flat, flow):
        if parts.name == name:
            flat = joined(flat, parts)
            flat = replace(flat, graph=pruned_to(flat.graph, flat.outputs))
    return with_gathers(with_plain_gathers(flat, name), name, whole=tied)


def table_of(flat: FlatGraph, name: str) -> NDArray[np.float32]:
    """Return the values of a table, as float32."""
    return values_of(flat, name).astype(np.float32)


def with_compressed_table(flat: FlatGraph, name: str, embedding: CompressedEmbedding) -> FlatGraph:
    """Return the graph with a compressed table instead of one that `prepared` prepared.

    Parameters
    ----------
    name
        The name of the table's node, from `chosen_tables`.
    embedding
        A table with as many rows and columns. Its padding row, if it has one, reads as zeros.

    Raises
    ------
    MismatchError
        If the shapes differ.
    UnsupportedModelError
        If any other operator than a plain gather reads the table.
    """
    graph = flat.graph
    flow = Flow(graph.node)
    _, shape = stored(flat, flow, name)
    if shape != embedding.shape:
        raise MismatchError(
            f"the table {name!r} is {shape[0]} x {shape[1]}, but the embedding has "
            f"{embedding.rows} rows of {embedding.dim}: both must have the same rows and columns"
        )
    gone, gathers = _readers(flow, name)
    prefix = f"{name}/compressed"
    while any(other.startswith(f"{prefix}/") for other in flow.nodes):
        prefix += "_"
    types = [flow.nodes[gather].attr["Tindices"].type for gather in gathers]
    fed = {
        f"{prefix}/ids_{number}": flow.nodes[gather].input[1]
        for number, gather in enumerate(gathers)
    }
    renamed = {f"{prefix}/rows_{number}": gather for number, gather in enumerate(gathers)}
    made = graph_pb2.GraphDef(versions=graph.versions, library=graph.library)
    results = [flow.nodes[gather].attr["Tparams"].type for gather in gathers]
    for node in decoder(embedding, prefix, types, results).node:
        if node.name in fed:
            continue
        added = made.node.add()
        added.CopyFrom(node)
        added.name = renamed.get(node.name, node.name)
        added.ClearField("input")
        added.input.extend(fed.get(node_name(ref), ref) for ref in node.input)
        if node.name in renamed:
            told = (name, embedding.codec.spec, *embedding.shape)
            added.attr[_TOLD].s = json.dumps(told).encode()
    dropped = gone | set(gathers)
    for node in graph.node:
        if node.name in dropped:
            continue
        kept = made.node.add()
        kept.CopyFrom(node)
        kept.attr.pop("_class", None)
        kept.ClearField("input")
        kept.input.extend(ref for ref in node.input if ref[0] != "^" or ref[1:] not in gone)
    lazy = {other: constant for other, constant in flat.lazy.items() if other not in gone}
    return replace(flat, graph=made, lazy=lazy)


def _readers(flow: Flow, table: str) -> tuple[set[str], list[str]]:
    """Return the table's node and those that only forward it, and the gathers that read it."""
    passing, gathers, waiting = {table}, [], [table]
    while waiting:
        name = waiting.pop()
        for consumer in flow.consumers(name):
            node = flow.nodes[consumer]
            places = [i for i, ref in enumerate(node.input) if node_name(ref) == name]
            if all(node.input[place][0] == "^" for place in places):
                continue
            if node.op in PASSING and places == [0]:
                if consumer not in passing:
                    passing.add(consumer)
                    waiting.append(consumer)
            elif node.op in GATHERS and places == [0] and _takes_rows(flow, node):
                if consumer not in gathers:
                    gathers.append(consumer)
            else:
                raise UnsupportedModelError(
                    f"only look-ups of rows may read the table {table!r}, and {consumer!r} "
                    f"({node.op}) reads it too, and needs it at full size: --tied decodes all rows "
                    "for it at each run; or give that operator its own variable first"
                )
    return passing, sorted(gathers)


def _decoding(flow: Flow) -> set[str]:
    """Return the nodes that make the rows of compressed tables, and the ids of those rows."""
    found: set[str] = set()
    waiting = [name for name, node in flow.nodes.items() if _TOLD in node.attr]
    while waiting:
        name = waiting.pop()
        if name not in found and name in flow.nodes:
            found.add(name)
            waiting += map(node_name, flow.nodes[name].input)
    return found


def _takes_rows(flow: Flow, node: Any) -> bool:
    if node.attr["batch_dims"].i:
        return False
    if node.op != "GatherV2":
        return True
    axis = flow.nodes.get(flow.source(node.input[2]))
    if axis is None or axis.op != "Const":
        return False
    place = array_of(axis.attr["value"].tensor, f"the constant {axis.name!r}")
    return place.shape == () and int(place) == 0


def compressed_tables(flat: FlatGraph) -> Iterator[tuple[str, str, int, int]]:
    """Yield name, codec, rows and dim of each table that `with_compressed_table` has put in."""
    told = {node.attr[_TOLD].s for node in flat.graph.node if _TOLD in node.attr}
    for content in sorted(told):
        match parse_json(content, "the graph", error=InputError):
            case [str(name), str(codec), int(rows), int(dim)]:
                yield name, codec, rows, dim


def decoder(
    embedding: CompressedEmbedding, prefix: str, types: list[int], results: list[int]
) -> Any:
    """Return a graph with, for each gather, a placeholder `ids_N` and its decoded rows `rows_N`."""
    codec = embedding.codec
    with tf.Graph().as_default() as graph, tf.name_scope(f"{prefix}/"):
        codes = {name: tf.constant(array, name=name) for name, array in embedding.codes.items()}
        params = {
            name: tf.constant(array, name=f"stage_{name}")
            for name, array in {**embedding.params, **embedding.tables}.items()
        }
        for number, (dtype, result) in enumerate(zip(types, results, strict=True)):
            ids = tf.compat.v1.placeholder(tf.dtypes.as_dtype(dtype), name=f"ids_{number}")
            flat = tf.reshape(ids, [-1])
            taken = codec.quantizer.take(codes, flat, keras_ops)
            rows = codec.decode(taken, params, keras_ops)
            if embedding.pad_id is not None:
                shown = tf.not_equal(flat, tf.cast(embedding.pad_id, flat.dtype))
                rows = rows * tf.cast(shown, tf.float32)[:, None]
            shape = tf.concat([tf.shape(ids), [embedding.dim]], axis=0)
            kind = tf.dtypes.as_dtype(result or tf.float32.as_datatype_enum)
            if kind != tf.float32:
                rows = tf.cast(rows, kind)
            tf.reshape(rows, shape, name=f"rows_{number}")
        return graph.as_graph_def()
