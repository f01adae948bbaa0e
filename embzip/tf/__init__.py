"""Training and rewriting with TensorFlow and Keras; the only part of embzip that imports them.

`train` and `tune` make classifiers that NumPy serves; `rebuild` regenerates the embedding of a
user's own Keras model. After `import embzip.tf`, saved models with a `CompressedEmbeddingLayer`
reload.
"""

from embzip.errors import MissingPackageError

try:
    import keras as _keras
    import tensorflow as _tensorflow
except ImportError as error:
    raise MissingPackageError(
        f"embzip.tf needs TensorFlow, and importing it failed ({error}): "
        "`pip install 'tensorflow-cpu>=2.18'`, or `uv sync --extra train` from a checkout"
    ) from error

from embzip.tf.classifiers import from_classifier, from_kit
from embzip.tf.layers import CompressedEmbeddingLayer
from embzip.tf.optimizers import RowSparseAdam
from embzip.tf.own_weights import with_weights
from embzip.tf.rewrite import rebuild
from embzip.tf.schedules import PolynomialSchedule, PruningShares
from embzip.tf.sparsity import GradualPruning, PruningReport, sparsity, strip, zipped_nbytes
from embzip.tf.training import TrainResult, step_function, step_seconds, train
from embzip.tf.tuning import TuneResult, tune
from embzip.tf.weights import load_weights, weights_of

__all__ = [
    "CompressedEmbeddingLayer",
    "GradualPruning",
    "PolynomialSchedule",
    "PruningReport",
    "PruningShares",
    "RowSparseAdam",
    "TrainResult",
    "TuneResult",
    "from_classifier",
    "from_kit",
    "load_weights",
    "rebuild",
    "sparsity",
    "step_function",
    "step_seconds",
    "strip",
    "train",
    "tune",
    "weights_of",
    "with_weights",
    "zipped_nbytes",
]

del _keras, _tensorflow
