"""Exported .tflite classifiers, without TensorFlow: the attached files, and what runs the model."""

from embzip.litert.classifiers import LiteRtClassifier, LiteRtKit, is_tflite, load_litert
from embzip.litert.runtime import LiteRtModel, litert

__all__ = ["LiteRtClassifier", "LiteRtKit", "LiteRtModel", "is_tflite", "litert", "load_litert"]
