# The public names, and where each lives; `__init__.py` imports one when it is first used.
from .comparing import compare_on_arrays as compare_on_arrays
from .exporting import export_model as export_model
from .inspecting import inspect as inspect
from .keras_rebuilding import rebuild_model as rebuild_model
from .profiling import profile as profile
from .rebuilding import rebuild_file as rebuild_file
from .slimming import slim as slim
from .text_models import TextModel as TextModel
from .text_models import load_text_model as load_text_model
from .variables import load_variables as load_variables
from .variables import variables_of as variables_of
