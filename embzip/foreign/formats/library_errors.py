"""What TensorFlow, Keras and h5py raise for a damaged file: nearly anything.

It is caught only around calls into them, for which the content of a file is the whole input.
"""

import tensorflow as tf

LIBRARY_ERRORS = (
    tf.errors.OpError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
)
