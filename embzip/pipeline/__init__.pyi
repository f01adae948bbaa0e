# The public names, and where each lives; `__init__.py` imports one when it is first used.
from .running import report as report
from .running import run as run
