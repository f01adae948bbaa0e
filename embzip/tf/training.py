"""Trains a classifier on a table.

The loop itself is in `embzip.tf.trainer`. Keras' global random state is not used: everything random
is drawn from `seed`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from embzip.classifier import Classifier, encoder_class
from embzip.classifier.schedules import PruningShares
from embzip.classifier.text_digests import TextDigest
from embzip.classifier.training_options import ClassWeights, Optimizer, check_training_options
from embzip.classifier.training_record import TrainingRecord, TrainingRun
from embzip.corpus import Example
from embzip.embedding import CompressedEmbedding
from embzip.labelled.splits import check_dev
from embzip.soft_labels import SoftLabels
from embzip.tf.batches import batches_of, training_and_dev
from embzip.tf.interrupts import noticed_interrupts
from embzip.tf.pruning import GradualPruning, PruningReport, sparsity, zipped_nbytes
from embzip.tf.targets import answered_labels, targets_of
from embzip.tf.task import Task
from embzip.tokenizers.reach import Reach
from embzip.types import Matrix, TrainingProgress
from embzip.vectors.base import Vectors


@dataclass(frozen=True, eq=False)
class TrainResult:
    """The result of `train`.

    Attributes
    ----------
    classifier
        The model of the best epoch. Its `training` says how it was made, and from which texts.
    epoch_seconds
        The training time of each epoch in seconds, without the evaluation on dev.
    dev_accuracy
        The accuracy on dev after each epoch, 0 to 1. Of equally good epochs, the first is kept.
    cut_share
        The share of the training texts that are longer than `max_length`.
    reach
        How the table's tokenizer fits the training texts and the table.
    interrupted
        Whether Ctrl-C ended the training, as its `run` says too, or came after it, while the
        classifier was made; see `keep_interrupted`.
    pruning
        The zeros and the zipped bytes, if the model was pruned; otherwise None.
    """

    classifier: Classifier
    epoch_seconds: list[float]
    dev_accuracy: list[float]
    cut_share: float
    reach: Reach
    interrupted: bool = False
    pruning: PruningReport | None = None

    @property
    def run(self) -> TrainingRun:
        """What the classifier's file says of this training, such as the epoch that was kept."""
        return self.classifier.training.runs[-1]


def train(
    examples: Sequence[Example],
    vectors: Vectors | CompressedEmbedding,
    *,
    dev: Sequence[Example] | None = None,
    targets: SoftLabels | Matrix | None = None,
    labels: Sequence[str] | None = None,
    trainable: bool = True,
    lowercase: bool | None = None,
    max_length: int | None = None,
    encoder: str = "cnn",
    epochs: int = 10,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    patience: int = 2,
    seed: int = 0,
    optimizer: Optimizer = "auto",
    class_weights: ClassWeights = "none",
    random_init: bool = False,
    pruning: GradualPruning | PruningShares | None = None,
    keep_interrupted: bool = False,
    progress: TrainingProgress | None = None,
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
    targets
        Probabilities to learn instead of the labels, another model's word: of every training text,
        or a matrix (examples, classes) in the order of the examples. Dev is judged by its labels.
    labels
        The classes in the order of the output columns; those of `examples` among them. None takes
        them sorted: those of the targets, if these are `SoftLabels`, else those of the examples.
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
        the rows that a batch has read; `auto` is the faster one for this table.
    class_weights
        `balanced` lets all labels count alike in the loss, however many texts they have, and keeps
        the epoch of the highest macro-F1 on dev.
    random_init
        Whether to start from random rows with the table's standard deviation, as a baseline.
    pruning
        Makes kernels and a trainable table sparse during training; only epochs after the end of
        its schedule can be the best.
    keep_interrupted
        Whether Ctrl-C ends the training with its best epoch so far, if there is one, instead of
        raising KeyboardInterrupt.
    progress
        Called with (batches done, batches of all epochs, mean loss of this epoch so far); with
        early stopping, it ends before.
    shape
        Options of the encoder, such as `filters=64`: the fields of its configuration
        (`embzip.CnnConfig`, `MeanConfig`, `AttentionConfig`, `FnetConfig`).

    Raises
    ------
    InputError
        For fewer than two labels or two different texts, a `dev` that is empty or has no label of
        the training examples, targets that are no probabilities, a label that targets or `labels`
        lack, or options out of range.
    SpecError
        For an unknown encoder.
    MismatchError
        For a frozen table without special rows or tokenizer, `lowercase` with a table that has a
        tokenizer, or a training text that `targets` say nothing of.

    Warns
    -----
    UserWarning
        Where more than a fifth of the texts' tokens are unknown, or of the tokens of a table
        without a tokenizer are never read. Where `dev` shares texts with the training examples, or
        has labels that they lack.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["goal", "vote"]), np.eye(2, 8))
    >>> examples = [Example(text="goal", label="sport"), Example(text="vote", label="politics")] * 8
    >>> result = train(examples, table, windows=(1,), epochs=5, learning_rate=0.1)
    >>> result.classifier.predict(["what a goal"])[0].label
    'sport'
    """
    check_training_options(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        optimizer=optimizer,
        class_weights=class_weights,
        seed=seed,
    )
    classes = answered_labels(examples, labels, targets)
    kept, held_out = training_and_dev(examples, dev)
    if dev is not None:
        check_dev(held_out, kept, classes)
    steps = epochs * -(-len(kept) // batch_size)
    task = Task.prepare(
        kept,
        classes,
        vectors,
        trainable=trainable,
        lowercase=lowercase,
        max_length=max_length,
        encoder=encoder_class(encoder),
        shape=shape,
        learning_rate=learning_rate,
        seed=seed,
        optimizer=optimizer,
        class_weights=class_weights,
        random_init=random_init,
        targets=targets_of(targets, examples, kept, classes),
    )
    if isinstance(pruning, PruningShares):
        pruning = GradualPruning(pruning.over(steps))
    zipped = 0 if pruning is None else zipped_nbytes(task.model)
    dev_batches = batches_of(held_out, task.labels, task.table, task.config)
    # What was trained is not lost to a Ctrl-C that comes before it is returned.
    with noticed_interrupts(keep_interrupted) as pressed:
        run = task.trainer.fit(
            task.batches,
            dev_batches,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            seed=seed,
            to_beat=-math.inf,
            progress=progress,
            pruning=pruning,
            keep_interrupted=keep_interrupted,
        )
        report = None
        if pruning is not None:
            report = PruningReport(tuple(sparsity(task.model)), zipped, zipped_nbytes(task.model))
        known = TrainingRun(
            kind="train",
            training=TextDigest.of(example.text for example in kept),
            dev=TextDigest.of(example.text for example in held_out),
            held_out=dev is None,
            epochs=epochs,
            best_epoch=run.best_epoch,
            batch_size=batch_size,
            learning_rate=learning_rate,
            optimizer=task.optimizer,
            seed=seed,
            patience=patience,
            trainable=trainable,
            random_init=random_init,
            interrupted=run.interrupted,
            pruning=None if pruning is None else pruning.schedule,
            soft=targets is not None,
            class_weights=class_weights,
        )
        training = TrainingRecord((known,)).measured(run.dev_accuracy[run.best_epoch - 1])
        classifier = replace(task.classifier(), training=training)
    return TrainResult(
        classifier,
        run.epoch_seconds,
        run.dev_accuracy,
        task.cut_share,
        task.reach,
        run.interrupted or pressed(),
        report,
    )
