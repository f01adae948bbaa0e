"""A classifier as a .tflite file: codes stay codes, tokenizer and labels are attached.

The converter's own quantization would take look-up tables along, so kernels are quantized in the
finished flatbuffer: `embzip.tf.export.kernels`.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Classifier
from embzip.files import write_bytes
from embzip.litert import LiteRtClassifier
from embzip.litert.attachment import Attachment, attach
from embzip.tf.export.graph import as_is, check_size, constant, serving_function


def export_litert(classifier: Classifier, path: str | Path, *, weights: str = "float32") -> None:
    """Write a .tflite file that `embzip.Classifier.load` and any LiteRT interpreter run."""
    check_size(classifier, path)
    write_bytes(path, attach(converted(classifier), attachment_of(classifier)))


def converted(classifier: Classifier) -> bytes:
    """Return the model's flatbuffer, all numbers as they are."""
    function = serving_function(classifier, as_is, constant)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    content: bytes = converter.convert()
    return content


def attachment_of(classifier: Classifier) -> Attachment:
    """Return what is attached: tokenizer, labels, and how texts are padded."""
    config = classifier.config
    return Attachment(
        classifier.tokenizer, (classifier.labels,), config.max_length, max(config.windows)
    )


def run_litert(path: str | Path, ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the probabilities of padded ids, from the file."""
    return LiteRtClassifier.load(path).probabilities_of_ids(ids.tolist())
