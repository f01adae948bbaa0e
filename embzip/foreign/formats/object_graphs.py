"""Reads the object graph of a TF2 checkpoint: which object owns each tensor, and what it is for.

A variable is saved under its shortest path from the root, and that may lead through the optimizer
that trains it. So paths and names decide nothing here. An optimizer is known by what it consists
of, and its state by how the optimizer refers to it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from embzip.errors import InputError
from embzip.foreign.formats.bundles import Bundle

_PATHS = 8  # the most paths that are kept for one object
# Optimizers of Keras 3 and of Keras 2.11 on, and those before; any other has slot variables.
_SIGNS = (frozenset({"_variables", "_iterations"}), frozenset({"iter", "learning_rate"}))
_OWN = "_variables"  # the list of all variables that an optimizer of Keras made
_TRAINED = "_trainable_variables"  # the list of those it was given
_COUNTER = "save_counter"  # how often `tf.train.Checkpoint.save` was called


@dataclass(frozen=True)
class Trackable:
    """An object of a TF2 checkpoint that owns one tensor.

    Attributes
    ----------
    key
        The name of the tensor in the checkpoint.
    paths
        Names of attributes that lead to the object; not through an optimizer if others exist.
    full_name
        The name of the variable in the program that saved it; may be empty.
    training
        Whether it is a slot, a counter or another variable that only an optimizer has.
    """

    key: str
    paths: tuple[str, ...]
    full_name: str
    training: bool


def read_objects(bundle: Bundle) -> dict[str, Trackable]:
    """Return, by checkpoint key, the objects that own a tensor; none for a checkpoint of TF1.

    Raises
    ------
    InputError
        If the object graph is damaged.
    """
    graph = bundle.object_graph()
    if graph is None:
        return {}
    _check(graph, bundle)
    optimizers = {n for n, node in enumerate(graph.nodes) if _is_optimizer(node)}
    free = _reached(graph, without=optimizers)
    weights = free.keys() | _trained(graph, optimizers)
    state = (_slots(graph, optimizers) - weights) | _counter(graph)
    single = {child for n in optimizers for child in _children(graph, n)} - weights
    found: dict[str, Trackable] = {}
    for number, paths in _reached(graph).items():
        for attribute in graph.nodes[number].attributes:
            key = attribute.checkpoint_key
            scalar = key in bundle and not bundle.shape(key)
            training = number in state or (scalar and number in single)
            known = tuple(free.get(number, paths))
            found[key] = Trackable(key, known, attribute.full_name, training)
    return found


def _check(graph: Any, bundle: Bundle) -> None:
    count = len(graph.nodes)
    for number, node in enumerate(graph.nodes):
        slots = node.slot_variables
        named = {target for slot in slots for target in _ends(slot)} | _children(graph, number)
        if named and not 0 <= min(named) <= max(named) < count:
            raise InputError(
                f"{bundle.prefix}: its object graph has {count} nodes, but node {number} refers "
                f"to {min(named) if min(named) < 0 else max(named)}: it is damaged"
            )


def _is_optimizer(node: Any) -> bool:
    names = {child.local_name for child in node.children}
    return bool(node.slot_variables) or any(names >= sign for sign in _SIGNS)


def _trained(graph: Any, optimizers: Iterable[int]) -> set[int]:
    """Return the variables that optimizers were given to train."""
    nodes = [graph.nodes[number] for number in optimizers]
    slots = {slot.original_variable_node_id for node in nodes for slot in node.slot_variables}
    return slots | set(_items(graph, nodes, _TRAINED))


def _slots(graph: Any, optimizers: Iterable[int]) -> set[int]:
    """Return the variables that optimizers made for those they train."""
    nodes = [graph.nodes[number] for number in optimizers]
    slots = {slot.slot_variable_node_id for node in nodes for slot in node.slot_variables}
    return slots | set(_items(graph, nodes, _OWN))


def _children(graph: Any, number: int) -> set[int]:
    return {child.node_id for child in graph.nodes[number].children}


def _ends(slot: Any) -> tuple[int, int]:
    return slot.slot_variable_node_id, slot.original_variable_node_id


def _items(graph: Any, nodes: Iterable[Any], name: str) -> Iterator[int]:
    """Yield the members of lists that are attributes of nodes."""
    for node in nodes:
        for child in node.children:
            if child.local_name == name:
                yield from (item.node_id for item in graph.nodes[child.node_id].children)


def _counter(graph: Any) -> set[int]:
    root = graph.nodes[0].children if graph.nodes else ()
    return {child.node_id for child in root if child.local_name == _COUNTER}


def _reached(graph: Any, without: Iterable[int] = ()) -> dict[int, list[str]]:
    """Return the paths that lead from the root to each node, shortest first."""
    avoided = set(without)
    paths: dict[int, list[str]] = {0: [""]} if graph.nodes and 0 not in avoided else {}
    waiting = deque(paths)
    while waiting:
        number = waiting.popleft()
        node = graph.nodes[number]
        edges = [(child.node_id, child.local_name) for child in node.children]
        edges += [(slot.slot_variable_node_id, "slot") for slot in node.slot_variables]
        for target, name in edges:
            if target in avoided:
                continue
            known = paths.setdefault(target, [])
            if not known:
                waiting.append(target)
            if len(known) < _PATHS:
                known.append(f"{paths[number][0]}/{name}".lstrip("/"))
    return paths
