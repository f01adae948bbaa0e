"""What a student will be, before anything is trained: its teacher, its texts, its shape and size.

Needs no TensorFlow.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from embzip.classifier import Classifier, CnnConfig, Ensemble
from embzip.classifier.ensemble import singles
from embzip.classifier.student_shape import StudentShape
from embzip.classifier.student_sizes import shape_of_size, stand_in, student_nbytes
from embzip.classifier.students import SAMPLE, filled_shape, kept_table
from embzip.classifier.text_digests import TextDigest
from embzip.corpus import Example
from embzip.errors import InputError, InputTypeError, MismatchError
from embzip.evaluation.accuracy import evaluate
from embzip.labelled.splits import check_dev
from embzip.prediction import TextClassifier
from embzip.tf.batches import training_and_dev
from embzip.tokenizers.base import Tokenizer
from embzip.vectors.base import Vectors


@dataclass(frozen=True, eq=False)
class StudentPlan:
    """What `embzip.tf.distill` will train.

    Attributes
    ----------
    teacher
        All teachers as one.
    source
        The classifier that the student starts from, its labels in the order of the teachers'.
    kept, dev
        The examples to learn from, and those that choose the epoch.
    ids
        The first texts of `kept` as ids of `source`, by which its filters are judged.
    table
        The rows of `source` that the student keeps.
    shape
        Its shape: no more than the teacher has to give.
    nbytes
        The most bytes that its file can have.
    seen
        Whether the file of `source` says that it was trained on `kept`.
    """

    teacher: TextClassifier
    source: Classifier
    kept: Sequence[Example]
    dev: Sequence[Example]
    ids: Sequence[Sequence[int]]
    table: Vectors
    shape: StudentShape
    nbytes: int
    seen: bool


def plan_student(
    teacher: TextClassifier | Sequence[TextClassifier],
    examples: Sequence[Example],
    *,
    shape: StudentShape | None = None,
    size: str | None = None,
    dev: Sequence[Example] | None = None,
    tokenizer: Tokenizer | None = None,
    start: Classifier | None = None,
    spare: int = 0,
) -> StudentPlan:
    """Return the plan of a student; parameters, errors and warnings are those of `distill`.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip.tf import train
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["a", "goal", "vote"]), np.eye(3, 8))
    >>> sport, politics = (
    ...     Example(text="a goal", label="sport"), Example(text="a vote", label="politics")
    ... )
    >>> examples = [sport, politics] * 8
    >>> teacher = train(examples, table, epochs=1).classifier
    >>> plan_student(teacher, examples, size="4KB").shape.rows
    3
    """
    if shape is not None and size is not None:
        raise InputError("distill takes a shape or a size, received both")
    if not isinstance(examples, Sequence) or not examples:
        raise InputError(
            "distill needs a sequence of examples, received "
            f"{'none' if isinstance(examples, Sequence) else type(examples).__name__}: pass a list "
            "of those that the teacher was trained on"
        )
    teachers = [teacher] if isinstance(teacher, TextClassifier) else teacher
    if not isinstance(teachers, Sequence) or not all(
        isinstance(each, TextClassifier) for each in teachers
    ):
        raise InputTypeError(
            f"a teacher is a classifier, or a list of them, received {teacher!r}: make one of "
            "another model with embzip.tf.teacher_of"
        )
    full = teachers[0] if len(teachers) == 1 else Ensemble(teachers)
    unknown = sorted({example.label for example in examples} - set(full.labels))
    if unknown:
        raise InputError(
            f"the teacher does not know the label {unknown[0]!r}; it knows "
            f"{', '.join(map(repr, full.labels[:20]))}: train it on these examples"
        )
    kept, held_out = training_and_dev(examples, dev)
    if dev is not None:
        check_dev(held_out, kept, full.labels)
    source = _in_order(start or _best(teachers, held_out), full.labels)
    _warn_of_dev(source, held_out)
    texts = [example.text for example in kept]
    ids = source.encode(texts)
    if size is not None:
        shape = shape_of_size(source, ids, size, tokenizer=tokenizer, spare=spare)
    shape = shape or StudentShape()
    table = kept_table(source, ids, rows=shape.rows, tokenizer=tokenizer, stems=shape.stems)
    nbytes = student_nbytes(source, table, shape) + spare
    shape = filled_shape(source, table, shape)
    seen = source.training.trained_on(TextDigest.of(texts))
    return StudentPlan(full, source, kept, held_out, ids[:SAMPLE], table, shape, nbytes, seen)


def plan_untrained(
    reads: Tokenizer,
    labels: Sequence[str],
    dim: int,
    examples: Sequence[Example],
    *,
    encoder: str = CnnConfig.kind,
    options: Mapping[str, Any] = MappingProxyType({}),
    **planned: Any,
) -> StudentPlan:
    """Return the plan of a student whose teacher is still to be trained.

    Parameters
    ----------
    reads
        What that teacher will read.
    labels, dim, encoder, options
        Of it, as in `embzip.tf.train`; `dim` is how many columns its table has.
    planned
        As in `plan_student`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what one that knows nothing was trained on
        teacher = stand_in(reads, labels, dim, encoder=encoder, options=options)
        return plan_student(teacher, examples, **planned)


def _best(teachers: Sequence[TextClassifier], dev: Sequence[Example]) -> Classifier:
    """Return the teacher that a student starts from: of several, the best on dev."""
    found = [teacher for teacher in singles(teachers) if isinstance(teacher, Classifier)]
    if not found:
        raise InputTypeError(
            "a student starts from a classifier's table, and no teacher has one: make one that "
            "learns what it says, with embzip.tf.teacher_of, or `embzip predict --proba` and "
            "`embzip distill --probabilities`"
        )
    if len(found) == 1:
        return found[0]
    return max(found, key=lambda teacher: evaluate(teacher, dev, resamples=1).accuracy)


def _in_order(classifier: Classifier, labels: Sequence[str]) -> Classifier:
    """Return a classifier with its labels in another order, which its answers follow."""
    own = classifier.labels
    if own == labels:
        return classifier
    if apart := sorted({*own} ^ {*labels}):
        raise MismatchError(
            "a student starts from a classifier with its teachers' labels: one of both lacks "
            f"{apart[0]!r}"
        )
    order = [own.index(label) for label in labels]
    last = {name: classifier.arrays[name][..., order] for name in ("dense.kernel", "dense.bias")}
    arrays = {**classifier.arrays, **last}
    return replace(classifier, labels=tuple(labels), arrays=arrays, digests={})


def _warn_of_dev(teacher: Classifier, dev: Sequence[Example]) -> None:
    """Warn where dev may hold texts that the teacher was trained on."""
    if teacher.training.chosen_on(TextDigest.of(example.text for example in dev)):
        return
    known = "is not what the teacher's epoch was chosen by"
    if not teacher.training.runs:
        known = "may hold texts that the teacher was trained on: its file does not say which"
    warnings.warn(
        f"dev {known}; of texts that the teacher knows by heart, dev accuracy tells nothing: pass "
        "the teacher's own dev (--dev), or train it on the same examples",
        stacklevel=1,  # said once, though a command makes a plan before it trains fold teachers
    )
