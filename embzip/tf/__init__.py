"""Our own models in Keras: trained, tuned, exported, their variables read from checkpoints.

`train` and `tune` make classifiers that NumPy serves. Importing this registers the decoding layer,
so that saved models with one open. The names stand in `__init__.pyi`.
"""

import lazy_loader

import embzip.layers  # noqa: F401  # registers, and says what to install

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
