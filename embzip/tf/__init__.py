"""Trains, tunes and exports embzip's classifiers with Keras, and reads their checkpoints.

`train` and `tune` return classifiers that run in NumPy. Importing this registers the decoding
layer, so that saved models that contain one can be opened. The public names are in `__init__.pyi`.
"""

import lazy_loader

import embzip.layers  # noqa: F401  # registers the layer, or says what to install

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
