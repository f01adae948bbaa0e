"""Frozen variables inside functions: loops and branches that take a variable take its value.

A function that is given the handle of a variable is copied with an argument of the value's type in
its place, and reads of it become identities; a node that calls it calls the copy.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, node_def_pb2

from embzip.errors import InputError
from embzip.foreign.graph.lazy_constants import write_constant

# Where an operator's arguments of a function begin, and the attributes that name functions.
_CALLS = {
    "While": 0,
    "StatelessWhile": 0,
    "If": 1,
    "StatelessIf": 1,
    "Case": 1,
    "StatelessCase": 1,
    "PartitionedCall": 0,
    "StatefulPartitionedCall": 0,
}
_TYPES = ("T", "Tin")


class FrozenFunctions:
    """Copies of the functions of a graph that take values instead of handles.

    Parameters
    ----------
    functions
        Name -> `FunctionDef`; copies are added.
    """

    def __init__(self, functions: dict[str, Any]) -> None:
        self._functions = functions
        self._copies: dict[tuple[str, tuple[tuple[int, int], ...]], tuple[str, dict[int, int]]] = {}

    def calls(self, node: Any) -> bool:
        """Return whether a node calls functions with its inputs."""
        return node.op in _CALLS

    def call(self, node: Any, handles: Mapping[int, int]) -> Any:
        """Return a node that calls copies of its functions.

        Parameters
        ----------
        handles
            Place of an input that was a handle -> the `DataType` of the value.

        Raises
        ------
        InputError
            Where a function does more with a variable than read it.
        """
        made = node_def_pb2.NodeDef()
        made.CopyFrom(node)
        first = _CALLS[node.op]
        given = {place - first: dtype for place, dtype in handles.items() if place >= first}
        returned: dict[int, int] = {}
        for value in made.attr.values():
            kind = value.WhichOneof("value")
            called = value.list.func if kind == "list" else [value.func][: kind == "func"]
            for function in called:
                if function.name in self._functions:
                    function.name, returned = self._copy(function.name, given, returned)
        for place, dtype in given.items():
            for name in _TYPES:
                if name in made.attr:
                    made.attr[name].list.type[place] = dtype
        for place, dtype in returned.items():
            if "Tout" in made.attr:
                made.attr["Tout"].list.type[place] = dtype
        for name in ("output_shapes", "_output_shapes"):
            made.attr.pop(name, None)
        if node.op in _CALLS and "output_shapes" in node.attr:
            shapes = made.attr["output_shapes"].list
            for place, shape in enumerate(node.attr["output_shapes"].list.shape):
                changed = place in (given if "While" in node.op else returned)
                shapes.shape.add().CopyFrom(_UNKNOWN if changed else shape)
        return made

    def _copy(
        self, name: str, given: Mapping[int, int], known: dict[int, int]
    ) -> tuple[str, dict[int, int]]:
        key = (name, tuple(sorted(given.items())))
        if key not in self._copies:
            new = f"{name}_frozen_{len(self._copies)}"
            function = type(self._functions[name])()
            function.CopyFrom(self._functions[name])
            function.signature.name = new
            self._functions[new] = function
            self._copies[key] = (new, self._freeze(function, given))
        new, returned = self._copies[key]
        return new, {**known, **returned}

    def _freeze(self, function: Any, given: Mapping[int, int]) -> dict[int, int]:
        """Change a copy in place, and return the types of outputs that were handles."""
        types: dict[str, int] = {}  # reference -> the type of the value
        for place, dtype in given.items():
            argument = function.signature.input_arg[place]
            argument.type = dtype
            del argument.handle_data[:]
            function.arg_attr.pop(place, None)
            types[argument.name] = dtype
        function.attr.pop("_input_shapes", None)
        waiting = True
        while waiting:  # nodes stand in any order
            waiting = False
            for node in function.node_def:
                passed = types.get(node.input[0]) if node.op == "Identity" and node.input else None
                if passed is not None and f"{node.name}:output:0" not in types:
                    types[f"{node.name}:output:0"] = passed
                    node.attr["T"].type = passed
                    waiting = True
        renamed: dict[str, str] = {}
        for node in list(function.node_def):
            places = {i: types[ref] for i, ref in enumerate(node.input) if ref in types}
            if not places or node.op == "Identity":
                continue
            self._read(function, node, places, renamed)
        for node in function.node_def:
            node.attr.pop("_output_shapes", None)
            references = [renamed.get(ref, ref) for ref in node.input]
            node.ClearField("input")
            node.input.extend(references)
        returned = {}
        for place, output in enumerate(function.signature.output_arg):
            reference = function.ret[output.name]
            if reference in types:
                output.type = returned[place] = types[reference]
                del output.handle_data[:]
            function.ret[output.name] = renamed.get(reference, reference)
        return returned

    def _read(
        self, function: Any, node: Any, places: Mapping[int, int], renamed: dict[str, str]
    ) -> None:
        if self.calls(node):
            node.CopyFrom(self.call(node, places))
        elif node.op == "ReadVariableOp":
            renamed[f"{node.name}:value:0"] = f"{node.name}:output:0"
            dtype = attr_value_pb2.AttrValue(type=node.attr["dtype"].type)
            node.op = "Identity"
            node.ClearField("attr")
            node.attr["T"].CopyFrom(dtype)
        elif node.op == "ResourceGather" and not node.attr["batch_dims"].i:
            axis = f"{node.name}/axis_of_rows"
            write_constant(function.node_def.add(), axis, tf.constant(0, tf.int32))
            made = node_def_pb2.NodeDef(
                name=node.name,
                op="GatherV2",
                input=[*node.input[:2], f"{axis}:output:0", *node.input[2:]],
            )
            made.attr["Tparams"].type = node.attr["dtype"].type
            made.attr["Tindices"].CopyFrom(node.attr["Tindices"])
            made.attr["Taxis"].type = tf.int32.as_datatype_enum
            node.CopyFrom(made)
        else:
            raise InputError(
                f"only reads of variables can be frozen, and the node {node.name!r} ({node.op}) of "
                f"the function {function.signature.name!r} does more: choose outputs that do not "
                "depend on it"
            )


_UNKNOWN = tf.TensorShape(None).as_proto()
