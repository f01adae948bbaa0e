"""Exports a classifier as a frozen graph, one GraphDef without variables, for `tf.compat.v1`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.files.writing import write_bytes
from embzip.tf.export.graph import Model, constant, serving_function


def export_frozen(model: Model, path: str | Path, *, kernels: str | None = None) -> None:
    """Write a .pb file: the placeholder `ids`, int32 (batch, time), and `probabilities`.

    A kit has one output per classifier, with its name.
    """
    write_bytes(path, frozen_graph(model, kernels).SerializeToString())


def frozen_graph(model: Model, kernels: str | None) -> Any:
    """Return the GraphDef."""
    return serving_function(model, kernels, constant).graph.as_graph_def()


def run_frozen(
    path: str | Path, ids: NDArray[np.int32], names: Sequence[str]
) -> list[NDArray[np.float32]]:
    """Run the file on padded ids, and return the named outputs."""
    definition = tf.compat.v1.GraphDef.FromString(Path(path).read_bytes())
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(definition, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            found: list[NDArray[np.float32]] = session.run(
                [f"{name}:0" for name in names], {"ids:0": ids}
            )
            return found
