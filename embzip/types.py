"""Types that stand in signatures everywhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]  # (rows, dim)
Arrays = Mapping[str, NDArray[Any]]  # named tensors
Progress = Callable[[int, int], None]  # is told what is done and how much there is


@dataclass(frozen=True)
class TrainingState:
    """Where a training is.

    Attributes
    ----------
    epoch
        The one that runs, from 1.
    loss
        The mean of its batches so far.
    dev_accuracy
        After the epoch before it, 0 to 1; None in the first.
    """

    epoch: int
    loss: float
    dev_accuracy: float | None = None


# Is told batches done, batches of all epochs, and the state.
TrainingProgress = Callable[[int, int, TrainingState], None]


def without_state(progress: Progress | None) -> TrainingProgress | None:
    """Return a training's callback that passes on the counts alone.

    >>> without_state(lambda done, total: print(done, total))(1, 2, TrainingState(1, 0.7))
    1 2
    """
    return None if progress is None else lambda done, total, state: progress(done, total)
