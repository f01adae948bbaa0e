"""Hash tables of a graph: their keys and values, which an initializer beside the graph puts in.

A table is a node without contents; what a SavedModel or a checkpoint's graph runs first fills it:
from constants, or from a vocabulary among a SavedModel's assets. They are read here as data, and
written again as constants of an initializer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.eager.context import eager_mode

from embzip.errors import InputError
from embzip.files.reading import existing_file
from embzip.foreign.formats.graphs import Flow, node_name
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS
from embzip.foreign.formats.tensor_protos import array_of
from embzip.foreign.graph.allowed_ops import TABLES
from embzip.foreign.graph.grappler import inlined

_FROM_ARRAYS = frozenset({"InitializeTable", "InitializeTableV2", "LookupTableImportV2"})
_FROM_FILES = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
# Tables of the first kind are handed on as references, those of the second as resources.
_MODERN = {
    "HashTable": "HashTableV2",
    "LookupTableFind": "LookupTableFindV2",
    "LookupTableSize": "LookupTableSizeV2",
}
_COLLECTIONS = ("saved_model_main_op", "legacy_init_op", "table_initializer")
_LONGEST = 2**24  # numbers that a table may count
_INIT = "__saved_model_init_op"


@dataclass(frozen=True, eq=False)
class LookupTable:
    """The contents of a hash table.

    Attributes
    ----------
    keys, values
        (n,) whole numbers, floats, or bytes.
    """

    keys: NDArray[Any]
    values: NDArray[Any]

    @staticmethod
    def of(table: Any) -> "LookupTable":
        """Return the contents of a table of TensorFlow in memory, in the order of its values."""
        keys, values = (array.numpy() for array in table.export())
        order = np.lexsort((keys, values))
        return LookupTable(keys[order], values[order])

    def made(self) -> Any:
        """Return a `tf.lookup.StaticHashTable` of these contents."""
        keys, values = tf.constant(self.keys), tf.constant(self.values)
        # The graph's look-ups say what an unknown key gives.
        default = "" if values.dtype == tf.string else -1
        return tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, values),
            tf.constant(default, values.dtype) if default == "" else tf.cast(default, values.dtype),
        )


def stored_tables(meta: Any, path: Path, folder: Path | None = None) -> dict[str, LookupTable]:
    """Return the contents of the tables of a graph, by the names of their nodes.

    Parameters
    ----------
    meta
        A `MetaGraphDef`.
    folder
        Of a SavedModel, whose assets are in it; None for others.

    Raises
    ------
    InputError
        For a table that is filled from anything but constants and assets.
    MissingFileError
        For an asset that is missing.
    """
    graph = meta.graph_def
    if not any(node.op in TABLES for node in graph.node):
        return {}
    present = {node.name for node in graph.node}
    starts = (
        [t.name for t in meta.signature_def[_INIT].outputs.values()]
        if (_INIT in meta.signature_def)
        else []
    )
    for name in _COLLECTIONS:
        starts += meta.collection_def[name].node_list.value if name in meta.collection_def else []
    ends = sorted({node_name(start) for start in starts} & present)
    if not ends:
        return {}
    flat = inlined(graph, ends)
    flow = Flow(flat.node)
    assets = {node_name(a.tensor_info.name): a.filename for a in meta.asset_file_def}
    # TensorFlow 2 keeps the path of an asset in a variable, which is assigned first.
    assigned = {
        flow.source(node.input[0]): flow.source(node.input[1])
        for node in flat.node
        if node.op in ("Assign", "AssignVariableOp")
    }
    found = {}
    for node in flat.node:
        table = flow.source(node.input[0]) if node.input else ""
        if node.op in _FROM_ARRAYS:
            found[table] = LookupTable(
                *(_constant(flow, reference, path).reshape(-1) for reference in node.input[1:3])
            )
        elif node.op in _FROM_FILES:
            source = flow.source(node.input[1])
            asset = assets.get(assigned.get(source, source))
            if folder is None or asset is None or Path(asset).name != asset:
                raise InputError(
                    f"{path}: the table {table!r} is filled from a file that is no asset of a "
                    "SavedModel: pass the SavedModel, or name an output that does not need it"
                )
            found[table] = _of_asset(node, flow.nodes[table], folder / "assets" / asset)
    return found


def with_tables(
    graph: Any, stored: Mapping[str, LookupTable], path: Path
) -> dict[str, LookupTable]:
    """Make the tables of a graph such as are handed on as resources; return their contents.

    Raises
    ------
    InputError
        For a table without contents in the file. The message names it.
    """
    own = {}
    for node in graph.node:
        if node.op in TABLES:
            if node.name not in stored:
                raise InputError(
                    f"{path}: the hash table {node.name!r} is empty, because this file does not "
                    "keep what fills it: pass the SavedModel that it was made from, or cut the "
                    "graph behind it (--input)"
                )
            own[node.name] = stored[node.name]
        node.op = _MODERN.get(node.op, node.op)
    return own


def tables_of(layers: Iterable[Any]) -> dict[int, Any]:
    """Return the hash tables of Keras layers, by the ids of their handles."""
    seen: dict[int, Any] = {}
    for layer in layers:
        table = getattr(layer, "lookup_table", None)
        if hasattr(table, "export"):
            seen[id(table.resource_handle)] = table  # type: ignore[union-attr]
    return seen


def _constant(flow: Flow, reference: str, path: Path) -> NDArray[Any]:
    """Return a constant, or whole numbers in a row, as an `index_to_string` table has them."""
    name = flow.source(reference)
    node = flow.nodes.get(name)
    if node is not None and node.op == "Const":
        return array_of(node.attr["value"].tensor, f"{path}: the constant {name!r}")
    if node is None or node.op != "Range":
        raise InputError(
            f"{path}: a hash table is filled from {name!r}, which is no constant: name an output "
            "that does not need it, or save the model again with constants"
        )
    limits = [int(_constant(flow, each, path)) for each in node.input[:3]]
    made = range(*limits) if limits[2] else range(0)
    if len(made) > _LONGEST:
        raise InputError(
            f"{path}: a hash table is filled from {name!r}, {len(made):,} numbers in a row: more "
            "than is plausible"
        )
    # A cast behind it says of which type the keys are.
    before = flow.nodes.get(node_name(reference))
    kind = before.attr["DstT"].type if before is not None and before.op == "Cast" else 0
    kind = kind or node.attr["Tidx"].type or tf.int32.as_datatype_enum
    return np.array(made, tf.dtypes.as_dtype(kind).as_numpy_dtype)


def _of_asset(node: Any, table: Any, asset: Path) -> LookupTable:
    existing_file(asset)
    types = [tf.dtypes.as_dtype(table.attr[key].type) for key in ("key_dtype", "value_dtype")]
    size = node.attr["vocab_size"].i
    try:
        with eager_mode():
            filled = tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(
                    str(asset),
                    types[0],
                    node.attr["key_index"].i,
                    types[1],
                    node.attr["value_index"].i,
                    None if size < 1 else size,
                    node.attr["delimiter"].s.decode() or "\t",
                    value_index_offset=node.attr["offset"].i,
                ),
                tf.constant("", types[1]) if types[1] == tf.string else tf.cast(-1, types[1]),
            )
            return LookupTable.of(filled)
    except LIBRARY_ERRORS as error:
        why = " ".join(str(error).split())[:200]
        raise InputError(f"{asset}: TensorFlow cannot fill a hash table from it ({why})") from error
