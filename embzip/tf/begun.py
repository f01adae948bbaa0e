"""A float32 student that was distilled before: what it must be, and the epochs it lacks."""

import math
from collections.abc import Sequence

from embzip.classifier import Classifier
from embzip.classifier.calibration import calibrated
from embzip.classifier.students import Start, student_config
from embzip.corpus import Example
from embzip.errors import InputError, MismatchError
from embzip.evaluation.accuracy import evaluate
from embzip.files.limits import check_size
from embzip.prediction import TextClassifier
from embzip.tf.student_plans import StudentPlan
from embzip.tf.student_training import Course, distilled
from embzip.tf.trainer import Run
from embzip.vectors.base import vectors_of


def check_begun(student: Classifier, plan: StudentPlan) -> None:
    """Refuse a student that cannot go on as one that was just distilled by a plan."""
    if student.labels != plan.teacher.labels:
        raise MismatchError(
            "a student has the labels of its teachers, in their order, and this one has others: "
            "distil it of the same teachers"
        )
    if not student.training.runs or student.training.runs[-1].kind != "distill":
        raise MismatchError("a student was distilled, and the record of this one says otherwise")
    config = student_config(plan.source, plan.shape, plan.shape.dim)
    shape = plan.table.rows, plan.shape.dim
    if (student.embedding.shape, student.config) != (shape, config):
        raise MismatchError(
            f"a student has the shape that is asked for, rows and columns {shape} and {config}, "
            f"received one of {student.embedding.shape} and {student.config}: distil one of this "
            "shape, or name its own"
        )
    codec = student.embedding.codec.spec
    if (codec, student.kernels) != ("float32", "float32"):
        raise MismatchError(
            f"a student that is to be coded is float32, received one of {codec} with kernels "
            f"{student.kernels}: distil it with codec='float32' and kernels='float32'"
        )


def check_folds(folds: Sequence[TextClassifier], labels: tuple[str, ...]) -> None:
    """Refuse fold teachers that speak of other labels, and more of them than a record says."""
    if folds:
        check_size("folds", len(folds), least=2)
    for each in folds:
        if set(each.labels) != set(labels):
            raise MismatchError(
                f"fold teachers have the teacher's labels, and one has {each.labels[:5]} instead "
                f"of {labels[:5]}: train them on the same examples"
            )


def check_done(done: int | None, epochs: int, student: Classifier | None) -> None:
    """Refuse a number of epochs that a student cannot have had."""
    if done is None:
        return
    if student is None:
        raise InputError("done is how many epochs `student` has had: name one, or leave it out")
    if not 1 <= done <= epochs:
        raise InputError(f"done must lie in 1..{epochs} (epochs), received {done}")


def trained_on(
    student: Classifier, course: Course, done: int, dev: Sequence[Example]
) -> tuple[Classifier, Run]:
    """Return a student after the epochs that it lacks, or as it was where they do not help on dev.

    Both are judged as they would be used: the student was calibrated when it was distilled.
    """
    start = Start(vectors_of(student.embedding), student.config, student.arrays)
    try:
        further, run = distilled(start, course, done=done)
    except KeyboardInterrupt:
        if not course.keep_interrupted:
            raise
        return student, Run([], [], 0, True)
    better = _loss(calibrated(further, dev)[0], dev) < _loss(student, dev)
    return further if better else student, run


def _loss(model: Classifier, dev: Sequence[Example]) -> float:
    found = evaluate(model, dev).log_loss
    return math.inf if found is None else found
