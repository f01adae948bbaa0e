"""Trains a classifier on a table, and times training steps.

The loop itself is in `embzip.tf.trainer`. Keras' global random state is not used: everything random
is drawn from `seed`.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embzip.classifier import Classifier, Encoder, encoder_class
from embzip.classifier.schedules import PruningShares
from embzip.classifier.training_options import Optimizer, check_training_options
from embzip.compression import compress
from embzip.corpus import Example, check_training_labels
from embzip.embedding import CompressedEmbedding
from embzip.layers.decoding import CompressedEmbeddingLayer, TrainableEmbedding
from embzip.tf.batches import Batches, batches_of, default_max_length, encode, training_and_dev
from embzip.tf.classifiers import arrays_of, build_model
from embzip.tf.pruning import GradualPruning, PruningReport, sparsity, zipped_nbytes
from embzip.tf.tables import reach_of, table_of
from embzip.tf.trainer import OPTIMIZERS, Trainer
from embzip.tokenizers.reach import Reach
from embzip.types import Progress
from embzip.vectors.base import Vectors


@dataclass(frozen=True, eq=False)
class TrainResult:
    """The result of `train`.

    Attributes
    ----------
    classifier
        The model of the best epoch.
    epoch_seconds
        The training time of each epoch in seconds, without the evaluation on dev.
    dev_accuracy
        The accuracy on dev after each epoch, 0 to 1. Of equally good epochs, the first is kept.
    cut_share
        The share of the training texts that are longer than `max_length`.
    reach
        How the table's tokenizer fits the training texts and the table.
    pruning
        The zeros and the zipped bytes, if the model was pruned; otherwise None.
    """

    classifier: Classifier
    epoch_seconds: list[float]
    dev_accuracy: list[float]
    cut_share: float
    reach: Reach
    pruning: PruningReport | None = None


def train(
    examples: Sequence[Example],
    vectors: Vectors | CompressedEmbedding,
    *,
    dev: Sequence[Example] | None = None,
    trainable: bool = True,
    lowercase: bool | None = None,
    max_length: int | None = None,
    encoder: str = "cnn",
    epochs: int = 10,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    patience: int = 2,
    seed: int = 0,
    optimizer: Optimizer = "adam",
    random_init: bool = False,
    pruning: GradualPruning | PruningShares | None = None,
    progress: Progress | None = None,
    **shape: Any,
) -> TrainResult:
    """Train a classifier: embedding, encoder, dense layer, softmax.

    Parameters
    ----------
    examples
        The training examples, with at least two labels.
    vectors
        The table. If it has no special rows, a zero padding row and a mean unknown row are added
        at the front; if it has no tokenizer, it gets one with its own words.
    dev
        The examples that decide which epoch is kept; labels that do not occur in training count
        as errors. None holds out a tenth of the examples, by a fixed hash of the texts.
    trainable
        Whether the table is trained too, as float32. Otherwise it keeps its codes.
    lowercase
        Whether texts are lower-cased, for a table without a tokenizer. None decides by its words:
        they are if at most a tenth of the words have a capital.
    max_length
        How many tokens of a text are read. None is the 99th percentile of the training lengths,
        at least the widest window, and at most what the encoder can read.
    encoder
        The kind of encoder: `cnn`, the shallow CNN (Kim 2014), `mean`, `attention` or `fnet`.
    patience
        Training ends after this many epochs without a better dev accuracy.
    optimizer
        `adam` is Keras' Adam, which updates the whole table at each step; `adam-rows` updates only
        the rows that a batch has read.
    random_init
        Whether to start from random rows with the table's standard deviation, as a baseline.
    pruning
        Makes kernels and a trainable table sparse during training; only epochs after the end of
        its schedule can be the best.
    progress
        Called with (batches done, batches of all epochs); with early stopping, it ends before.
    shape
        Options of the encoder, such as `filters=64`: the fields of its configuration
        (`embzip.CnnConfig`, `MeanConfig`, `AttentionConfig`, `FnetConfig`).

    Raises
    ------
    InputError
        For fewer than two labels, an empty `dev`, or options out of range.
    SpecError
        For an unknown encoder.
    MismatchError
        For a frozen table without special rows or tokenizer, or `lowercase` with a table that has
        a tokenizer.

    Warns
    -----
    UserWarning
        Where more than a fifth of the texts' tokens are unknown, or of the tokens of a table
        without a tokenizer are never read.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["goal", "vote"]), np.eye(2, 8))
    >>> examples = [Example("goal", "sport"), Example("vote", "politics")] * 8
    >>> result = train(examples, table, windows=(1,), epochs=5, learning_rate=0.1)
    >>> result.classifier.predict(["what a goal"])[0].label
    'sport'
    """
    check_training_options(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        optimizer=optimizer,
        seed=seed,
    )
    kept, held_out = training_and_dev(examples, dev)
    task = _Task.prepare(
        kept,
        check_training_labels(examples, "the training examples"),
        vectors,
        trainable=trainable,
        lowercase=lowercase,
        max_length=max_length,
        encoder=encoder_class(encoder),
        shape=shape,
        learning_rate=learning_rate,
        seed=seed,
        optimizer=optimizer,
        random_init=random_init,
    )
    if isinstance(pruning, PruningShares):
        pruning = GradualPruning(pruning.over(epochs * -(-len(kept) // batch_size)))
    zipped = 0 if pruning is None else zipped_nbytes(task.model)
    run = task.trainer.fit(
        task.batches,
        batches_of(held_out, task.labels, task.table, task.config),
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        seed=seed,
        to_beat=-1.0,
        progress=progress,
        pruning=pruning,
    )
    report = None
    if pruning is not None:
        report = PruningReport(tuple(sparsity(task.model)), zipped, zipped_nbytes(task.model))
    return TrainResult(
        task.classifier(),
        run.epoch_seconds,
        run.dev_accuracy,
        task.cut_share,
        task.reach,
        report,
    )


def step_function(
    examples: Sequence[Example],
    vectors: Vectors | CompressedEmbedding,
    *,
    trainable: bool = True,
    max_length: int | None = None,
    encoder: str = "cnn",
    batch_size: int = 64,
    seed: int = 0,
    optimizer: Optimizer = "adam",
    **shape: Any,
) -> Callable[[], float]:
    """Return a function that performs one training step of `train`, and returns its seconds.

    To compare the training times of two tables fairly, alternate steps of both. Each call uses the
    next random batch. The first call traces the step, so do not count it.

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
    task = _Task.prepare(
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

    def step() -> float:
        chosen = rng.choice(len(task.batches), min(batch_size, len(task.batches)), replace=False)
        return task.trainer.step(*task.batches.cut(chosen))

    return step


def step_seconds(step: Callable[[], float], *, steps: int = 20, warm_up: int = 3) -> float:
    """Return the median seconds of `steps` calls of a `step_function`, after a warm-up.

    >>> step_seconds(iter([9.0, 0.1, 0.3, 0.2]).__next__, steps=3, warm_up=1)
    0.2
    """
    for _ in range(warm_up):
        step()
    return statistics.median(step() for _ in range(steps))


@dataclass(frozen=True, eq=False)
class _Task:
    """Everything that a training run needs."""

    table: Vectors | CompressedEmbedding
    labels: tuple[str, ...]
    config: Encoder
    model: Any
    trainer: Trainer
    batches: Batches
    cut_share: float
    reach: Reach

    @classmethod
    def prepare(
        cls,
        examples: Sequence[Example],
        labels: tuple[str, ...],
        vectors: Vectors | CompressedEmbedding,
        *,
        trainable: bool,
        max_length: int | None,
        encoder: type[Encoder],
        shape: Mapping[str, Any],
        learning_rate: float,
        seed: int,
        optimizer: Optimizer,
        lowercase: bool | None = None,
        random_init: bool = False,
    ) -> "_Task":
        # Refuses wrong options before the table is read.
        encoder.of(1, encoder.longest if max_length is None else max_length, shape)
        table = table_of(vectors, trainable, seed if random_init else None, lowercase)
        encoded = encode(table, examples)
        reach = reach_of(table, encoded, foreign=vectors.tokenizer is None)
        if max_length is None:
            lengths = [len(ids) for ids in encoded]
            least = encoder.least_length(shape)
            max_length = default_max_length(lengths, least=least, most=encoder.longest)
        config = encoder.of(table.dim, max_length, shape)
        layer: Any
        if isinstance(table, Vectors):
            pad_id = table.vocabulary.pad_id
            layer = TrainableEmbedding(table.matrix, pad_id=pad_id, name="embedding")
        else:
            layer = CompressedEmbeddingLayer(table, name="embedding")
        model = build_model(config, len(labels), layer, seed=seed)
        return cls(
            table,
            labels,
            config,
            model,
            Trainer(model, OPTIMIZERS[optimizer](learning_rate)),
            batches_of(examples, labels, table, config, encoded),
            sum(len(ids) > max_length for ids in encoded) / len(encoded),
            reach,
        )

    def classifier(self) -> Classifier:
        """Return the trained model as a classifier."""
        table = self.table
        if isinstance(table, Vectors):
            trained = self.model.get_layer("embedding").table.value.numpy()
            table = compress(replace(table, matrix=trained), "float32")
        return Classifier(
            table, self.labels, self.config, arrays_of(self.model, self.config, len(self.labels))
        )
