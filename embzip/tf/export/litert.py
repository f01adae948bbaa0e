"""A classifier as a .tflite file: codes stay codes, tokenizer and labels are attached.

The converter's own quantization would take look-up tables along, so kernels are quantized in the
finished flatbuffer: `embzip.tf.export.kernels`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.classifier import Classifier
from embzip.files import write_bytes
from embzip.litert import LiteRtClassifier, litert
from embzip.litert.attachment import Attachment, attach
from embzip.tf.export.graph import as_is, check_size, constant, serving_function
from embzip.tf.export.kernels import (
    float16_kernels,
    float32_kernels,
    int8_arithmetic,
    int8_kernels,
)

_TEXTS = 1000  # representative texts that are run


KERNELS = {"float32": float32_kernels, "float16": float16_kernels, "int8": int8_kernels}


def export_litert(
    classifier: Classifier,
    path: str | Path,
    *,
    weights: str = "float32",
    calibrate: Sequence[str] | None = None,
) -> None:
    """Write a .tflite file that `embzip.Classifier.load` and any LiteRT interpreter run."""
    litert()  # which runs what was written, so its absence is said first
    check_size(classifier, path)
    plain = converted(classifier)
    if calibrate is None:
        model = KERNELS[weights](plain, classifier)
    else:
        ids = [_input(classifier, text) for text in classifier.encode(calibrate[:_TEXTS])]
        model = int8_arithmetic(plain, classifier, ids)
    write_bytes(path, attach(model, attachment_of(classifier)))


def converted(classifier: Classifier) -> bytes:
    """Return the model's flatbuffer, all numbers as they are."""
    function = serving_function(classifier, as_is, constant)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    content: bytes = converter.convert()
    return content


def attachment_of(classifier: Classifier) -> Attachment:
    """Return what is attached: tokenizer, labels, and how texts are padded."""
    config = classifier.config
    return Attachment(classifier.tokenizer, (classifier.labels,), config.max_length, config.padding)


def run_litert(path: str | Path, ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the probabilities of padded ids, from the file."""
    return LiteRtClassifier.load(path).probabilities_of_ids(ids.tolist())


def _input(classifier: Classifier, ids: Sequence[int]) -> NDArray[np.int32]:
    """Return (1, time) ids, padded as they are when the model runs."""
    length = min(len(ids) + classifier.config.padding, classifier.max_length)
    padded = np.full((1, length), classifier.embedding.pad_id, np.int32)
    padded[0, : len(ids)] = ids
    return padded
