"""A classifier as a frozen graph: one GraphDef, weights as constants, for `tf.compat.v1`."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Classifier
from embzip.files import write_bytes
from embzip.tf.export.graph import FORMS, check_size, constant, output_names, serving_function


def export_frozen(classifier: Classifier, path: str | Path, *, weights: str = "float32") -> None:
    """Write a .pb file: the placeholder `ids`, int32 (batch, time), and `probabilities`."""
    check_size(classifier, path)
    write_bytes(path, frozen_graph(classifier, weights).SerializeToString())


def frozen_graph(classifier: Classifier, weights: str) -> Any:
    """Return the GraphDef."""
    return serving_function(classifier, FORMS[weights], constant).graph.as_graph_def()


def run_frozen(path: str | Path, ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the probabilities of padded ids, from the file."""
    definition = tf.compat.v1.GraphDef.FromString(Path(path).read_bytes())
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(definition, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            fetched: NDArray[np.float32] = session.run(f"{output_names(1)[0]}:0", {"ids:0": ids})
            return fetched
