"""Who teaches a student: classifiers that are read, or trained first."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from embzip.cli.bars import Bar
from embzip.cli.parameters import Errors, Input, Whole
from embzip.cli.tables import Reading
from embzip.corpus import Example
from embzip.labelled.columns import Columns

if TYPE_CHECKING:
    from embzip.classifier import Classifier
    from embzip.prediction import TextClassifier
    from embzip.soft_labels import SoftLabels


@Parameter(name="*")
@dataclass(frozen=True)
class Teaching:
    """What is known of the texts beside the teachers' word.

    Attributes
    ----------
    folds
        Train so many classifiers, each on all texts but a part, and let each speak of the part it
        has not seen; 0 for none.
    share
        How much their word counts, above 0 to 1, beside the teachers'; by default a half.
    vectors
        The table that such classifiers start from: the one that the teacher was trained on. By
        default one is trained on the texts; with --probabilities it must be given.
    work
        Keep them in this folder, and take from there those that are trained already.
    labels
        How much the labels count beside the teachers' word, 0 to 1.
    copies
        Mutilated copies of each text, new ones each epoch.
    balance
        Make copies of equally many texts of each label.
    """

    folds: Whole = 0
    share: Annotated[float | None, Parameter(name="--fold-share")] = None
    vectors: Annotated[Input | None, Parameter(metavar="VECTORS")] = None
    work: Annotated[Path | None, Parameter(metavar="DIR")] = None
    labels: float = 0.0
    copies: Whole = 4
    balance: bool = False


@dataclass(frozen=True, eq=False)
class Teachers:
    """Who teaches."""

    teachers: Sequence["TextClassifier"]
    folds: Sequence["Classifier"]
    targets: "SoftLabels | None"


def teachers_of(
    teachers: Sequence["TextClassifier"],
    probabilities: str | Path | None,
    train: str | Path,
    texts: Sequence[str | Path],
    examples: Sequence[Example],
    planned: Mapping[str, Any],
    teaching: Teaching,
    seed: int,
    bar: Bar | None,
    columns: Columns | None,
    errors: Errors,
) -> Teachers:
    """Return those who teach; what is missing is trained.

    Parameters
    ----------
    planned
        What `embzip.tf.plan_student` takes beside teachers and examples: a student that cannot be
        is refused before anything is trained.
    """
    from embzip.classifier import Classifier
    from embzip.classifier.ensemble import singles
    from embzip.soft_labels import read_soft_labels
    from embzip.tf import fold_teachers, plan_student, teacher_of
    from embzip.tf.student_plans import plan_untrained
    from embzip.vectors.base import vectors_of
    from embzip.vectors.own_words import with_tokenizer
    from embzip.vectors.training import train_vectors

    dev = planned["dev"]
    if teachers and teaching.folds:
        plan_student(teachers, examples, **planned)
    table = None if teaching.vectors is None else Reading().read(teaching.vectors)
    targets = None
    if probabilities is not None and table is not None:
        targets = read_soft_labels(probabilities, examples, errors=errors)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said when the teacher is trained
            reads = with_tokenizer(vectors_of(table)).tokenizer
        assert reads is not None  # noqa: S101
        plan_untrained(reads, targets.labels, table.dim, examples, **planned)
        teachers = [teacher_of(targets, examples, table, dev=dev, seed=seed, progress=bar)]
    if not teaching.folds:
        return Teachers(teachers, (), targets)
    # Where none is a Classifier, the plan was refused.
    first = next(each for each in singles(teachers) if isinstance(each, Classifier))
    if table is None:
        table = train_vectors(
            [train, *texts],
            first.tokenizer,
            labelled=train,
            columns=columns,
            errors=errors,
            dim=first.embedding.dim,
            seed=seed,
        )
    folds = fold_teachers(
        first,
        examples,
        table,
        folds=teaching.folds,
        dev=dev,
        targets=targets,
        work=teaching.work,
        progress=bar,
    )
    return Teachers(teachers, folds, targets)
