"""Types that stand in signatures everywhere."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]  # (rows, dim)
Arrays = Mapping[str, NDArray[Any]]  # named tensors
Progress = Callable[[int, int], None]  # is told what is done and how much there is
# Is told batches done, batches of all epochs, and the mean loss of the epoch so far.
TrainingProgress = Callable[[int, int, float], None]


def without_loss(progress: Progress | None) -> TrainingProgress | None:
    """Return a training's callback that passes on all but the loss.

    >>> without_loss(lambda done, total: print(done, total))(1, 2, 0.7)
    1 2
    """
    return None if progress is None else lambda done, total, loss: progress(done, total)
