"""Makes kernels smaller in a finished ONNX model; they become float32 numbers when it is loaded.

tf2onnx would fold such a conversion back into float32 constants, so it is put in afterwards. It is
a Cast and a Mul: onnxruntime would merge a DequantizeLinear with the product that follows, and
round that product's inputs too.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from embzip.tf.export.graph import check_float16
from embzip.tf.export.kernels import Heads, content_of, contents, quantized_kernel

_FILTERS = {"Conv": 0, "MatMul": 1}  # the axis of a kernel that counts filters


def with_kernels(model: Any, heads: Heads, form: str) -> None:
    """Store the kernels of some classifiers in a form of fewer bits, in place."""
    graph = model.graph
    known = contents(heads)
    for name, operator, kernel in list(_constants(graph)):
        if operator not in _FILTERS or content_of(kernel) not in known:
            continue
        (old,) = (tensor for tensor in graph.initializer if tensor.name == name)
        graph.initializer.remove(old)
        cast = name if form == "float16" else f"{name}/levels"
        made = [helper.make_node("Cast", [f"{name}/{form}"], [cast], to=onnx.TensorProto.FLOAT)]
        if form == "float16":
            check_float16(kernel)
            _add(graph, f"{name}/{form}", kernel.astype(np.float16))
        else:
            axis = _FILTERS[operator]
            others = tuple(place for place in range(kernel.ndim) if place != axis)
            levels, scale = quantized_kernel(kernel, form, filters=axis)
            _add(graph, f"{name}/{form}", levels)
            _add(graph, f"{name}/scale", np.expand_dims(scale, others))
            made.append(helper.make_node("Mul", [cast, f"{name}/scale"], [name]))
        for node in reversed(made):
            graph.node.insert(0, node)


def _constants(graph: Any) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
    """Yield name, reading operator and values of the float32 constants that are second inputs."""
    values = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    for node in graph.node:
        if len(node.input) > 1 and node.input[1] in values:
            yield node.input[1], node.op_type, values.pop(node.input[1])


def _add(graph: Any, name: str, array: NDArray[Any]) -> None:
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
