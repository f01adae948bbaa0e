"""Makes every read of a table a plain gather of rows, so that decoding can take its place.

A sum of rows (`SparseSegmentSum` and its relatives) gathers first; the product of a one-hot matrix
and a table is a gather; a table in parts, of which each look-up takes the rows it has and a stitch
puts them in order, becomes one. What reads the whole table, as an output layer that is tied to it,
may read all rows, decoded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.foreign.formats.graphs import GATHERS, IDENTITIES, Flow, node_name
from embzip.foreign.formats.tensor_protos import array_of, dtype_name, shape_of
from embzip.foreign.graph.flat_graphs import FlatGraph
from embzip.foreign.graph.lazy_constants import LazyConstant, write_constant, write_placeholder
from embzip.foreign.graph.nodes import Nodes

FLOATS = ("float32", "float16", "bfloat16")
PASSING = IDENTITIES | {"Cast"}
_SUMS = frozenset(
    f"SparseSegment{kind}{end}"
    for kind in ("Sum", "Mean", "SqrtN")
    for end in ("", "V2", "WithNumSegments", "WithNumSegmentsV2")
)
_STITCHES = frozenset({"ParallelDynamicStitch", "DynamicStitch"})


@dataclass(frozen=True)
class Parts:
    """A table in parts.

    Attributes
    ----------
    names
        The nodes of the parts.
    stitches
        Look-up -> the node of each id's part, and that of its place there.
    interleaved
        Whether row i is in part i % n, at i // n; otherwise part follows part.
    """

    names: tuple[str, ...]
    stitches: Mapping[str, tuple[str, str]]
    interleaved: bool

    @property
    def name(self) -> str:
        """What the name of the first part begins with."""
        return re.sub(r"(/part)?_?\d+$", "", self.names[0])


def stored(flat: FlatGraph, flow: Flow, name: str) -> tuple[str, tuple[int, ...]]:
    """Return the type and shape of a constant; ("", ()) for any other node."""
    if name in flat.lazy:
        return dtype_name(flat.lazy[name].dtype), flat.lazy[name].shape
    if name not in flow.nodes or flow.nodes[name].op != "Const":
        return "", ()
    tensor = flow.nodes[name].attr["value"].tensor
    return dtype_name(tensor.dtype), shape_of(tensor.tensor_shape)


def values_of(flat: FlatGraph, name: str) -> NDArray[Any]:
    """Return the values of a constant, in its own type."""
    if name in flat.lazy:
        return flat.lazy[name].values()
    tensor = Flow(flat.graph.node).nodes[name].attr["value"].tensor
    return array_of(tensor, f"the table {name!r}")


def reads(flow: Flow) -> Iterator[tuple[str, str]]:
    """Yield (node, table) for what looks up rows of a table, in whatever way."""
    for node in flow.nodes.values():
        if (node.op in GATHERS or node.op in _SUMS or node.op == "GatherNd") and node.input:
            yield node.name, flow.source(node.input[0])
        elif node.op == "MatMul" and _one_hot(flow, node) is not None:
            yield node.name, flow.source(node.input[1])
        elif (place := rows_of_ragged(node)) is not None:
            yield node.name, flow.source(node.input[place])


def rows_of_ragged(node: Any) -> int | None:
    """Return which input of a ragged look-up has the rows; None for any other node."""
    return node.attr["PARAMS_RAGGED_RANK"].i if node.op == "RaggedGather" else None


def tables_in_parts(flat: FlatGraph, flow: Flow) -> list[Parts]:
    """Return the tables that are looked up part by part and stitched together."""
    found: dict[tuple[str, ...], Parts] = {}
    for node in flow.nodes.values():
        if node.op not in _STITCHES:
            continue
        count = node.attr["N"].i
        indices, pieces = list(node.input[:count]), list(node.input[count : 2 * count])
        order, places, names = set(), set(), []
        for index, piece in zip(indices, pieces, strict=False):
            order.add(node_name(index))
            gather = flow.nodes.get(_through_identities(flow, piece))
            if gather is None or gather.op not in GATHERS:
                break
            names.append(flow.source(gather.input[0]))
            places.add(node_name(gather.input[1]))
        if len(names) != count or len(order) != 1 or len(places) != 1:
            continue
        first, second = (flow.nodes.get(name) for name in (*order, *places))
        if (
            first is None
            or second is None
            or {first.op, second.op} != {"DynamicPartition"}
            or flow.source(first.input[1]) != flow.source(second.input[1])
            or flow.nodes[flow.source(first.input[0])].op != "Range"
            or len({stored(flat, flow, name)[1][1:] for name in names}) != 1
        ):
            continue
        interleaved = flow.nodes[flow.source(second.input[1])].op in ("FloorMod", "Mod")
        key = tuple(names)
        before = found[key].stitches if key in found else {}
        stitches = {**before, node.name: (second.input[1], second.input[0])}
        found[key] = Parts(key, stitches, interleaved)
    return list(found.values())


def joined(flat: FlatGraph, parts: Parts) -> FlatGraph:
    """Return the graph with one table instead of its parts, and gathers instead of stitches."""
    flow = Flow(flat.graph.node)
    shapes = [stored(flat, flow, name)[1] for name in parts.names]
    dtype = stored(flat, flow, parts.names[0])[0]
    rows = [shape[0] for shape in shapes]
    count = len(rows)

    def values() -> Any:
        arrays = [values_of(flat, name) for name in parts.names]
        if not parts.interleaved:
            return np.concatenate(arrays)
        table = np.empty((sum(rows), *arrays[0].shape[1:]), arrays[0].dtype)
        for place, array in enumerate(arrays):
            table[place::count] = array
        return table

    whole = LazyConstant(
        tf.dtypes.as_dtype(dtype).as_datatype_enum, (sum(rows), *shapes[0][1:]), values
    )
    name = parts.name
    while name in flow.nodes and name not in parts.names:
        name += "_"
    made = Nodes(flat.graph)
    lazy = dict(flat.lazy)
    if whole.large:
        write_placeholder(made.graph.node.add(), name, whole)
        lazy[name] = whole
    else:
        write_constant(made.graph.node.add(), name, values())
    firsts = np.cumsum([0, *rows[:-1]])
    for node in flat.graph.node:
        if node.name not in parts.stitches:
            made.keep(node)
            continue
        part, place = (f"{node.name}/{end}" for end in ("part", "place"))
        assigned, within = parts.stitches[node.name]
        made.add(part, "Cast", [assigned], SrcT=_type(flow, assigned, tf.int32), DstT=tf.int64)
        made.add(place, "Cast", [within], SrcT=_type(flow, within, tf.int64), DstT=tf.int64)
        if parts.interleaved:
            made.constant(f"{node.name}/parts", np.int64(count))
            made.add(f"{node.name}/block", "Mul", [place, f"{node.name}/parts"], T=tf.int64)
            ids = [f"{node.name}/block", part]
        else:
            made.constant(f"{node.name}/firsts", firsts.astype(np.int64))
            made.gather(f"{node.name}/first", f"{node.name}/firsts", part, tf.int64, tf.int64)
            ids = [f"{node.name}/first", place]
        made.add(f"{node.name}/ids", "AddV2", ids, T=tf.int64)
        made.gather(node.name, name, f"{node.name}/ids", tf.dtypes.as_dtype(dtype), tf.int64)
    return replace(flat, graph=made.graph, lazy=lazy)


def with_gathers(flat: FlatGraph, table: str, *, whole: bool) -> FlatGraph:
    """Return the graph with plain gathers of a table where something else reads rows of it.

    Parameters
    ----------
    whole
        Whether operators that read the whole table are to read a gather of all rows.
    """
    flow = Flow(flat.graph.node)
    rows = stored(flat, flow, table)[1][0]
    passing = _passing(flow, table)
    made = Nodes(flat.graph)
    for node in flat.graph.node:
        places = [
            i for i, ref in enumerate(node.input) if ref[0] != "^" and node_name(ref) in passing
        ]
        if not places or node.name in passing:
            made.keep(node)
        elif node.op in _SUMS and places == [0]:
            ids = tf.dtypes.as_dtype(node.attr["Tidx"].type or tf.int32.as_datatype_enum)
            kind = tf.dtypes.as_dtype(node.attr["T"].type)
            made.gather(f"{node.name}/rows", node.input[0], node.input[1], kind, ids)
            made.add(f"{node.name}/count", "Size", [node.input[1]], T=ids, out_type=ids)
            for end, number in (("first", 0), ("step", 1)):
                made.constant(f"{node.name}/{end}", ids.as_numpy_dtype(number))
            limits = [f"{node.name}/{end}" for end in ("first", "count", "step")]
            made.add(f"{node.name}/order", "Range", limits, Tidx=ids)
            made.keep(node, [f"{node.name}/rows", f"{node.name}/order", *node.input[2:]])
        elif node.op == "GatherNd" and places == [0]:
            ids = tf.dtypes.as_dtype(node.attr["Tindices"].type)
            kind = tf.dtypes.as_dtype(node.attr["Tparams"].type)
            made.add(f"{node.name}/ids", "Squeeze", [node.input[1]], T=ids, squeeze_dims=[-1])
            made.gather(node.name, node.input[0], f"{node.name}/ids", kind, ids)
        elif node.op == "MatMul" and places == [1] and (ids_of := _one_hot(flow, node)):
            _product(made, flow, node, ids_of, rows)
        elif whole and not (node.op in GATHERS and places == [0]):
            inputs = list(node.input)
            for place in places:
                kind = _type(flow, node.input[place], tf.float32)
                end = f"{node.name}/whole_{place}"
                made.constant(f"{end}/ids", np.arange(rows, dtype=np.int32))
                made.gather(end, node.input[place], f"{end}/ids", kind, tf.int32)
                inputs[place] = end
            made.keep(node, inputs)
        else:
            made.keep(node)
    return replace(flat, graph=made.graph)


def _product(made: Nodes, flow: Flow, node: Any, one_hot: str, rows: int) -> None:
    """Replace the product of a one-hot matrix and a table; an id outside it gives zeros."""
    name, source = node.name, flow.nodes[one_hot].input[0]
    kind = tf.dtypes.as_dtype(node.attr["T"].type)
    given = tf.dtypes.as_dtype(flow.nodes[one_hot].attr["TI"].type or tf.int64.as_datatype_enum)
    made.constant(f"{name}/flat", np.array([-1], np.int32))
    made.add(f"{name}/given", "Reshape", [source, f"{name}/flat"], T=given, Tshape=tf.int32)
    made.add(f"{name}/wide", "Cast", [f"{name}/given"], SrcT=given, DstT=tf.int64)
    made.constant(f"{name}/zero", np.int64(0))
    made.constant(f"{name}/last", np.int64(rows - 1))
    made.add(f"{name}/low", "Maximum", [f"{name}/wide", f"{name}/zero"], T=tf.int64)
    made.add(f"{name}/ids", "Minimum", [f"{name}/low", f"{name}/last"], T=tf.int64)
    made.gather(f"{name}/rows", node.input[1], f"{name}/ids", kind, tf.int64)
    made.add(f"{name}/inside", "Equal", [f"{name}/wide", f"{name}/ids"], T=tf.int64)
    made.add(f"{name}/factor", "Cast", [f"{name}/inside"], SrcT=tf.bool, DstT=kind)
    made.constant(f"{name}/axis", np.int32(-1))
    made.add(
        f"{name}/column", "ExpandDims", [f"{name}/factor", f"{name}/axis"], T=kind, Tdim=tf.int32
    )
    made.add(name, "Mul", [f"{name}/rows", f"{name}/column"], T=kind)


def _one_hot(flow: Flow, node: Any) -> str | None:
    """Return the one-hot matrix that a product multiplies its second factor by."""
    if node.attr["transpose_a"].b or node.attr["transpose_b"].b:
        return None
    name = _through_identities(flow, node.input[0], ("Reshape",))
    one_hot = flow.nodes.get(name)
    if one_hot is None or one_hot.op != "OneHot" or one_hot.attr["axis"].i != -1:
        return None
    ends = [flow.nodes.get(flow.source(reference)) for reference in one_hot.input[2:4]]
    if any(end is None or end.op != "Const" for end in ends):
        return None
    on, off = (array_of(end.attr["value"].tensor, "a one-hot matrix") for end in ends if end)
    return name if (float(on), float(off)) == (1.0, 0.0) else None


def _through_identities(flow: Flow, reference: str, more: tuple[str, ...] = ()) -> str:
    name = node_name(reference)
    while name in flow.nodes and flow.nodes[name].op in IDENTITIES | set(more):
        name = node_name(flow.nodes[name].input[0])
    return name


def _passing(flow: Flow, table: str) -> set[str]:
    """Return the table's node and those that only forward it."""
    passing, waiting = {table}, [table]
    while waiting:
        for consumer in flow.consumers(waiting.pop()):
            node = flow.nodes[consumer]
            read = node.input and node_name(node.input[0]) in passing and node.input[0][0] != "^"
            if node.op in PASSING and read and consumer not in passing:
                passing.add(consumer)
                waiting.append(consumer)
    return passing


def _type(flow: Flow, reference: str, default: Any) -> Any:
    """Return the type of a node's output, from the attribute that most operators have."""
    node = flow.nodes.get(node_name(reference))
    if node is None:
        return default
    for key in ("DstT", "T", "output_type", "dtype", "Tidx"):
        if key in node.attr and node.attr[key].type:
            return tf.dtypes.as_dtype(node.attr[key].type)
    return default
