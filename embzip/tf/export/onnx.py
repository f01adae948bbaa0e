"""Exports a classifier as an ONNX model, for onnxruntime; tf2onnx converts the frozen graph."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier.storage import SCALED
from embzip.errors import MissingPackageError
from embzip.files.writing import write_bytes
from embzip.tf.export.frozen import frozen_graph
from embzip.tf.export.graph import Model, heads_of

_OPSET = 17


def export_onnx(served: Model, path: str | Path, *, kernels: str | None = None) -> None:
    """Write an .onnx file: the input `ids`, int32 (batch, time), and the output `probabilities`.

    A kit has one output per classifier, with its name.

    Raises
    ------
    MissingPackageError
        If tf2onnx or onnxruntime is not installed.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped]  # noqa: F401
        import tf2onnx  # type: ignore[import-untyped]

        from embzip.tf.export.onnx_kernels import with_kernels
    except ImportError as error:
        raise MissingPackageError(
            f"ONNX needs tf2onnx and onnxruntime, and importing them failed ({error}): "
            "`pip install 'tf2onnx>=1.17' 'onnx>=1.17' 'onnxruntime>=1.20'`, or "
            "`uv sync --extra onnx` from a checkout"
        ) from error
    model, _ = tf2onnx.convert.from_graph_def(
        _without_bitcasts(frozen_graph(served, "float32")),
        input_names=["ids:0"],
        output_names=[f"{name}:0" for name in heads_of(served)],
        opset=_OPSET,
    )
    heads = list(heads_of(served).values())
    for form in ("float16", *SCALED):
        with_kernels(model, [each for each in heads if (kernels or each.kernels) == form], form)
    write_bytes(path, model.SerializeToString())


def _without_bitcasts(graph: Any) -> Any:
    """Return the graph with float16 tables gathered directly, because ONNX has no Bitcast."""
    before = {node.name: node.input[0] for node in graph.node if node.op == "Bitcast"}
    kept = tf.compat.v1.GraphDef(versions=graph.versions)
    for node in graph.node:
        if node.op == "Bitcast":
            continue
        if any(name in before for name in node.input) and node.op == "GatherV2":
            node.attr["Tparams"].type = tf.float16.as_datatype_enum
        node.input[:] = [before.get(name, name) for name in node.input]
        kept.node.append(node)
    return kept


def run_onnx(
    path: str | Path, ids: NDArray[np.int32], names: Sequence[str]
) -> list[NDArray[np.float32]]:
    """Run the file on padded ids, and return the named outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run([f"{n}:0" for n in names], {"ids:0": ids})
    return found
