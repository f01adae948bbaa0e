"""The means and deviations of classes as params: a byte each, and two scales a class.

A mean is an int8 times a scale. A deviation is 0 where its byte is 0; byte 1 is the class's
largest, and each byte more is a sixteenth of an octave less.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.codecs.ops import ArrayOps
from embzip.codecs.rounding import symmetric_int8
from embzip.codecs.row_classes.allocation import Allocation

LEAST = 2 * float(np.finfo(np.float32).tiny)  # a deviation whose inverse is finite in float32
_STEPS = 16  # an octave

# The deviation that each byte stands for, as a share of the class's largest.
SHARES = np.concatenate([[0], 2.0 ** (-np.arange(255) / _STEPS)]).astype(np.float32)


def moment_params(found: Allocation) -> dict[str, NDArray[Any]]:
    """Return the params `mean` and `deviation` (classes, dim), and `scale` (classes, 2)."""
    mean, step = symmetric_int8(found.mean, axis=1)
    # The last rows that moved may leave a column that has bits without a deviation, or with one
    # that float32 cannot divide by.
    active = np.where((found.bits > 0) & (found.deviation > LEAST), found.deviation, 0)
    largest = np.maximum(active.max(axis=1), LEAST).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.rint(-_STEPS * np.log2(active / largest[:, None]))
    deviation = np.where(active > 0, 1 + np.minimum(below, 254), 0).astype(np.uint8)
    return {"mean": mean, "deviation": deviation, "scale": np.stack([largest, step], axis=1)}


def decoded_moments(params: Mapping[str, Any], ops: ArrayOps) -> tuple[Any, Any]:
    """Return the deviations and the means that params stand for, (classes, dim) each."""
    below = ops.take(SHARES, ops.cast(params["deviation"], "int32"))
    deviation = ops.multiply(below, ops.columns(params["scale"], 0, 1))
    mean = ops.multiply(ops.cast(params["mean"], "float32"), ops.columns(params["scale"], 1, 2))
    return deviation, mean
