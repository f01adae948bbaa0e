"""embzip makes the embedding table of a text classifier small, and proves what it cost.

The names stand in `__init__.pyi`. A name is imported when it is first used, so that serving a model
pays for nothing else; TensorFlow is loaded by what needs it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
