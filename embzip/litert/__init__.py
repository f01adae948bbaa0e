"""Runs exported .tflite classifiers without TensorFlow, with the files attached to them."""

from embzip.litert.classifiers import LiteRtClassifier, LiteRtKit, is_tflite, load_litert
from embzip.litert.runtime import LiteRtModel, litert

__all__ = ["LiteRtClassifier", "LiteRtKit", "LiteRtModel", "is_tflite", "litert", "load_litert"]
