"""Times single training steps, to compare tables fairly. Trains nothing that is kept."""

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import Any

import numpy as np

from embzip.classifier import encoder_class
from embzip.classifier.training_options import Optimizer, check_training_options
from embzip.corpus import Example, check_training_labels
from embzip.embedding import CompressedEmbedding
from embzip.tf.task import Task
from embzip.vectors.base import Vectors


def step_function(
    examples: Sequence[Example],
    vectors: Vectors | CompressedEmbedding,
    *,
    trainable: bool = True,
    max_length: int | None = None,
    encoder: str = "cnn",
    batch_size: int = 64,
    seed: int = 0,
    optimizer: Optimizer = "auto",
    **shape: Any,
) -> Callable[[], float]:
    """Return a function that performs one training step of `train`, and returns its seconds.

    To compare the training times of two tables fairly, alternate steps of both. Each call uses the
    next batch of an epoch, and then of another. The first call traces the step, so do not count it.

    Parameters
    ----------
    examples, vectors, encoder, shape
        As in `train`; nothing is held out.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["goal", "vote"]), np.eye(2, 8))
    >>> examples = [Example("goal", "sport"), Example("vote", "politics")] * 8
    >>> step = step_function(examples, table, optimizer="adam-rows")
    >>> 0 < step_seconds(step, steps=2)
    True
    """
    check_training_options(batch_size=batch_size, optimizer=optimizer, seed=seed)
    task = Task.prepare(
        examples,
        check_training_labels(examples, "the training examples"),
        vectors,
        trainable=trainable,
        max_length=max_length,
        encoder=encoder_class(encoder),
        shape=shape,
        learning_rate=1e-3,
        seed=seed,
        optimizer=optimizer,
    )
    rng = np.random.default_rng(seed)

    batches = chain.from_iterable(task.batches.shuffled(batch_size, rng) for _ in count())

    def step() -> float:
        batch = next(batches)
        start = time.perf_counter()
        task.trainer.step(*batch)
        return time.perf_counter() - start

    return step


def step_seconds(step: Callable[[], float], *, steps: int = 20, warm_up: int = 3) -> float:
    """Return the median seconds of `steps` calls of a `step_function`, after a warm-up.

    >>> step_seconds(iter([9.0, 0.1, 0.3, 0.2]).__next__, steps=3, warm_up=1)
    0.2
    """
    for _ in range(warm_up):
        step()
    return statistics.median(step() for _ in range(steps))
