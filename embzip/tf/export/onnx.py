"""Exports a classifier as an ONNX model, for onnxruntime; tf2onnx converts the frozen graph."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.storage import SCALED
from embzip.files.writing import write_bytes
from embzip.foreign.graph.onnx_graphs import onnx_model
from embzip.tf.export.frozen import frozen_graph
from embzip.tf.export.graph import Model, heads_of


def export_onnx(served: Model, path: str | Path, *, kernels: str | None = None) -> None:
    """Write an .onnx file: the input `ids`, int32 (batch, time), and the output `probabilities`.

    A kit has one output per classifier, with its name.

    Raises
    ------
    MissingPackageError
        If tf2onnx or onnxruntime is not installed.
    """
    model = onnx_model(
        frozen_graph(served, "float32"), ["ids:0"], [f"{name}:0" for name in heads_of(served)]
    )
    # Imported here: it needs the packages that `onnx_model` asks for.
    from embzip.tf.export.onnx_kernels import with_kernels

    heads = list(heads_of(served).values())
    for form in ("float16", *SCALED):
        with_kernels(model, [each for each in heads if (kernels or each.kernels) == form], form)
    write_bytes(path, model.SerializeToString())


def run_onnx(
    path: str | Path, ids: NDArray[np.int32], names: Sequence[str]
) -> list[NDArray[np.float32]]:
    """Run the file on padded ids, and return the named outputs."""
    import onnxruntime  # type: ignore[import-untyped]

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run([f"{n}:0" for n in names], {"ids:0": ids})
    return found
