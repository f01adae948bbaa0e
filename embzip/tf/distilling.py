"""Distils classifiers into a small one, which answers like them.

The student takes over what matters most of its teacher (`embzip.classifier.students`) and learns
the teachers' probabilities in float32: the shape first. Then the bits: it learns on while table and
kernels are read as the file will round them, and is coded; what is not coded learns once more.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from embzip.classifier import Classifier
from embzip.classifier.calibration import calibrated
from embzip.classifier.student_shape import StudentShape
from embzip.classifier.students import Start, start_of
from embzip.classifier.text_digests import TextDigest
from embzip.classifier.training_options import (
    check_distilling_options,
    check_training_options,
)
from embzip.classifier.training_record import TrainingRecord, TrainingRun
from embzip.corpus import Example
from embzip.evaluation.accuracy import evaluate
from embzip.prediction import TextClassifier
from embzip.soft_labels import SoftLabels
from embzip.tf.batches import batches_of
from embzip.tf.begun import check_begun, check_done, check_folds, trained_on
from embzip.tf.distilled import DistillResult
from embzip.tf.interrupts import noticed_interrupts
from embzip.tf.lessons import Lessons, Teaching, UnlabelledTexts
from embzip.tf.near_words import near_words
from embzip.tf.student_plans import plan_student
from embzip.tf.student_training import Course, coded, distilled, rounded, tuned
from embzip.tf.targets import targets_of
from embzip.tf.trainer import Run
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix, TrainingProgress
from embzip.vectors.base import vectors_of


def distill(
    teacher: TextClassifier | Sequence[TextClassifier],
    examples: Sequence[Example],
    *,
    shape: StudentShape | None = None,
    size: str | None = None,
    spare: int = 0,
    dev: Sequence[Example] | None = None,
    texts: UnlabelledTexts = (),
    fold_teachers: Sequence[TextClassifier] = (),
    fold_share: float = 0.5,
    targets: SoftLabels | Matrix | None = None,
    tokenizer: Tokenizer | None = None,
    start: Classifier | None = None,
    student: Classifier | None = None,
    done: int | None = None,
    labels: float = 0.0,
    copies: int = 4,
    balance: bool = False,
    epochs: int = 8,
    rounded_epochs: int = 3,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    patience: int = 2,
    seed: int = 0,
    work: str | Path | None = None,
    keep_interrupted: bool = False,
    progress: TrainingProgress | None = None,
) -> DistillResult:
    """Distil one or several classifiers into a small one.

    Parameters
    ----------
    teacher
        One classifier or several, of whose probabilities the mean is learned. Any other model
        becomes one by `embzip.tf.teacher_of`, or teaches itself, as `FunctionClassifier`.
    examples
        Labelled texts, usually those the teachers were trained on.
    shape
        How many rows, columns and filters, and how they are stored; by default `StudentShape()`.
    size
        Instead: the bytes of the file, such as '64KB' (1 KB is 1,000 bytes), for which a shape is
        chosen.
    dev
        The examples that decide which epoch is kept. None holds out a tenth, as `train` does: then
        they are the teachers' dev, if those were trained on the same examples.
    texts
        Further texts without labels, or a function that opens a stream of them.
    fold_teachers
        Classifiers of which number i was trained on all examples but those of fold i (see
        `embzip.tf.fold_teachers`). A teacher knows its training texts by heart and says little more
        of them than their labels; these say what they think of texts they have not seen.
    fold_share
        How much the word of the folds counts, 0 to 1; the rest is the teachers'.
    targets
        What another model said of the examples, as in `train`; the teachers are asked of copies
        only.
    tokenizer
        What the student reads instead of the teacher's tokens; its rows come from the teacher's by
        `embzip.transfer`.
    start
        Whose table and kernels the student starts from: by default of the teachers that are a
        `Classifier`, members of ensembles too, of which there must be one then, the best on dev.
    student
        A float32 student that was distilled like this, of the same teachers, texts, options and
        shape: it is only rounded, coded and tuned. So one student serves many codecs.
    spare
        Bytes of the size that are for something else, such as the file's `meta`.
    done
        How many of the `epochs` such a student has had: it is first trained for the rest of them.
        None is all.
    labels
        How much the examples' labels count beside the teachers' word, 0 to 1.
    copies
        Mutilated copies of each text, drawn anew each epoch. Only where fold teachers are asked,
        words are swapped in some: what a teacher that knows the texts says of these gains nothing.
    balance
        Whether copies are made of equally many texts of each label.
    epochs
        At most, in float32.
    rounded_epochs
        In which table and kernels are read as the file will round them; the learning rate falls
        along a cosine. None if 0.
    patience
        The training in float32 ends after this many epochs without a smaller log loss on dev.
    work
        A folder that keeps what teachers said of texts and copies, for the next student of them.
    keep_interrupted
        Whether Ctrl-C ends the training with the best student so far, if there is one, instead of
        raising KeyboardInterrupt.
    progress
        Called with (batches done, batches of all epochs, mean loss of this epoch so far).

    Raises
    ------
    InputError
        For options out of range, more rows than the teacher has, examples with labels the teachers
        do not know, a `dev` that is empty or has none of their labels, a size that cannot be
        reached (the least is said), or both `shape` and `size`.
    InputTypeError
        If neither `start` nor a teacher is a `Classifier`.
    MismatchError
        For teachers, `start`, `student` or soft labels with different labels, or a `student` not in
        float32, or of another shape.

    Warns
    -----
    UserWarning
        Where `dev` is not what the teacher's epoch was chosen by: if it was trained on these
        texts, they tell nothing of new ones.

    References
    ----------
    Hinton, Vinyals and Dean 2015, Distilling the knowledge in a neural network.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip.tf import train
    >>> from embzip.vectors.base import Vectors
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["a", "goal", "vote"]), np.eye(3, 8))
    >>> sport, politics = (
    ...     Example(text="a goal", label="sport"), Example(text="a vote", label="politics")
    ... )
    >>> examples = [sport, politics] * 8
    >>> teacher = train(examples, table, windows=(1,), learning_rate=0.1).classifier
    >>> small = StudentShape(rows=2, dim=2, filters=8, codec="int8", kernels="int8")
    >>> distill(teacher, examples, shape=small, epochs=2).classifier
    <Classifier: cnn, 2 labels, over int8, 4 rows of 2>
    """
    check_training_options(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        seed=seed,
    )
    check_distilling_options(
        copies=copies, labels=labels, fold_share=fold_share, rounded_epochs=rounded_epochs
    )
    check_done(done, epochs, student)
    plan = plan_student(
        teacher, examples, shape=shape, size=size, spare=spare, dev=dev, tokenizer=tokenizer,
        start=start,
    )  # fmt: skip
    source, kept, table = plan.source, plan.kept, plan.table
    check_folds(fold_teachers, plan.teacher.labels)
    known = targets_of(targets, examples, kept, plan.teacher.labels)
    begun = student or start_of(source, table, plan.ids, plan.shape)
    if isinstance(begun, Classifier):
        check_begun(begun, plan)
        table = vectors_of(begun.embedding)
    folder = None if work is None else Path(work)
    lessons = Lessons(
        Teaching(plan.teacher, tuple(fold_teachers), fold_share, folder),
        kept,
        table,
        begun.config,
        copies=copies,
        near=near_words(source, [each.text for each in kept]) if copies and fold_teachers else {},
        targets=known,
        labels=labels,
        texts=texts,
        balance=balance,
        seed=seed,
    )
    course = Course(
        lessons,
        batches_of(plan.dev, plan.teacher.labels, table, begun.config),
        plan.teacher.labels, plan.shape, (epochs, rounded_epochs),
        batch_size, learning_rate, patience, seed, keep_interrupted, progress,
    )  # fmt: skip
    whole, run, learned = begun, Run([], [], 0), True
    if isinstance(whole, Start):
        whole, run = distilled(whole, course)
    elif done is None or done == epochs:
        learned = False
    else:
        whole, run = trained_on(whole, course, done, plan.dev)
        learned = whole is not begun
    in_rounding: list[float] = []
    in_tuning: list[float] = []
    plain = (plan.shape.codec, plan.shape.kernels) == ("float32", "float32")
    # What was distilled is not lost to a Ctrl-C that comes before it is returned.
    with noticed_interrupts(keep_interrupted) as pressed:
        interrupted = run.interrupted or pressed()
        if rounded_epochs and not (plain or interrupted):
            whole, in_rounding, interrupted = rounded(whole, course)
        small = coded(whole, course)
        if not (plain or interrupted or pressed()):
            small, in_tuning, interrupted = tuned(small, course)
        small, temperature = calibrated(small, plan.dev)
        interrupted = interrupted or pressed()
    training = source.training if isinstance(begun, Start) else begun.training
    chosen_by = TextDigest.of(example.text for example in plan.dev)
    if learned:
        if isinstance(begun, Classifier):  # what it has had is a part of this run
            training = TrainingRecord(training.runs[:-1])
        own = TrainingRun(
            kind="distill",
            training=TextDigest.of(example.text for example in kept),
            dev=chosen_by,
            held_out=dev is None,
            epochs=epochs,
            best_epoch=run.best_epoch + (done or 0),
            batch_size=batch_size,
            learning_rate=learning_rate,
            optimizer="adam",
            seed=seed,
            patience=patience,
            copies=copies,
            labels=labels,
            folds=len(fold_teachers),
        )
        training = training.then(own)
    *before, last = training.runs
    last = replace(
        last,
        rounded_epochs=len(in_rounding),
        interrupted=last.interrupted or interrupted,
    )
    training = TrainingRecord((*before, last))
    found = evaluate(small, plan.dev, against=plan.teacher)
    if training.runs and training.runs[-1].dev == chosen_by:
        training = training.measured(found.accuracy)
    small = replace(small, training=training)
    return DistillResult(
        small,
        plan.shape,
        evaluate(plan.teacher, plan.dev),
        found,
        run.dev_accuracy,
        in_rounding,
        in_tuning,
        temperature,
        interrupted,
        plan.seen,
    )
