"""Types that stand in signatures everywhere."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]  # (rows, dim)
Arrays = Mapping[str, NDArray[Any]]  # named tensors
Progress = Callable[[int, int], None]  # is told what is done and how much there is
