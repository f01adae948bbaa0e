"""The three trainings of a student: in float32, rounded as it will be coded, over its codes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras

from embzip.classifier import Classifier, Encoder
from embzip.classifier.rebuilding import rebuild, table_for
from embzip.classifier.storage import SCALED
from embzip.classifier.student_shape import StudentShape
from embzip.classifier.students import Start
from embzip.compression import compress
from embzip.layers.decoding import TrainableEmbedding
from embzip.tf.batches import Batches
from embzip.tf.classifiers import arrays_of, assign, build_model, from_classifier
from embzip.tf.encoders import LayerFactory
from embzip.tf.lessons import Lessons
from embzip.tf.quantization import RoundedEmbedding
from embzip.tf.trainer import Run, Trainer
from embzip.types import Arrays, TrainingProgress, TrainingState
from embzip.vectors.base import Vectors, vectors_of

TUNED_EPOCHS, _TUNING_RATE = 2, 3e-4


@dataclass(frozen=True, eq=False)
class Course:
    """What all trainings share.

    Attributes
    ----------
    lessons, dev
        What is learned, and what chooses the epoch, by its log loss.
    labels
        Of the teachers.
    shape
        Of the student.
    epochs
        Of the first training, and of the second; `TUNED_EPOCHS` follow.
    progress
        Of all together.
    """

    lessons: Lessons
    dev: Batches
    labels: tuple[str, ...]
    shape: StudentShape
    epochs: tuple[int, int]
    batch_size: int
    learning_rate: float
    patience: int
    seed: int
    keep_interrupted: bool
    progress: TrainingProgress | None

    def fit(
        self,
        trainer: Trainer,
        *,
        before: int,
        epochs: int,
        patience: int = 0,
        to_beat: float = -math.inf,
        recode: Callable[[], None] | None = None,
        falling: Any = None,
    ) -> Run:
        """Train for some epochs after those that went before.

        The learning rate of an optimizer `falling` goes along a cosine, from epoch to epoch.
        """
        report = self.progress

        def lessons(epoch: int) -> Batches:
            if falling is not None:
                share = (1 + math.cos(math.pi * (epoch + 0.5) / epochs)) / 2
                falling.learning_rate = self.learning_rate * share
            return self.lessons(before + epoch)

        in_all = sum(self.epochs) + TUNED_EPOCHS

        def move(done: int, total: int, state: TrainingState) -> None:
            if report is not None:
                report(before * total // epochs + done, in_all * total // epochs, state)

        return trainer.fit(
            lessons,
            self.dev,
            epochs=epochs,
            batch_size=self.batch_size,
            patience=patience or epochs,
            seed=self.seed,
            to_beat=to_beat,
            progress=move,
            recode=recode,
            keep_interrupted=self.keep_interrupted,
        )

    @property
    def form(self) -> str:
        """How kernels are rounded in the forward pass; not at all where it is empty."""
        return self.shape.kernels if self.shape.kernels in SCALED else ""


def distilled(start: Start, course: Course, *, done: int = 0) -> tuple[Classifier, Run]:
    """Return the float32 student, table and all trained, after `done` epochs that it has had."""
    pad_id = start.vectors.vocabulary.pad_id
    layer = TrainableEmbedding(start.vectors.matrix, pad_id=pad_id, name="embedding")
    model = _model(start.config, layer, start.arrays, course)
    trainer = Trainer(model, keras.optimizers.Adam(course.learning_rate), soft=True, by_loss=True)
    left = course.epochs[0] - done
    run = course.fit(trainer, before=done, epochs=left, patience=course.patience)
    return _student(model, start.vectors, start.config, course), run


def rounded(student: Classifier, course: Course) -> tuple[Classifier, list[float], bool]:
    """Return a float32 student that was trained on while its numbers were read as coded.

    The error that the codec leaves in each row is added to what is read of it, and measured anew
    every hundred steps; gradients pass as they are. So the rest learns to live with it, whatever
    the codec is.

    Returns
    -------
    Also its dev accuracy after each epoch, read as coded, and whether Ctrl-C ended the training.

    References
    ----------
    Bengio, Leonard, Courville 2013, Estimating or propagating gradients through stochastic neurons
    for conditional computation. Fan et al. 2021, Training with quantization noise for extreme model
    compression.
    """
    vectors, epochs = vectors_of(student.embedding), course.epochs[1]
    layer = RoundedEmbedding(vectors.matrix, pad_id=vectors.vocabulary.pad_id, name="embedding")
    model = _model(student.config, layer, student.arrays, course)
    optimizer = keras.optimizers.Adam(course.learning_rate)
    trainer = Trainer(model, optimizer, soft=True, by_loss=True, quantize=course.form)

    def recode() -> None:
        now = _student(model, vectors, student.config, course)
        coded = table_for(now, codec=course.shape.codec, seed=course.seed)
        if coded is not None:
            layer.read_as(coded.decode())

    try:
        run = course.fit(
            trainer, before=course.epochs[0], epochs=epochs, recode=recode, falling=optimizer
        )
    except KeyboardInterrupt:
        if not course.keep_interrupted:
            raise
        return student, [], True
    return _student(model, vectors, student.config, course), run.dev_accuracy, run.interrupted


def coded(student: Classifier, course: Course) -> Classifier:
    """Return a float32 student as its file stores it."""
    shape = course.shape
    return rebuild(student, codec=shape.codec, kernels=shape.kernels, seed=course.seed)


def tuned(student: Classifier, course: Course) -> tuple[Classifier, list[float], bool]:
    """Return a coded student with all that is not coded trained on, where that helps on dev.

    Returns
    -------
    Also its dev accuracy before and after each epoch, and whether Ctrl-C ended the training.
    """
    model = from_classifier(student, seed=course.seed)
    trainer = Trainer(
        model, keras.optimizers.Adam(_TUNING_RATE), soft=True, by_loss=True, quantize=course.form
    )
    before = trainer.judge(course.dev)
    try:
        run = course.fit(
            trainer,
            before=sum(course.epochs),
            epochs=TUNED_EPOCHS,
            to_beat=trainer.score(before),
        )
    except KeyboardInterrupt:
        if not course.keep_interrupted:
            raise
        return student, [before.accuracy], True
    if run.best_epoch:
        arrays = arrays_of(model, student.config, len(student.labels), student.ranks)
        student = replace(student, arrays=arrays)
    return student, [before.accuracy, *run.dev_accuracy], run.interrupted


def _model(config: Encoder, layer: TrainableEmbedding, arrays: Arrays, course: Course) -> Any:
    model = build_model(config, len(course.labels), layer, seed=course.seed)
    assign(model, arrays, LayerFactory(course.seed))
    return model


def _student(model: Any, vectors: Vectors, config: Encoder, course: Course) -> Classifier:
    learned = replace(vectors, matrix=model.get_layer("embedding").table.value.numpy())
    arrays = arrays_of(model, config, len(course.labels))
    return Classifier(compress(learned, "float32"), course.labels, config, arrays)
