"""Stores the kernels of a flat graph as int8, with a float32 scale a channel, or as float16.

A kernel is a constant that a product or a convolution reads, in the graph or in a loop or branch.
Three nodes with it: its levels, the scales, and their product, which keeps the constant's name.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier.rebuilt_files import KeptKernels
from embzip.codecs.rounding import symmetric_int8
from embzip.errors import UnsupportedModelError
from embzip.foreign.formats.graphs import GATHERS, Flow, functions_of, node_name
from embzip.foreign.graph.flat_graphs import FlatGraph
from embzip.foreign.graph.lazy_constants import LazyConstant, write_placeholder
from embzip.foreign.graph.nodes import Nodes
from embzip.foreign.graph.table_reads import FLOATS, PASSING, stored, values_of
from embzip.layers.kernel_axes import channel_axes, is_worth_int8
from embzip.layers.small_kernels import float16_of

# Operators with a kernel, and which of their inputs may be one.
_READERS: Mapping[str, tuple[int, ...]] = {
    "MatMul": (0, 1),
    "BatchMatMul": (0, 1),
    "BatchMatMulV2": (0, 1),
    "BatchMatMulV3": (0, 1),
    "Einsum": (0, 1),
    "_FusedMatMul": (1,),
    "Conv2D": (1,),
    "Conv3D": (1,),
    "_FusedConv2D": (1,),
    "Conv2DBackpropInput": (1,),
    "Conv3DBackpropInputV2": (1,),
    "DepthwiseConv2dNative": (1,),
    "LSTMBlockCell": (3,),
    "BlockLSTM": (4,),
    "BlockLSTMV2": (4,),
    "GRUBlockCell": (2, 3),
}
_FIRST = {"Conv2DBackpropInput": -2, "Conv3DBackpropInputV2": -2, "DepthwiseConv2dNative": -2}
_SAME = PASSING | {"Enter", "Switch"}  # the axes of what they forward are those of the kernel
_FORWARDING = _SAME | {
    "ExpandDims", "Reshape", "Squeeze", "Transpose", "Split", "SplitV", "StridedSlice", "Slice",
    "ConcatV2", "Unpack", "Pack",
}  # fmt: skip
_CALLS = ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase",
          "PartitionedCall", "StatefulPartitionedCall")  # fmt: skip
_CHOOSING = ("If", "StatelessIf", "Case", "StatelessCase")  # their first input is not passed on


def with_small_kernels(
    flat: FlatGraph, form: str = "int8"
) -> tuple[FlatGraph, tuple[int, int], tuple[KeptKernels, ...]]:
    """Return a graph with kernels of a form, their bytes before and after, and those that stay.

    Tables that look-ups read, and kernels below 256 numbers, stay as they are.

    Raises
    ------
    UnsupportedModelError
        For a graph without float kernels of 256 numbers or more.
    """
    found = list(_kernels(flat, form))
    channels = {name: axis for name, axis in found if isinstance(axis, int)}
    made = Nodes(flat.graph)
    lazy = dict(flat.lazy)
    before = after = 0
    for node in flat.graph.node:
        if node.name not in channels:
            made.keep(node)
            continue
        constant = _Small(flat, node.name, channels[node.name], form)
        lazy.pop(node.name, None)
        lazy |= constant.write(made)
        before, after = before + constant.before, after + constant.after
    if not channels:
        raise UnsupportedModelError(
            "the graph has no float kernel of 256 numbers or more that a product or a convolution "
            "reads: leave --kernels out"
        )
    left = tuple(each for _, each in found if isinstance(each, KeptKernels))
    return replace(flat, graph=made.graph, lazy=lazy), (before, after), left


class _Small:
    """One kernel, rounded."""

    def __init__(self, flat: FlatGraph, name: str, axis: int, form: str) -> None:
        values = values_of(flat, name)
        self._name, self._dtype = name, tf.dtypes.as_dtype(values.dtype)
        shared = channel_axes(values.shape, axis)
        self._levels: NDArray[Any]
        self._scale: NDArray[np.float32] | None = None
        if form == "float16":
            self._levels = float16_of(values, name)
        else:
            self._levels, scale = symmetric_int8(values.astype(np.float32), axis=shared)
            self._scale = np.expand_dims(scale, shared)
        self.before = values.nbytes
        self.after = self._levels.nbytes + (0 if self._scale is None else self._scale.nbytes)

    def write(self, made: Nodes) -> dict[str, LazyConstant]:
        """Add the nodes; return the levels where they are large."""
        name, levels = self._name, self._levels
        kind = tf.dtypes.as_dtype(levels.dtype)
        whole = LazyConstant(kind.as_datatype_enum, levels.shape, lambda: levels)
        if whole.large:
            write_placeholder(made.graph.node.add(), f"{name}/levels", whole)
        else:
            made.constant(f"{name}/levels", levels)
        single = self._dtype == tf.float32
        last = name if single else f"{name}/product"
        wide = last if self._scale is None else f"{name}/wide"
        made.add(wide, "Cast", [f"{name}/levels"], SrcT=kind, DstT=tf.float32)
        if self._scale is not None:
            made.constant(f"{name}/scale", self._scale)
            made.add(last, "Mul", [wide, f"{name}/scale"], T=tf.float32)
        if not single:
            made.add(name, "Cast", [last], SrcT=tf.float32, DstT=self._dtype)
        return {f"{name}/levels": whole} if whole.large else {}


def _kernels(flat: FlatGraph, form: str) -> Iterator[tuple[str, int | KeptKernels]]:
    """Yield (constant, axis of its channels) of the kernels that are worth it; of others, why."""
    flow = Flow(flat.graph.node)
    functions = {
        name: Flow(function.node_def) for name, function in functions_of(flat.graph.library).items()
    }
    arguments = {
        name: [argument.name for argument in function.signature.input_arg]
        for name, function in functions_of(flat.graph.library).items()
    }
    for node in flat.graph.node:
        dtype, shape = stored(flat, flow, node.name)
        if dtype not in FLOATS or len(shape) < 2 or any(ref[0] == "^" for ref in node.input):
            continue
        uses = list(_uses(flow, node.name, functions, arguments, same=True, seen=set()))
        axes = {axis for axis in uses if axis is not None}
        if not axes:
            continue
        axis = axes.pop() if len(axes) == 1 else -1
        if None in uses:
            yield node.name, KeptKernels(node.name, math.prod(shape), "a look-up reads it too")
        elif form == "float16" and dtype != "float32":
            yield node.name, KeptKernels(node.name, math.prod(shape), "it has half precision")
        elif is_worth_int8(shape, channel_axes(shape, axis)):
            yield node.name, axis
        else:
            few = "fewer than 256 numbers" if math.prod(shape) < 256 else "fewer than 4 a channel"
            yield node.name, KeptKernels(node.name, math.prod(shape), few)


def _uses(
    flow: Flow,
    name: str,
    functions: Mapping[str, Flow],
    arguments: Mapping[str, list[str]],
    *,
    same: bool,
    seen: set[tuple[int, str]],
) -> Iterator[int | None]:
    """Yield the axis of channels for each product that reads a value; None for each look-up.

    `same` says whether the axes are still those of the constant.
    """
    if (id(flow), name) in seen:
        return
    seen.add((id(flow), name))
    for consumer in flow.consumers(name):
        node = flow.nodes[consumer]
        places = [i for i, ref in enumerate(node.input) if ref[0] != "^" and node_name(ref) == name]
        if node.op in GATHERS or node.op.startswith(("SparseSegment", "GatherNd", "RaggedGather")):
            yield None
        elif node.op in _READERS:
            yield from (_axis(node, i) if same else -1 for i in places if i in _READERS[node.op])
        elif node.op in _FORWARDING:
            kept = same and node.op in _SAME
            yield from _uses(flow, consumer, functions, arguments, same=kept, seen=seen)
        elif node.op in _CALLS:
            first = 1 if node.op in _CHOOSING else 0
            for called in _called(node):
                for place in places:
                    if called in functions and place >= first:
                        argument = arguments[called][place - first]
                        inner = functions[called]
                        yield from _uses(
                            inner, argument, functions, arguments, same=same, seen=seen
                        )


def _axis(node: Any, place: int) -> int:
    """Return the axis of a kernel that becomes one of the output."""
    if node.op in ("MatMul", "_FusedMatMul"):
        turned = node.attr["transpose_b" if place else "transpose_a"].b
        return -2 if bool(place) == turned else -1
    if node.op.startswith("BatchMatMul"):
        turned = node.attr["adj_y" if place else "adj_x"].b
        return -2 if bool(place) == turned else -1
    return _FIRST.get(node.op, -1)


def _called(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.func.name:
            yield value.func.name
        yield from (each.name for each in value.list.func)
