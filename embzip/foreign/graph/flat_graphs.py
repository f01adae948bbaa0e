"""A SavedModel, frozen graph, Keras file or TF1 checkpoint with its .meta as one graph.

Functions are inlined and variables replaced by their values, as messages: no session is made, and
what a file would do beyond computing (read files, call Python) is refused.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from embzip.errors import InputError
from embzip.foreign.formats.bundles import Bundle
from embzip.foreign.formats.checkpoints import read_meta
from embzip.foreign.formats.graphs import Flow, node_name, read_graph
from embzip.foreign.formats.hdf5 import EXPANSION, FREE
from embzip.foreign.formats.kinds import find_prefix, kind_of, saved_model_file
from embzip.foreign.formats.saved_models import read_meta_graph
from embzip.foreign.formats.tensor_protos import dtype_name, fits, shape_of
from embzip.foreign.formats.variable_keys import checkpoint_keys
from embzip.foreign.graph.freezing import chosen_outputs, freeze
from embzip.foreign.graph.grappler import inlined, optimized, pruned_to
from embzip.foreign.graph.keras_graphs import traced_model
from embzip.foreign.graph.lazy_constants import LazyConstant, with_constants

_DEFAULT = "serving_default"
_HARMLESS = frozenset(
    {"VarHandleOp", "VariableV2", "Variable", "ReadVariableOp", "ResourceGather", "Assert"}
    | {"While", "If", "StatefulPartitionedCall", "RandomUniform", "RandomStandardNormal"}
)


@dataclass(frozen=True)
class Signature:
    """Names a user knows -> tensors of the graph, such as `ids` -> `ids:0`."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class FlatGraph:
    """A `GraphDef` without variables, and what is asked of it.

    Attributes
    ----------
    lazy
        The values of large weights, by the placeholders that stand for them.
    """

    graph: Any
    signatures: Mapping[str, Signature]
    lazy: Mapping[str, LazyConstant] = field(default_factory=dict)

    @property
    def outputs(self) -> list[str]:
        """Return the nodes all signatures end in."""
        found = {node_name(t) for s in self.signatures.values() for t in s.outputs.values()}
        return sorted(found)

    def optimized(self) -> "FlatGraph":
        """Return it with fewer nodes; large weights are left alone."""
        return replace(self, graph=optimized(self.graph, self.outputs))

    def with_constants(self) -> "FlatGraph":
        """Return it with every weight as a constant; refused above 2 GB."""
        return replace(self, graph=with_constants(self.graph, self.lazy), lazy={})


def flat_graph(path: Path, outputs: Sequence[str] = ()) -> FlatGraph:
    """Return what a file computes as one graph.

    Parameters
    ----------
    path
        A SavedModel folder, .pb, .pbtxt, .keras, .h5, or a TF1 checkpoint with its .meta.
    outputs
        Nodes a frozen graph or checkpoint ends in; by default the only ones that can be meant.
        Of a SavedModel or Keras file, the names of outputs; by default all.

    Raises
    ------
    InputError
        For a file without a graph, constants that grow beyond reason, operators with effects,
        and outputs that are not there.
    """
    kind, own = kind_of(path)
    if kind == "savedmodel":
        flat = _of_saved_model(own, outputs)
    elif kind in ("keras", "h5"):
        flat = _of_keras(own, outputs)
    else:
        flat = _of_graph(kind, own, outputs)
    _check_sound(flat.graph, own)
    return flat


def _of_graph(kind: str, own: Path, outputs: Sequence[str]) -> FlatGraph:
    lazy: Mapping[str, LazyConstant] = {}
    if kind == "frozen":
        graph = read_graph(own)
        check_constants(graph, own, own.stat().st_size)
        if any(node.op in ("VariableV2", "VarHandleOp", "Variable") for node in graph.node):
            raise InputError(
                f"{own}: the graph has variables, so their values are in a checkpoint: give that, "
                "with this graph as its .meta"
            )
        chosen = chosen_outputs(Flow(graph.node), outputs)
        flat = inlined(graph, chosen)
    elif kind == "checkpoint":
        prefix = find_prefix(own)
        meta = None if prefix is None else read_meta(prefix)
        if prefix is None or meta is None:
            raise InputError(
                f"{own}: has no .meta file, so there is no graph: give a SavedModel, a frozen "
                "graph or a .keras file of the model; or say which classifier of embzip it is, "
                "`embzip rebuild ... --model CLASSIFIER.embz`"
            )
        bundle = Bundle(prefix)
        graph = meta.graph_def
        check_constants(graph, own, Path(f"{prefix}.meta").stat().st_size)
        chosen = chosen_outputs(Flow(graph.node), outputs)
        flat, lazy = freeze(
            inlined(graph, chosen), bundle.shape, bundle.tensor, chosen, checkpoint_keys(graph)
        )
    else:
        raise InputError(f"{own}: a {kind} file has no TensorFlow graph")
    check_effects(flat, own)
    inputs = {
        node.name: f"{node.name}:0"
        for node in flat.node
        if node.op in ("Placeholder", "PlaceholderV2") and node.name not in lazy
    }
    named = {name: f"{name}:0" for name in chosen}
    return FlatGraph(flat, {_DEFAULT: Signature(inputs, named)}, lazy)


def _check_sound(graph: Any, path: Path) -> None:
    """Let TensorFlow read the graph, which runs nothing: types, shapes and settings must fit."""
    try:
        with tf.Graph().as_default():
            tf.graph_util.import_graph_def(graph, name="")
    except (tf.errors.OpError, ValueError, TypeError, KeyError) as error:
        why = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: TensorFlow cannot read its graph ({why}): damaged") from error


def check_constants(graph: Any, path: Path, size: int) -> None:
    """Refuse constants much larger than what is stored of them, or of other values than they say.

    Raises
    ------
    InputError
        Naming the constant.
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
            raise InputError(f"{path}: the constant {node.name!r} has no known type") from error
        shape = shape_of(tensor.tensor_shape)
        total += max(width * math.prod(shape), 0)
        if min(shape, default=0) < 0 or total > limit:
            raise InputError(
                f"{path}: the constant {node.name!r} says it is {shape}, and the file has "
                f"{size:,} bytes: refused"
            )
        if not fits(tensor):
            raise InputError(
                f"{path}: the constant {node.name!r} says it is {dtype_name(tensor.dtype)} "
                f"{shape}, and holds another number of values: the file is damaged"
            )


def check_effects(graph: Any, path: Path) -> None:
    """Refuse graphs that do more than compute: files, Python, queues, look-up tables of text.

    Raises
    ------
    InputError
        Naming the node.
    """
    for node in [*graph.node, *(n for f in graph.library.function for n in f.node_def)]:
        known = op_def_registry.get(node.op)
        if node.op in _HARMLESS or any(f.signature.name == node.op for f in graph.library.function):
            continue
        if known is None or known.is_stateful or node.op in ("ReadFile", "WriteFile"):
            why = "TensorFlow does not know" if known is None else "does more than compute"
            raise InputError(
                f"{path}: the node {node.name!r} is a {node.op}, which {why}: cut the graph before "
                "it, by naming a later input or an earlier output"
            )


def _of_saved_model(folder: Path, wanted: Sequence[str]) -> FlatGraph:
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
    flat = inlined(graph, ends)
    large: Mapping[str, LazyConstant] = {}
    if (folder / "variables" / "variables.index").is_file():
        bundle = Bundle(folder / "variables" / "variables")
        flat, large = freeze(flat, bundle.shape, bundle.tensor, ends, checkpoint_keys(graph))
    check_effects(flat, folder)
    present = {node.name for node in flat.node}
    used = {
        name: Signature(
            {key: t for key, t in each.inputs.items() if node_name(t) in present}, each.outputs
        )
        for name, each in sorted(signatures.items())
    }
    return FlatGraph(pruned_to(flat, ends), used, large)


def _of_keras(path: Path, wanted: Sequence[str]) -> FlatGraph:
    traced = traced_model(path, wanted)
    signature = Signature(traced.inputs, traced.outputs)
    flat = FlatGraph(traced.graph, {_DEFAULT: signature}, traced.lazy)
    graph = inlined(flat.graph, flat.outputs)
    check_effects(graph, path)
    return replace(flat, graph=graph)
