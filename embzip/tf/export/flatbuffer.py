"""Edits the flatbuffer of a .tflite: finds, adds and writes tensors, constants and operators.

It does not know classifiers; `embzip.tf.export.kernels` decides what to change.
"""

from collections.abc import Iterator
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from tensorflow.lite.python import schema_py_generated as schema

Tensor = Any  # the schema's objects carry no types
Operator = Any

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
}
_PRODUCTS = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED)
_IDENTIFIER = b"TFL3"


class Model:
    """A parsed model of one subgraph.

    Parameters
    ----------
    content
        The flatbuffer.
    """

    def __init__(self, content: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(content, 0)
        (self._graph,) = self._model.subgraphs
        for operator in self._graph.operators:  # parsed arrays are views of the content
            operator.inputs = np.array(operator.inputs, np.int32)
            operator.outputs = np.array(operator.outputs, np.int32)

    def to_bytes(self) -> bytes:
        """Return the flatbuffer."""
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self._model.Pack(builder), _IDENTIFIER)
        return bytes(builder.Output())

    def products(self) -> Iterator[Operator]:
        """Yield the convolutions and dense layers: operators (input, kernel, bias)."""
        for operator in self._graph.operators:
            if self._model.operatorCodes[operator.opcodeIndex].builtinCode in _PRODUCTS:
                yield operator

    def tensor(self, index: int) -> Tensor:
        """Return the record of a tensor."""
        return self._graph.tensors[index]

    def constant(self, index: int) -> NDArray[np.float32] | None:
        """Return the numbers of a float32 constant, or None for any other tensor."""
        tensor = self.tensor(index)
        content = self._model.buffers[tensor.buffer].data
        if content is None or len(content) == 0 or tensor.type != schema.TensorType.FLOAT32:
            return None
        numbers = np.frombuffer(np.asarray(content, np.uint8).tobytes(), "<f4")
        return numbers.reshape(tuple(tensor.shape))

    def add_constant(
        self, name: bytes, array: NDArray[Any], scale: NDArray[np.float32] | None = None
    ) -> int:
        """Add a constant, with a scale per entry of its first axis, and return its index."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        index = self.add_tensor(name, array.dtype.name, list(array.shape))
        self.tensor(index).buffer = len(self._model.buffers) - 1
        if scale is not None:
            self.quantize(index, scale, np.zeros(len(scale), np.int64))
        return index

    def add_tensor(self, name: bytes, dtype: str, shape: list[int], signature: Any = None) -> int:
        """Add a tensor without content, and return its index."""
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.shape = name, _TYPES[dtype], shape
        tensor.shapeSignature = signature
        tensor.buffer = 0  # by convention the empty buffer
        tensor.hasRank = True
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def quantize(self, index: int, scale: Any, zero_point: Any) -> None:
        """Set the quantization of a tensor: its integers q mean scale * (q - zero_point)."""
        record = schema.QuantizationParametersT()
        record.scale = np.asarray(scale, np.float32)
        record.zeroPoint = np.asarray(zero_point, np.int64)
        record.quantizedDimension = 0
        self.tensor(index).quantization = record

    def empty(self, index: int) -> None:
        """Turn a constant into a tensor that an operator writes, and drop its bytes."""
        buffer = self.tensor(index).buffer
        self.tensor(index).buffer = 0
        if all(tensor.buffer != buffer for tensor in self._graph.tensors):
            self._model.buffers[buffer].data = None

    def convert(self, code: str, version: int, source: int, result: int) -> Operator:
        """Return a new QUANTIZE or DEQUANTIZE operator that is not inserted yet."""
        operator = schema.OperatorT()
        operator.inputs = np.array([source], np.int32)
        operator.outputs = np.array([result], np.int32)
        operator.opcodeIndex = self.code(getattr(schema.BuiltinOperator, code), version)
        return operator

    def code(self, builtin: int, version: int) -> int:
        """Return the index of an operator's code, adding the code if it is new."""
        codes = self._model.operatorCodes
        for index, known in enumerate(codes):
            if (known.builtinCode, known.version) == (builtin, version):
                return index
        made = schema.OperatorCodeT()
        made.builtinCode, made.deprecatedBuiltinCode = builtin, min(builtin, 127)
        made.version = version
        codes.append(made)
        return len(codes) - 1

    def set_version(self, operator: Operator, versions: tuple[int, int]) -> None:
        """Set the version of an operator: `versions` are for a convolution and a dense layer."""
        builtin = self._model.operatorCodes[operator.opcodeIndex].builtinCode
        operator.opcodeIndex = self.code(builtin, versions[_PRODUCTS.index(builtin)])

    def insert(self, before: Operator, operators: list[Operator]) -> None:
        """Insert operators before another one."""
        place = next(i for i, found in enumerate(self._graph.operators) if found is before)
        self._graph.operators[place:place] = operators

    def insert_after(self, after: Operator, operator: Operator) -> None:
        """Insert an operator after another one."""
        place = next(i for i, found in enumerate(self._graph.operators) if found is after)
        self._graph.operators.insert(place + 1, operator)
