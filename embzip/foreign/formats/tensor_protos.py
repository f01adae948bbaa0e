"""Converts TensorFlow's type, shape and tensor messages to names, tuples and checked arrays."""

import math
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.foreign.formats.library_errors import LIBRARY_ERRORS


def dtype_name(number: int) -> str:
    """Return the name of a `DataType` number; `invalid` if TensorFlow does not know it.

    >>> dtype_name(1), dtype_name(7)
    ('float32', 'string')
    """
    try:
        return str(tf.dtypes.as_dtype(number).base_dtype.name)
    except (TypeError, KeyError):
        return "invalid"


def shape_of(proto: Any) -> tuple[int, ...]:
    """Return a `TensorShapeProto` as a tuple; -1 for an unknown size."""
    return tuple(int(dim.size) for dim in proto.dim)


def fits(proto: Any) -> bool:
    """Return whether a `TensorProto` has as many values as its type and shape require.

    A list of values may be shorter: the last one is then repeated.
    """
    count = math.prod(shape_of(proto.tensor_shape))
    dtype = tf.dtypes.as_dtype(proto.dtype)
    if proto.tensor_content:
        return bool(dtype != tf.string and len(proto.tensor_content) == count * dtype.size)
    listed = [len(value) for field, value in proto.ListFields() if field.name.endswith("_val")]
    return max(listed, default=0) <= count * (2 if dtype.is_complex else 1)


def array_of(proto: Any, where: str) -> NDArray[Any]:
    """Return the values of a `TensorProto`.

    Raises
    ------
    InputError
        If they do not fit its type and shape. The message begins with `where`.
    """
    try:
        array: NDArray[Any] = tf.make_ndarray(proto)
    except LIBRARY_ERRORS as error:
        why = " ".join(str(error).split())[:160]
        raise InputError(f"{where}: its values are damaged ({why})") from error
    return array
