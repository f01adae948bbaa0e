"""Traces the model of a Keras file to a graph, after checking the file.

Variables become constants, large ones become placeholders, so that the graph has no variables.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from embzip.errors import InputError, UnsupportedModelError
from embzip.foreign.formats.graphs import node_name
from embzip.foreign.formats.keras_models import load_keras
from embzip.foreign.graph.lazy_constants import LazyConstant, write_constant
from embzip.foreign.graph.lookup_tables import LookupTable, tables_of
from embzip.layers.finding import check_model, is_functional

_PREFIX = "weights_of_keras"  # of the names of placeholders


@dataclass(frozen=True)
class TracedModel:
    """A graph, the tensors of its inputs and outputs by name, large constants and tables."""

    graph: Any
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    lazy: Mapping[str, LazyConstant]
    tables: Mapping[str, LookupTable]


def traced_model(path: Path, wanted: Sequence[str] = (), *, rows: int | None = None) -> TracedModel:
    """Return the graph of a .keras or .h5 file.

    Inputs have the names they have in the model. Outputs have the names of their layers, or the
    keys of the dictionary that the model returns.

    Parameters
    ----------
    wanted
        The names of the outputs to compute; by default all.
    rows
        How many rows each run has, where that must be known; by default any number.

    Raises
    ------
    InputError
        For a damaged or hostile file, and unknown outputs.
    UnsupportedModelError
        For models that are not plain functional or sequential ones, and for layers with state
        other than variables and hash tables.
    """
    model = load_keras(path)
    check_model(model)
    arranged = model.input if is_functional(model) else model.inputs[0]
    named = _input_names(model)
    names = _output_names(model)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InputError(
            f"{path}: the model has no output {missing[0]!r}; outputs: {', '.join(names)}"
        )
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    stored = {
        f"{_PREFIX}/{number}": _lazy_constant(variable) for number, variable in enumerate(variables)
    }
    lazy = {name: constant for name, constant in stored.items() if constant.large}
    small = {name: constant.values() for name, constant in stored.items() if not constant.large}

    def value(name: str) -> Any:
        if name in small:
            return tf.constant(small[name])
        return tf.compat.v1.placeholder(lazy[name].dtype, lazy[name].shape, name)

    def serve(*inputs: Any) -> dict[str, Any]:
        values = [value(name) for name in stored]
        count = len(model.trainable_variables)
        given = keras.tree.pack_sequence_as(arranged, list(inputs))
        outputs, _ = model.stateless_call(values[:count], values[count:], given, training=False)
        flat = dict(zip(names, keras.tree.flatten(outputs), strict=True))
        return {name: tf.identity(flat[name]) for name in wanted or names}

    specs = [
        tf.TensorSpec(_of_rows(tensor.shape, rows), tensor.dtype, name=_node(name))
        for name, tensor in zip(named, model.inputs, strict=True)
    ]
    function = tf.function(serve, autograph=False).get_concrete_function(*specs)
    count = len(named)
    fed = zip(named, function.inputs[:count], strict=True)
    graph = function.graph.as_graph_def()
    tables = {}
    known = tables_of(model._flatten_layers())
    captured = {
        node_name(inner.name): outer
        for outer, inner in zip(function.captured_inputs, function.inputs[count:], strict=True)
    }
    for node in graph.node:
        if node.name not in captured:
            continue
        held = captured[node.name]
        if held.dtype != tf.resource:
            write_constant(node, node.name, held.numpy())
        elif id(held) in known:
            tables[node.name] = LookupTable.of(known[id(held)])
            _table_node(node, tables[node.name])
        else:
            raise UnsupportedModelError(
                f"{path}: a graph can contain only variables and hash tables, and a layer has "
                "other state: cut the model after that layer"
            )
    return TracedModel(
        graph,
        {name: tensor.name for name, tensor in fed},
        {name: tensor.name for name, tensor in function.structured_outputs.items()},
        lazy,
        tables,
    )


def _table_node(node: Any, table: LookupTable) -> None:
    """Turn the placeholder of a captured table into the table."""
    name = node.name
    node.Clear()
    node.name, node.op = name, "HashTableV2"
    for key, array in (("key_dtype", table.keys), ("value_dtype", table.values)):
        node.attr[key].type = tf.dtypes.as_dtype(tf.constant(array[:0]).dtype).as_datatype_enum
    node.attr["shared_name"].s = name.encode()


def _lazy_constant(variable: Any) -> LazyConstant:
    def read() -> Any:
        return tf.convert_to_tensor(variable.value)

    dtype = tf.dtypes.as_dtype(variable.dtype)
    return LazyConstant(dtype.as_datatype_enum, tuple(variable.shape), read)


def _input_names(model: Any) -> list[str]:
    names = [str(tensor.name) for tensor in model.inputs]
    return names if len(set(names)) == len(names) else [f"input_{n}" for n in range(len(names))]


def _output_names(model: Any) -> list[str]:
    structure = model.output if is_functional(model) else model.outputs[0]
    if isinstance(structure, dict):
        names = sorted(map(str, structure))  # the order in which Keras flattens a dictionary
    else:
        names = [tensor._keras_history.operation.name for tensor in keras.tree.flatten(structure)]
    if len(names) != len(model.outputs) or len(set(names)) != len(names):
        return [f"output_{number}" for number in range(len(model.outputs))]
    return names


def _of_rows(shape: Any, rows: int | None) -> Any:
    return (rows, *shape[1:]) if rows is not None and shape[0] is None else shape


def _node(name: str) -> str:
    """Return a valid node name for TensorFlow."""
    clean = re.sub(r"[^A-Za-z0-9_.\\/-]", "_", name)
    return clean if re.match(r"[A-Za-z0-9.]", clean) else f"input{clean}"
