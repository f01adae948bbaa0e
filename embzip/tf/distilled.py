"""What distilling gives."""

from dataclasses import dataclass

from embzip.classifier import Classifier
from embzip.classifier.student_shape import StudentShape
from embzip.evaluation.accuracy import Evaluation


@dataclass(frozen=True, eq=False)
class DistillResult:
    """The result of `distill`.

    Attributes
    ----------
    classifier
        The student.
    shape
        Its shape: what was given, or what was chosen for the size.
    teacher, student
        The teachers, as one, and the student on dev; the student against the teachers.
    float_accuracy
        The student's accuracy on dev after each epoch in float32, 0 to 1; empty if it was given.
    rounded_accuracy
        The same, read as it will be coded.
    tuned_accuracy
        The same over its codes: before tuning, and after each epoch of it. A student that is stored
        in float32 is neither rounded nor tuned.
    temperature
        By which the student's logits were divided, see `embzip.classifier.calibration`.
    interrupted
        Whether Ctrl-C ended the training; see `keep_interrupted`.
    seen
        Whether the teacher that the student started from is known to have been trained on these
        texts.
    """

    classifier: Classifier
    shape: StudentShape
    teacher: Evaluation
    student: Evaluation
    float_accuracy: list[float]
    rounded_accuracy: list[float]
    tuned_accuracy: list[float]
    temperature: float
    interrupted: bool
    seen: bool
