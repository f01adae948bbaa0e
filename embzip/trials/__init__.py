"""Small models tried and held to a test: `gate` compares two files, `search` makes the small one.

The public names stand in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
