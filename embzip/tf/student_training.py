"""The two trainings of a student: whole, in float32, and over its codes."""

from dataclasses import dataclass, replace

import keras

from embzip.classifier import Classifier
from embzip.classifier.storage import SCALED
from embzip.classifier.students import Start
from embzip.compression import compress
from embzip.layers.decoding import TrainableEmbedding
from embzip.tf.batches import Batches
from embzip.tf.classifiers import arrays_of, assign, build_model, from_classifier
from embzip.tf.encoders import LayerFactory
from embzip.tf.lessons import Lessons
from embzip.tf.trainer import Run, Trainer
from embzip.types import TrainingProgress

TUNED_EPOCHS, _TUNING_RATE = 2, 3e-4


@dataclass(frozen=True, eq=False)
class Course:
    """What both trainings share.

    Attributes
    ----------
    lessons, dev
        What is learned, and what chooses the epoch.
    epochs
        Of the first training; `TUNED_EPOCHS` follow.
    progress
        Of both together.
    """

    lessons: Lessons
    dev: Batches
    epochs: int
    batch_size: int
    seed: int
    keep_interrupted: bool
    progress: TrainingProgress | None

    def fit(
        self, trainer: Trainer, *, epochs: int, patience: int, to_beat: float, before: int
    ) -> Run:
        """Train for some epochs after those that went before."""
        report = self.progress
        in_all = self.epochs + TUNED_EPOCHS

        def move(done: int, total: int, loss: float) -> None:
            if report is not None:
                report(before * total // epochs + done, in_all * total // epochs, loss)

        return trainer.fit(
            lambda epoch: self.lessons(before + epoch),
            self.dev,
            epochs=epochs,
            batch_size=self.batch_size,
            patience=patience,
            seed=self.seed,
            to_beat=to_beat,
            progress=move,
            keep_interrupted=self.keep_interrupted,
        )


def distilled(
    start: Start, labels: tuple[str, ...], course: Course, *, learning_rate: float, patience: int
) -> tuple[Classifier, Run]:
    """Return the float32 student, table and all trained."""
    pad_id = start.vectors.vocabulary.pad_id
    layer = TrainableEmbedding(start.vectors.matrix, pad_id=pad_id, name="embedding")
    model = build_model(start.config, len(labels), layer, seed=course.seed)
    assign(model, start.arrays, LayerFactory(course.seed))
    trainer = Trainer(model, keras.optimizers.Adam(learning_rate), soft=True)
    run = course.fit(trainer, epochs=course.epochs, patience=patience, to_beat=-1.0, before=0)
    learned = replace(start.vectors, matrix=layer.table.value.numpy())
    arrays = arrays_of(model, start.config, len(labels))
    return Classifier(compress(learned, "float32"), labels, start.config, arrays), run


def tuned(student: Classifier, course: Course) -> tuple[Classifier, list[float], bool]:
    """Return a coded student with all that is not coded trained on, where that helps on dev.

    Returns
    -------
    Also its dev accuracy before and after each epoch, and whether Ctrl-C ended the training.
    """
    model = from_classifier(student, seed=course.seed)
    form = student.kernels if student.kernels in SCALED else ""
    trainer = Trainer(model, keras.optimizers.Adam(_TUNING_RATE), soft=True, quantize=form)
    before = trainer.accuracy(course.dev)
    try:
        run = course.fit(
            trainer,
            epochs=TUNED_EPOCHS,
            patience=TUNED_EPOCHS,
            to_beat=before,
            before=course.epochs,
        )
    except KeyboardInterrupt:
        if not course.keep_interrupted:
            raise
        return student, [before], True
    if run.best_epoch:
        arrays = arrays_of(model, student.config, len(student.labels), student.ranks)
        student = replace(student, arrays=arrays)
    return student, [before, *run.dev_accuracy], run.interrupted
