"""Keras layers: the layer that decodes a table, folding, finding a model's embeddings.

Importing this loads TensorFlow and registers `CompressedEmbeddingLayer`, so that saved models that
contain one can be opened.
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

from embzip.layers.decoding import CompressedEmbeddingLayer

__all__ = ["CompressedEmbeddingLayer"]

del _keras, _tensorflow
