# The public names, and where each lives; `__init__.py` imports one when it is first used.
from .classifiers import from_classifier as from_classifier
from .classifiers import from_kit as from_kit
from .optimizers import RowSparseAdam as RowSparseAdam
from .pruning import GradualPruning as GradualPruning
from .pruning import PolynomialSchedule as PolynomialSchedule
from .pruning import PruningReport as PruningReport
from .pruning import PruningShares as PruningShares
from .pruning import sparsity as sparsity
from .pruning import strip as strip
from .pruning import zipped_nbytes as zipped_nbytes
from .training import TrainResult as TrainResult
from .training import train as train
from .tuning import TuneResult as TuneResult
from .tuning import tune as tune
from .variables import with_variables as with_variables
