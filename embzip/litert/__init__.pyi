# The public names, and where each lives; `__init__.py` imports one when it is first used.
from .classifiers import LiteRtClassifier as LiteRtClassifier
from .classifiers import LiteRtKit as LiteRtKit
from .classifiers import load_litert as load_litert
from .runtime import LiteRtModel as LiteRtModel
from .runtime import litert as litert
