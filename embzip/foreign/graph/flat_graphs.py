"""Reads a SavedModel, frozen graph, Keras file or TF1 checkpoint with its .meta as one flat graph.

Functions are inlined and variables frozen, by editing protobuf messages: no session is made.
Graphs that do more than compute (read files, call Python) are refused.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from embzip.errors import EmbzipError, InputError
from embzip.foreign.formats.bundles import Bundle
from embzip.foreign.formats.checkpoints import read_meta
from embzip.foreign.formats.graphs import Flow, functions_of, node_name, read_graph
from embzip.foreign.formats.hdf5 import EXPANSION, FREE
from embzip.foreign.formats.kinds import find_prefix, kind_of, saved_model_file
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS
from embzip.foreign.formats.names import clean
from embzip.foreign.formats.saved_models import read_meta_graph
from embzip.foreign.formats.tensor_protos import dtype_name, fits, shape_of
from embzip.foreign.formats.variable_slices import checkpoint_slices
from embzip.foreign.graph.allowed_ops import check_ops
from embzip.foreign.graph.cutting import cut
from embzip.foreign.graph.freezing import chosen_outputs, freeze
from embzip.foreign.graph.grappler import inlined, optimized, pruned_to
from embzip.foreign.graph.keras_graphs import traced_model
from embzip.foreign.graph.lazy_constants import LazyConstant, with_constants
from embzip.foreign.graph.lookup_tables import LookupTable, stored_tables, with_tables

_DEFAULT = "serving_default"


@dataclass(frozen=True)
class Signature:
    """Public names of inputs and outputs -> tensors of the graph, such as `ids` -> `ids:0`."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class FlatGraph:
    """A `GraphDef` without variables, and its signatures.

    Attributes
    ----------
    lazy
        The large constants, by the names of the placeholders that replace them in the graph.
    tables
        What hash tables hold, by the names of their nodes.
    keys
        The node of each variable, by its name in the checkpoint.
    """

    graph: Any
    signatures: Mapping[str, Signature]
    lazy: Mapping[str, LazyConstant] = field(default_factory=dict)
    tables: Mapping[str, LookupTable] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def outputs(self) -> list[str]:
        """The output nodes of all signatures."""
        found = {node_name(t) for s in self.signatures.values() for t in s.outputs.values()}
        return sorted(found)

    def optimized(self) -> "FlatGraph":
        """Return the graph with fewer nodes; large constants are not folded."""
        return replace(self, graph=optimized(self.graph, self.outputs))

    def with_constants(self) -> "FlatGraph":
        """Return the graph with all constants in it; raise `InputError` above 2 GB."""
        return replace(self, graph=with_constants(self.graph, self.lazy), lazy={})


def flat_graph(
    path: Path,
    outputs: Sequence[str] = (),
    inputs: Sequence[str] = (),
    *,
    rows: int | None = None,
) -> FlatGraph:
    """Return the computation of a file as one graph.

    Parameters
    ----------
    path
        A SavedModel folder, .pb, .pbtxt, .keras, .h5, or a TF1 checkpoint with its .meta.
    outputs
        The output nodes of a frozen graph or checkpoint; by default the only candidate. For a
        SavedModel or Keras file, the names of outputs; by default all.
    inputs
        Nodes that are fed instead of computed: what only they need is left out.
    rows
        Of a .keras or .h5 file: how many rows each run has; by default any number.

    Raises
    ------
    InputError
        For a file without a graph, constants much larger than the file, operators with side
        effects, and unknown outputs or inputs.
    """
    kind, own = kind_of(path)
    with naming(own):
        if kind == "savedmodel":
            flat = _of_saved_model(own, outputs, inputs)
        elif kind in ("keras", "h5"):
            flat = _of_keras(own, outputs, inputs, rows)
        else:
            flat = _of_graph(kind, own, outputs, inputs)
        _check_sound(flat, own)
    return flat


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the name of a file before an error that does not say which file it is about."""
    try:
        yield
    except EmbzipError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error


def _of_graph(kind: str, own: Path, outputs: Sequence[str], later: Sequence[str]) -> FlatGraph:
    lazy: Mapping[str, LazyConstant] = {}
    tables: Mapping[str, LookupTable] = {}
    if kind == "frozen":
        graph = read_graph(own)
        check_constants(graph, own, own.stat().st_size)
        if any(node.op in ("VariableV2", "VarHandleOp", "Variable") for node in graph.node):
            raise InputError(
                f"{own}: a frozen graph has no variables, and this graph has some, whose values "
                "are in a checkpoint: pass that, with this graph as its .meta"
            )
        chosen = chosen_outputs(Flow(graph.node), outputs)
        flat, _ = cut(inlined(graph, chosen), later, chosen)
    elif kind == "checkpoint":
        prefix = find_prefix(own)
        meta = None if prefix is None else read_meta(prefix)
        if prefix is None or meta is None:
            raise InputError(
                f"{own}: this checkpoint has no .meta file, so it has no graph: pass a SavedModel, "
                "a frozen graph or a .keras file of the model, or name the classifier of embzip "
                "it belongs to, `embzip rebuild ... --model CLASSIFIER.embz`"
            )
        bundle = Bundle(prefix)
        graph = meta.graph_def
        check_constants(graph, own, Path(f"{prefix}.meta").stat().st_size)
        chosen = chosen_outputs(Flow(graph.node), outputs)
        whole, _ = cut(inlined(graph, chosen), later, chosen)
        flat, lazy = freeze(whole, bundle, chosen, checkpoint_slices(graph))
        tables = stored_tables(meta, own)
    else:
        raise InputError(f"{own}: a {kind} file has no TensorFlow graph")
    check_effects(flat, own)
    tables = with_tables(flat, tables, own)
    inputs = {
        node.name: f"{node.name}:0"
        for node in flat.node
        if node.op in ("Placeholder", "PlaceholderV2") and node.name not in lazy
    }
    named = {name: f"{name}:0" for name in chosen}
    keys = _keys(graph) if kind == "checkpoint" else {}
    return FlatGraph(flat, {_DEFAULT: Signature(inputs, named)}, lazy, tables, keys)


def _check_sound(flat: FlatGraph, path: Path) -> None:
    """Check types, shapes and attributes by importing the graph into TensorFlow; nothing runs."""
    try:
        with tf.Graph().as_default() as scope:
            tf.graph_util.import_graph_def(flat.graph, name="")
            for signature in flat.signatures.values():
                for name in (*signature.inputs.values(), *signature.outputs.values()):
                    scope.get_tensor_by_name(name)
    except LIBRARY_ERRORS as error:
        why = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: TensorFlow cannot import the graph ({why}): the file is damaged"
        ) from error


def check_constants(graph: Any, path: Path, size: int) -> None:
    """Check that constants are not much larger than the file, and have as many values as declared.

    Raises
    ------
    InputError
        For a constant that breaks this rule. The message names it.
    """
    limit = max(FREE, EXPANSION * size)
    total = 0
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    for node in nodes:
        if node.op != "Const":
            continue
        tensor = node.attr["value"].tensor
        try:
            width = tf.dtypes.as_dtype(tensor.dtype).size or 1
        except TypeError as error:
            raise InputError(
                f"{path}: the constant {node.name!r} has an unknown type: the file is damaged"
            ) from error
        shape = shape_of(tensor.tensor_shape)
        total += max(width * math.prod(shape), 0)
        if min(shape, default=0) < 0 or total > limit:
            raise InputError(
                f"{path}: the constant {node.name!r} declares the shape {shape}, but the file has "
                f"only {size:,} bytes: it is damaged or hostile"
            )
        if not fits(tensor):
            raise InputError(
                f"{path}: the constant {node.name!r} declares {dtype_name(tensor.dtype)} {shape}, "
                "but has another number of values: the file is damaged"
            )


def check_effects(graph: Any, path: Path) -> None:
    """Check that a graph only computes and reads tables: no files, Python or queues.

    Raises
    ------
    InputError
        For a node with side effects. The message names it.
    """
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    check_ops(nodes, functions_of(graph.library), path)


def _of_saved_model(folder: Path, wanted: Sequence[str], later: Sequence[str]) -> FlatGraph:
    meta = read_meta_graph(folder)
    graph = meta.graph_def
    stored = saved_model_file(folder)
    check_constants(graph, folder, 0 if stored is None else stored.stat().st_size)
    signatures = {}
    for name, signature in meta.signature_def.items():
        outputs = {
            key: tensor.name
            for key, tensor in signature.outputs.items()
            if not wanted or key in wanted
        }
        if name != "__saved_model_init_op" and outputs:
            inputs = {key: tensor.name for key, tensor in signature.inputs.items()}
            signatures[name] = Signature(inputs, outputs)
    known = sorted({key for s in meta.signature_def.values() for key in s.outputs})
    missing = [name for name in wanted if name not in known]
    if missing or not signatures:
        raise InputError(
            f"{folder}: no signature has the output {missing or 'asked for'}; outputs: "
            f"{', '.join(known) or 'none'}"
        )
    ends = FlatGraph(graph, signatures).outputs
    flat, fed = cut(inlined(graph, ends), later, ends)
    large: Mapping[str, LazyConstant] = {}
    if (folder / "variables" / "variables.index").is_file():
        bundle = Bundle(folder / "variables" / "variables")
        flat, large = freeze(flat, bundle, ends, checkpoint_slices(graph))
    check_effects(flat, folder)
    flat = pruned_to(flat, ends)
    tables = with_tables(flat, stored_tables(meta, folder, folder), folder)
    used = {
        name: Signature(_left(flat, {**each.inputs, **fed}, each.outputs), each.outputs)
        for name, each in sorted(signatures.items())
    }
    return FlatGraph(flat, used, large, tables, _keys(graph))


def _of_keras(
    path: Path, wanted: Sequence[str], later: Sequence[str], rows: int | None
) -> FlatGraph:
    traced = traced_model(path, wanted, rows=rows)
    signature = Signature(traced.inputs, traced.outputs)
    flat = FlatGraph(traced.graph, {_DEFAULT: signature}, traced.lazy, traced.tables)
    graph, fed = cut(inlined(flat.graph, flat.outputs), later, flat.outputs)
    check_effects(graph, path)
    left = _left(graph, {**traced.inputs, **fed}, traced.outputs) if fed else traced.inputs
    return replace(flat, graph=graph, signatures={_DEFAULT: Signature(left, traced.outputs)})


def _keys(graph: Any) -> dict[str, str]:
    slices = checkpoint_slices(graph)
    return {clean(piece.key): node for node, piece in slices.items() if not piece.slice}


def _left(graph: Any, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs that outputs need, by their names."""
    needed = Flow(graph.node).behind(node_name(tensor) for tensor in outputs.values())
    present = {node.name for node in graph.node} & needed
    return {key: tensor for key, tensor in inputs.items() if node_name(tensor) in present}
