"""TensorFlow's type and shape messages in plain words.

Values are read in `embzip.tf.surgery` only.
"""

from typing import Any

import tensorflow as tf


def dtype_name(number: int) -> str:
    """Return the name of a `DataType` number; `invalid` where TensorFlow knows none.

    >>> dtype_name(1), dtype_name(7)
    ('float32', 'string')
    """
    try:
        return str(tf.dtypes.as_dtype(number).base_dtype.name)
    except (TypeError, KeyError):
        return "invalid"


def shape_of(proto: Any) -> tuple[int, ...]:
    """Return a `TensorShapeProto` as a tuple; -1 where a size is not known."""
    return tuple(int(dim.size) for dim in proto.dim)
