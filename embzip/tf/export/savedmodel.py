"""Exports a classifier as a SavedModel with a signature for token ids; arrays are stored once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.files.writing import atomic_folder
from embzip.foreign.formats.bundle_writing import tensorflow_writes
from embzip.tf.export.graph import Model, serving_function
from embzip.tf.export.heads import Source

MARKER = "saved_model.pb"  # a folder with this file is a SavedModel


def export_savedmodel(model: Model, path: str | Path, *, kernels: str | None = None) -> None:
    """Write a folder with the signature `serving_default`: `ids` -> `probabilities`.

    A kit has one output per classifier, with its name. A SavedModel at `path` is replaced.
    """
    module = tf.Module()
    module.weights = []

    def variable(array: NDArray[Any]) -> Source:
        held = tf.Variable(array, trainable=False)
        module.weights.append(held)
        return lambda: tf.convert_to_tensor(held)

    module.serve = serving_function(model, kernels, variable)
    with atomic_folder(path, marker=MARKER) as folder, tensorflow_writes(Path(path)):
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def run_savedmodel(
    path: str | Path, ids: NDArray[np.int32], names: Sequence[str]
) -> list[NDArray[np.float32]]:
    """Run the folder's model on padded ids, and return the named outputs."""
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    found = signature(ids=tf.constant(ids))
    return [found[name].numpy() for name in names]
