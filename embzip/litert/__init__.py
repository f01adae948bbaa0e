"""Runs exported .tflite classifiers without TensorFlow, with the files attached to them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
