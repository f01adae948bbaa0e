"""Classifiers in NumPy: a configuration and named arrays -> probabilities. Trains nothing."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
