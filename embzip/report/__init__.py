"""Records -> terminal table, JSON, Markdown, one self-contained HTML page.

A record is the dictionary that stands in report.json; `record.py` says what is in it. Nothing
here trains or chooses. The public names stand in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
