"""Converts a frozen graph to an ONNX model by tf2onnx."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from embzip.errors import MissingPackageError

_OPSET = 17


def onnx_model(graph: Any, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    """Return the ONNX model of a graph without variables.

    Parameters
    ----------
    inputs, outputs
        Names of tensors, such as `ids:0`, which the model keeps.

    Raises
    ------
    MissingPackageError
        If tf2onnx or onnxruntime is not installed.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped]  # noqa: F401
        import tf2onnx  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingPackageError(
            f"ONNX needs tf2onnx and onnxruntime, and importing them failed ({error}): "
            "`pip install 'tf2onnx>=1.17' 'onnx>=1.17' 'onnxruntime>=1.20'`, or "
            "`uv sync --extra onnx` from a checkout"
        ) from error
    model, _ = tf2onnx.convert.from_graph_def(
        _without_bitcasts(graph),
        input_names=list(inputs),
        output_names=list(outputs),
        opset=_OPSET,
    )
    return model


def _without_bitcasts(graph: Any) -> Any:
    """Return the graph with float16 tables gathered directly, because ONNX has no Bitcast."""
    before = {node.name: node.input[0] for node in graph.node if node.op == "Bitcast"}
    kept = tf.compat.v1.GraphDef(versions=graph.versions, library=graph.library)
    for node in graph.node:
        if node.op == "Bitcast":
            continue
        if any(name in before for name in node.input) and node.op == "GatherV2":
            node.attr["Tparams"].type = tf.float16.as_datatype_enum
        node.input[:] = [before.get(name, name) for name in node.input]
        kept.node.append(node)
    return kept
