"""Converts a flat graph for LiteRT and ONNX, by TensorFlow's converter and tf2onnx, and runs it."""

import re
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.lite.python.convert import ConverterError

from embzip.errors import MissingPackageError, UnsupportedModelError
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS
from embzip.foreign.graph.flat_graphs import FlatGraph
from embzip.foreign.graph.onnx_graphs import onnx_model
from embzip.foreign.graph.writing import named_by_signature, served
from embzip.litert import litert
from embzip.types import Arrays

_LACKS = re.compile(r"(?:TF Select|Flex|Custom) ops: ([\w., ]+)")
_FAILED = re.compile(r"'tf\.(\w+)' op ")


def litert_model(flat: FlatGraph) -> bytes:
    """Return the .tflite of a graph with one signature, of LiteRT's own operators, unquantized.

    Raises
    ------
    UnsupportedModelError
        For operators that LiteRT does not have; the message lists them.
    """
    module, functions = served(flat)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(list(functions.values()), module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        content: bytes = converter.convert()
    except (ConverterError, *LIBRARY_ERRORS) as error:
        text = str(error)
        listed = _LACKS.findall(text)
        lacks = ", ".join(listed) or ", ".join(dict.fromkeys(_FAILED.findall(text)))
        why = f"it has no {lacks}" if lacks else " ".join(text.split())[:200]
        raise UnsupportedModelError(
            f"LiteRT cannot run this model by its own operators ({why}): write a SavedModel (--to "
            "savedmodel), which TensorFlow runs"
        ) from error
    return content


def onnx_of(flat: FlatGraph) -> bytes:
    """Return the .onnx of a graph with one signature; inputs and outputs have its names.

    Raises
    ------
    UnsupportedModelError
        For a graph that tf2onnx cannot convert.
    MissingPackageError
        If tf2onnx or onnxruntime is not installed.
    """
    flat = named_by_signature(flat.with_constants())
    (signature,) = flat.signatures.values()
    names = [list(names.values()) for names in (signature.inputs, signature.outputs)]
    try:
        model = onnx_model(flat.graph, *names)
    except LIBRARY_ERRORS as error:
        if isinstance(error, MissingPackageError):
            raise
        why = " ".join(str(error).split())[:200]
        raise UnsupportedModelError(
            f"tf2onnx cannot convert this model ({why}): write a SavedModel (--to savedmodel), "
            "which TensorFlow runs"
        ) from error
    content: bytes = model.SerializeToString()
    return content


def run_litert(content: bytes, inputs: Arrays, rows: int | None) -> dict[str, NDArray[Any]]:
    """Run a .tflite on inputs; row by row where it takes one at a time."""
    runtime = litert()
    try:
        runner = runtime.Interpreter(model_content=content).get_signature_runner()
        if rows is None:
            return dict(runner(**inputs))
        count = len(next(iter(inputs.values())))
        found = [
            dict(runner(**{name: array[row : row + 1] for name, array in inputs.items()}))
            for row in range(count)
        ]
    except LIBRARY_ERRORS as error:
        raise _not_run("LiteRT", error) from error
    return {name: np.concatenate([each[name].copy() for each in found]) for name in found[0]}


def run_onnx(content: bytes, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Run an ONNX model on inputs, by onnxruntime."""
    import onnxruntime  # type: ignore[import-untyped]
    from onnxruntime.capi.onnxruntime_pybind11_state import (  # type: ignore[import-untyped]
        Fail,
        InvalidArgument,
        InvalidGraph,
        NotImplemented,
        RuntimeException,
    )

    errors = (Fail, InvalidArgument, InvalidGraph, NotImplemented, RuntimeException)
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        fed = {f"{name}:0": array for name, array in inputs.items()}
        return dict(zip(names, session.run(names, fed), strict=True))
    except (*errors, *LIBRARY_ERRORS) as error:
        raise _not_run("onnxruntime", error) from error


def _not_run(runtime: str, error: BaseException) -> UnsupportedModelError:
    why = " ".join(str(error).split())[:200]
    return UnsupportedModelError(
        f"{runtime} cannot run what was converted ({why}): write a SavedModel (--to savedmodel), "
        "which TensorFlow runs"
    )
