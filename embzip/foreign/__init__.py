"""Inspects, slims, rebuilds and profiles other people's files and models, and reads variables.

The public names are in `__init__.pyi`. Everything but `formats.kinds` needs TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
