# The public names, and where each lives; `__init__.py` imports one when it is first used.
from .demonstrating import demo as demo
from .gating import gate as gate
from .searching import search as search
