"""Makes a look-up of ragged groups of rows a plain gather.

`RaggedGather` picks whole groups of a table's rows, of different lengths. It picks the same groups
of the rows' numbers, and these are looked up.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import tensorflow as tf

from embzip.foreign.formats.graphs import Flow
from embzip.foreign.graph.flat_graphs import FlatGraph, Signature
from embzip.foreign.graph.nodes import Nodes
from embzip.foreign.graph.table_reads import rows_of_ragged, stored

_INT = tf.int32


def with_plain_gathers(flat: FlatGraph, table: str) -> FlatGraph:
    """Return the graph with gathers of a table's rows instead of ragged ones."""
    flow = Flow(flat.graph.node)
    made = Nodes(flat.graph)
    moved: dict[str, str] = {}
    for node in flat.graph.node:
        place = rows_of_ragged(node)
        if place is None or flow.source(node.input[place]) != table:
            made.keep(node)
            continue
        rows = stored(flat, flow, table)[1][0]
        made.constant(f"{node.name}/numbers", np.arange(rows, dtype=np.int32))
        inputs = list(node.input)
        inputs[place] = f"{node.name}/numbers"
        made.keep(node, inputs)
        kept = made.graph.node[-1]
        kept.attr.pop("_output_shapes", None)
        kind = tf.dtypes.as_dtype(kept.attr["Tvalues"].type)
        kept.attr["Tvalues"].type = _INT.as_datatype_enum
        values = f"{node.name}:{kept.attr['OUTPUT_RAGGED_RANK'].i}"  # behind the outputs' splits
        moved[values] = f"{node.name}/rows"
        made.gather(moved[values], node.input[place], values, kind, _INT)
    if not moved:
        return flat
    own = set(moved.values())
    for node in made.graph.node:
        if node.name not in own:
            inputs = [moved.get(reference, reference) for reference in node.input]
            node.ClearField("input")
            node.input.extend(inputs)
    signatures = {
        name: Signature(each.inputs, _moved(each.outputs, moved))
        for name, each in flat.signatures.items()
    }
    return replace(flat, graph=made.graph, signatures=signatures)


def _moved(outputs: Mapping[str, str], moved: Mapping[str, str]) -> dict[str, str]:
    return {
        key: f"{moved[tensor]}:0" if tensor in moved else tensor for key, tensor in outputs.items()
    }
