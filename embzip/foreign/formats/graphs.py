"""Analyzes GraphDefs: which nodes feed which, which tables are gathered, what inference needs.

A graph is parsed here, but never imported into TensorFlow, and none of its nodes runs.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework import op_def_registry

from embzip.errors import InputError
from embzip.files.reading import digest, existing_file
from embzip.files.signatures import HEAD, is_text
from embzip.foreign.formats.tensor_protos import dtype_name, shape_of
from embzip.inspection import NodeCounts, Role, StoredTensor

VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp"})
GATHERS = frozenset({"Gather", "GatherV2", "ResourceGather"})
IDENTITIES = frozenset({"Identity", "IdentityN", "StopGradient", "PreventGradient", "Snapshot"})
_READS = IDENTITIES | {"ReadVariableOp", "Enter", "Cast"}
_QUANTIZATION = re.compile(r"Quantize|Dequantize|FakeQuant|Requantiz|Quantized")
_LOSSES = frozenset(
    {"SparseSoftmaxCrossEntropyWithLogits", "SoftmaxCrossEntropyWithLogits", "L2Loss", "CTCLoss"}
)
_TRAINING = re.compile(
    r"^(Resource)?(Sparse)?Apply|^Assign|^Save|^Restore|^MergeV2|^ShardedFilename|Summary|"
    r"^Scatter|^IsVariableInitialized$|^VarIsInitialized|^ResourceScatter|^InitializeTable"
)
_PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2"})
_LIMIT = 2**31  # protobuf cannot read a message of 2 GB


def parse_message(message: Any, path: Path) -> Any:
    """Fill a protobuf message from a binary file, or from one in text.

    Raises
    ------
    InputError
        For a file that is not such a message, is cut short, or has 2 GB or more.
    """
    size = existing_file(path).stat().st_size
    if size >= _LIMIT:
        raise InputError(f"{path}: a protobuf file is below 2 GB, this one has {size:,} bytes")
    if size == 0:
        raise InputError(f"{path}: expected a protobuf file, found an empty one")
    kind = message.DESCRIPTOR.name
    try:
        content = path.read_bytes()
        if is_text(content[:HEAD]):  # no binary graph is: its lengths are control characters
            text_format.Parse(content.decode("utf-8"), message)
        else:
            message.ParseFromString(content)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{path}: expected a {kind}, and it cannot be read ({' '.join(str(error).split())}): "
            "the file is damaged, cut short, or of another kind"
        ) from error
    return message


def read_graph(path: Path) -> Any:
    """Return the `GraphDef` of a frozen .pb or .pbtxt file."""
    graph = parse_message(graph_pb2.GraphDef(), path)
    if not graph.node:
        raise InputError(f"{path}: expected a frozen graph, found a message without nodes")
    return graph


def node_name(reference: str) -> str:
    """Return the name of the node that an input refers to.

    >>> node_name("^gradients/x"), node_name("split:1")
    ('gradients/x', 'split')
    """
    return reference.removeprefix("^").partition(":")[0]


class Flow:
    """The nodes of one graph or function by name, and the edges between them."""

    def __init__(self, nodes: Iterable[Any]) -> None:
        self.nodes: dict[str, Any] = {node.name: node for node in nodes}
        self._consumers: dict[str, list[str]] = defaultdict(list)
        for node in self.nodes.values():
            for reference in node.input:
                self._consumers[node_name(reference)].append(node.name)

    def inputs(self, name: str) -> list[str]:
        """Return the names of the nodes that feed a node."""
        return [node_name(ref) for ref in self.nodes[name].input] if name in self.nodes else []

    def consumers(self, name: str) -> list[str]:
        """Return the names of the nodes that a node feeds."""
        return self._consumers.get(name, [])

    def behind(self, names: Iterable[str]) -> set[str]:
        """Return `names` and all nodes that feed them."""
        return _closure(names, self.inputs)

    def ahead(self, names: Iterable[str]) -> set[str]:
        """Return `names` and all nodes that they feed."""
        return _closure(names, self.consumers)

    def source(self, reference: str) -> str:
        """Return the node that a value comes from, through reads and identities."""
        name = node_name(reference)
        seen = set()
        while name in self.nodes and self.nodes[name].op in _READS and name not in seen:
            seen.add(name)
            if not self.nodes[name].input:
                break
            name = node_name(self.nodes[name].input[0])
        return name

    def gathered(self) -> Iterator[tuple[str, str]]:
        """Yield (gather node, node of its table); gradients have no gathers of their own."""
        for node in self.nodes.values():
            if node.op in GATHERS and len(node.input) >= 2:
                yield node.name, self.source(node.input[0])


def slots(flow: Flow) -> set[str]:
    """Return the variables that only updates read: all inputs of an optimizer but the first."""
    found: set[str] = set()
    for node in flow.nodes.values():
        if re.match(r"(Resource)?(Sparse)?Apply", node.op):
            for reference in node.input[1:]:
                name = flow.source(reference)
                if name in flow.nodes and flow.nodes[name].op in VARIABLES:
                    found.add(name)
    updated = {
        flow.source(node.input[0])
        for node in flow.nodes.values()
        if re.match(r"(Resource)?(Sparse)?Apply", node.op)
    }
    return found - updated


def inference_outputs(flow: Flow) -> list[str]:
    """Return the nodes that are probably the outputs of a graph without signatures.

    These are the nodes that no other node reads, after leaving out training, saving, summaries, the
    loss, and everything that depends on labels (placeholders that reach the loss but not the
    logits).
    """
    losses = [node for node in flow.nodes.values() if node.op in _LOSSES]
    labels: set[str] = set()
    for loss in losses:
        if len(loss.input) < 2:
            continue
        logits = flow.behind([node_name(loss.input[0])])
        labels |= {
            name
            for name in flow.behind([node_name(loss.input[1])]) - logits
            if name in flow.nodes and flow.nodes[name].op in _PLACEHOLDERS
        }
    training = {
        name
        for name, node in flow.nodes.items()
        if _TRAINING.search(node.op) or name.startswith(("gradients/", "save/"))
    }
    excluded = flow.ahead({loss.name for loss in losses} | labels | training)
    # What waits for checks, or for several nodes, is no training.
    excluded |= {name for name, node in flow.nodes.items() if node.op in ("Assert", "NoOp")}
    fed = flow.ahead(name for name, node in flow.nodes.items() if node.op.startswith("Placeholder"))
    return [
        name
        for name in flow.nodes
        if name in fed - excluded
        and not flow.nodes[name].op.startswith("Placeholder")
        and all(consumer in excluded for consumer in flow.consumers(name))
    ]


def output_types(node: Any) -> list[int]:
    """Return the `DataType`s of what a node puts out, of those that its operator says."""
    known = op_def_registry.get(node.op)
    outputs = [] if known is None else known.output_arg
    return [o.type or node.attr[o.type_attr].type for o in outputs if o.type or o.type_attr]


def count_nodes(nodes: Iterable[Any], used: Callable[[Any], bool]) -> NodeCounts:
    """Return how many nodes there are of each kind."""
    counts: dict[str, int] = defaultdict(int)
    for node in nodes:
        counts["total"] += 1
        counts["const"] += node.op == "Const"
        counts["variable"] += node.op in VARIABLES
        counts["identity"] += node.op in IDENTITIES
        counts["quantization"] += bool(_QUANTIZATION.search(node.op))
        counts["unused"] += not used(node)
    return NodeCounts(**counts)


def constants(
    nodes: Iterable[Any], role: Callable[[Any], tuple[Role, bool]], prefix: str = ""
) -> Iterator[StoredTensor]:
    """Yield the constants of a graph, each with its size in the serialized message."""
    for node in nodes:
        if node.op != "Const" or "value" not in node.attr:
            continue
        tensor = node.attr["value"].tensor
        kind, needed = role(node)
        yield StoredTensor(
            prefix + node.name,
            kind,
            dtype_name(tensor.dtype),
            shape_of(tensor.tensor_shape),
            tensor.ByteSize(),
            needed,
        )


def functions_of(library: Any) -> dict[str, Any]:
    """Return the functions of a graph by name."""
    return {function.signature.name: function for function in library.function}


def called(nodes: Iterable[Any], functions: Mapping[str, Any]) -> set[str]:
    """Return the functions that nodes call, directly or indirectly."""
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        for name in _named_functions(node):
            if name in functions and name not in found:
                found.add(name)
                waiting.extend(functions[name].node_def)
    return found


def rename_functions(graph: Any) -> None:
    """Add a digest of its content to each function's name: a process has one function per name."""
    names = {}
    for function in graph.library.function:
        content = function.SerializeToString(deterministic=True)
        names[function.signature.name] = f"{function.signature.name}_{digest(content)[:12]}"
    for function in graph.library.function:
        function.signature.name = names[function.signature.name]
    for gradient in graph.library.gradient:
        gradient.function_name = names.get(gradient.function_name, gradient.function_name)
        gradient.gradient_func = names.get(gradient.gradient_func, gradient.gradient_func)
    for node in [*graph.node, *(n for f in graph.library.function for n in f.node_def)]:
        node.op = names.get(node.op, node.op)
        for value in node.attr.values():
            kind = value.WhichOneof("value")
            called_here = value.list.func if kind == "list" else [value.func][: kind == "func"]
            for function in called_here:
                function.name = names.get(function.name, function.name)


def _named_functions(node: Any) -> Iterator[str]:
    yield node.op
    for value in node.attr.values():
        kind = value.WhichOneof("value")
        if kind == "func":
            yield value.func.name
        elif kind == "list":
            yield from (function.name for function in value.list.func)


def _closure(names: Iterable[str], step: Callable[[str], Iterable[str]]) -> set[str]:
    found = set(names)
    waiting = list(found)
    while waiting:
        for name in step(waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found
