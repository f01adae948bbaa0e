"""Keras layers: the layer that decodes a table, folding, finding a model's embeddings.

Importing this loads TensorFlow and registers the layers that saved models may contain, so that
these can be opened: compressed tables, layers with int8 kernels, an activation of Keras 2.
"""

from embzip.errors import MissingPackageError

try:
    import keras as _keras
    import tensorflow as _tensorflow
except ImportError as error:
    raise MissingPackageError(
        f"training and Keras models need TensorFlow, and importing it failed ({error}): "
        "`pip install 'tensorflow-cpu>=2.18'`, or `uv sync --extra train` from a checkout"
    ) from error

from embzip.layers import keras2_activations, reversible, small_kernels
from embzip.layers.decoding import CompressedEmbeddingLayer

__all__ = ["CompressedEmbeddingLayer"]

del _keras, _tensorflow, small_kernels, keras2_activations, reversible
