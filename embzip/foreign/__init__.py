"""Other people's files and models: inspected, slimmed, rebuilt, profiled, read for variables.

The names stand in `__init__.pyi`. Only `formats.kinds` does without TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
