"""Exported .tflite classifiers, without TensorFlow: the attached files, and what runs the model."""

from embzip.litert.runtime import LiteRtClassifier, is_tflite, litert

__all__ = ["LiteRtClassifier", "is_tflite", "litert"]
