"""A classifier as a SavedModel: a signature for token ids, and each weight stored once."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Classifier
from embzip.files import atomic_folder
from embzip.tf.export.graph import FORMS, Source, output_names, serving_function


def export_savedmodel(
    classifier: Classifier, path: str | Path, *, weights: str = "float32"
) -> None:
    """Write a folder with the signature `serving_default`: `ids` -> `probabilities`."""
    module = tf.Module()
    module.weights = []

    def variable(array: NDArray[Any]) -> Source:
        held = tf.Variable(array, trainable=False)
        module.weights.append(held)
        return lambda: tf.convert_to_tensor(held)

    module.serve = serving_function(classifier, FORMS[weights], variable)
    with atomic_folder(path) as folder:
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def run_savedmodel(path: str | Path, ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the probabilities of padded ids, from the folder."""
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    found: NDArray[np.float32] = signature(ids=tf.constant(ids))[output_names(1)[0]].numpy()
    return found
