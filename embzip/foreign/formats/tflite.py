"""Inspects .tflite files by reading their flatbuffer; no interpreter is made."""

import struct
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from embzip.errors import InputError
from embzip.files.reading import existing_file
from embzip.foreign.formats.names import with_embedding
from embzip.inspection import (
    ArtefactRecord,
    NodeCounts,
    Role,
    StoredTensor,
    make_record,
)

# A list that is not in the file is None.
_DAMAGED = (struct.error, LookupError, ValueError, TypeError, AttributeError, OverflowError)
_BAD_ZIP = (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OSError)
_QUANTIZATION = frozenset({"QUANTIZE", "DEQUANTIZE", "FAKE_QUANT"})
_TABLE_READS = frozenset({"GATHER", "EMBEDDING_LOOKUP", "GATHER_ND"})
_WEIGHT = 16  # numbers; smaller constants are axes and shapes


def _names(kind: type) -> dict[int, str]:
    return {value: name for name, value in vars(kind).items() if isinstance(value, int)}


_OPERATORS, _TYPES = _names(schema.BuiltinOperator), _names(schema.TensorType)


@dataclass
class _Counts:
    nodes: dict[str, int]
    tensors: list[StoredTensor]
    seen: set[int]


def inspect_tflite(path: Path) -> ArtefactRecord:
    """Return what takes up the bytes of a .tflite file.

    Raises
    ------
    InputError
        If it is not a LiteRT model, or is damaged or cut short.
    """
    size = existing_file(path).stat().st_size
    content: Any = np.memmap(path, np.uint8, "r") if size else b""
    if size < 8 or bytes(content[4:8]) != b"TFL3":
        raise InputError(f"{path}: a LiteRT model has TFL3 in bytes 4 to 7, and this file does not")
    try:
        model = schema.Model.GetRootAs(content, 0)
        counts = _Counts(defaultdict(int), [], set())
        for index in range(_length(model.SubgraphsLength(), size)):
            _read_subgraph(model, model.Subgraphs(index), index, content, counts)
    except _DAMAGED as error:
        raise InputError(
            f"{path}: the LiteRT model is damaged or cut short ({str(error)[:120]})"
        ) from error
    if not counts.nodes["total"]:
        raise InputError(f"{path}: the LiteRT model has no operators: it is damaged or cut short")
    tensors = [*with_embedding(counts.tensors), *_associated(path)]
    return make_record(path, "tflite", [path], tensors, NodeCounts(**counts.nodes))


def _associated(path: Path) -> list[StoredTensor]:
    """Return the files attached after the model; the zip directory counts as header."""
    if not zipfile.is_zipfile(path):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            return [
                StoredTensor(member.filename, "vocabulary", "file", (), member.compress_size)
                for member in archive.infolist()
                if member.filename != "config.json"
            ]
    except _BAD_ZIP as error:
        raise InputError(f"{path}: the files attached to the model are damaged: {error}") from error


def _read_subgraph(model: Any, graph: Any, number: int, content: Any, counts: _Counts) -> None:
    size = len(content)
    read: set[int] = set(map(int, np.atleast_1d(graph.OutputsAsNumpy())))
    tables: set[int] = set()
    written: list[set[int]] = []
    for index in range(_length(graph.OperatorsLength(), size)):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = _OPERATORS.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "CUSTOM")
        inputs = [int(i) for i in np.atleast_1d(operator.InputsAsNumpy())]
        if name in _TABLE_READS and inputs:
            tables.add(inputs[1] if name == "EMBEDDING_LOOKUP" else inputs[0])
        read.update(inputs)
        written.append(set(map(int, np.atleast_1d(operator.OutputsAsNumpy()))))
        counts.nodes["total"] += 1
        counts.nodes["quantization"] += name in _QUANTIZATION
    counts.nodes["unused"] += sum(not (outputs & read) for outputs in written)
    shapes = {index: _shape(graph.Tensors(index)) for index in tables}
    rows = {
        shape[0] for shape in shapes.values() if len(shape) == 2
    }  # scales per row are read as well
    for index in range(_length(graph.TensorsLength(), size)):
        tensor = graph.Tensors(index)
        counts.nodes["variable"] += bool(tensor.IsVariable())
        held = _stored(model, tensor.Buffer(), size)
        if not held or tensor.Buffer() in counts.seen:
            continue
        counts.seen.add(tensor.Buffer())
        counts.nodes["const"] += 1
        shape = _shape(tensor)
        name = (tensor.Name() or b"").decode("utf-8", "replace") or f"{number}:{index}"
        dtype = _TYPES.get(tensor.Type(), "invalid").lower()
        role: Role = "other_variables"
        if index in tables and (len(shape) == 2 or (shape and shape[0] in rows)):
            role = "embedding"
        elif dtype == "string":
            role = "vocabulary"
        elif dtype in ("int32", "int64", "bool") or (
            len(shape) < 2 and int(np.prod(shape, dtype=object)) < _WEIGHT
        ):
            role = "graph_constants"
        counts.tensors.append(StoredTensor(name, role, dtype, shape, held, index in read))


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.ShapeIsNone() else tuple(map(int, tensor.ShapeAsNumpy()))


def _stored(model: Any, index: int, size: int) -> int:
    """Return the size of a buffer in bytes, inside the flatbuffer or after it."""
    buffer = model.Buffers(index)
    if buffer.Offset() > 1:
        if buffer.Offset() + buffer.Size() > size:
            raise ValueError(f"buffer {index} ends after the end of the file")
        return int(buffer.Size())
    length = int(buffer.DataLength())
    if length:
        buffer.Data(length - 1)  # raises if the last byte does not exist
    return _length(length, size)


def _length(count: int, size: int) -> int:
    if not 0 <= count <= size:
        raise ValueError(f"a list of {count} in a file of {size} bytes")
    return int(count)
