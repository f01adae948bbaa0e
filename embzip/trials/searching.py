"""Searches for the small model: what a user asks for, and the order in which it is done.

    corpus, words -> vectors -> a quick teacher -> a preliminary answer
                             -> teachers, fold teachers -> generations of trials -> gate -> test

Workers make the steps; this process proposes, ranks, and writes what is best so far. How a step is
made stands in `making`, what is proposed in `proposing`, what is said in `telling`.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from embzip.choices import chosen
from embzip.classifier import load_classifier
from embzip.classifier.student_sizes import stand_in
from embzip.classifier.training_options import check_folds
from embzip.corpus import read_examples, read_texts
from embzip.engine import active
from embzip.errors import InputError, SpecError
from embzip.files.limits import check_size
from embzip.files.locations import file_at
from embzip.files.outputs import check_apart
from embzip.files.own_source import source_digest
from embzip.files.remote import local_file
from embzip.files.seen import SeenFiles
from embzip.labelled.columns import Columns
from embzip.pipeline.making import examples_of_side
from embzip.pipeline.steps import Steps
from embzip.seeds import check_seed
from embzip.sources import Paths, files_of
from embzip.tokenizers import load_tokenizer
from embzip.tokenizers.base import Tokenizer
from embzip.trials.gating import check_test_labels
from embzip.trials.given_teachers import check_labels
from embzip.trials.goals import Goal, goal_of
from embzip.trials.journal import Journal, check_owner, claim, locked
from embzip.trials.making import Making
from embzip.trials.proposing import load_optuna
from embzip.trials.publishing import EXPORTED, FRONT, MODEL, PAGE, TRY
from embzip.trials.running import Run
from embzip.trials.sides import FOLDS, Texts, fold_of
from embzip.trials.space import Space
from embzip.trials.workers import started

# From so many training texts on, fold teachers say more of the texts than they cost.
_FOLDED = 7_000
_FOLDS = 4
_MINUTES = 10.0

Record = dict[str, Any]
Confirm = Literal["folds"]


def search(
    train: Paths,
    output_dir: str | Path,
    *,
    max_drop: float = 0.5,
    size: str | None = None,
    dev: Paths | None = None,
    test: Paths | None = None,
    texts: Paths = (),
    columns: Columns | None = None,
    teacher: str | Path | None = None,
    minutes: float | None = None,
    trials: int | None = None,
    workers: int | None = None,
    metric: str = "accuracy",
    runtime: str = "embz",
    latency: str | None = None,
    encoder: str | None = None,
    teachers: int = 1,
    folds: int | None = None,
    seeds: int = 1,
    confirm: Confirm | None = None,
    seed: int = 0,
    examples: bool = True,
    watch: Callable[[Record], None] | None = None,
    log: Callable[[str], None] | None = None,
) -> Record:
    """Search for a small classifier: the smallest that loses little, or the best of a size.

    Teachers are trained, and each trial distils a student of them. What is best so far stands in
    `output_dir` from the first minutes on: best.embz, best.tflite, front.json, report.html,
    try.html. The same call goes on where another one was killed, and makes nothing twice.

    Dev is split by a fixed hash. One half ends trainings and ranks trials; the other, the gate, is
    read once, at the end, and says whether the answer loses at most `max_drop`: shown, worse, or
    not shown by these texts. Test, if there is one, is read after that, for the answer alone.

    Parameters
    ----------
    train
        Labelled texts, as `embzip.read_examples` takes them: files, patterns and URLs.
    output_dir
        Made where it is missing; one folder is for one corpus.
    max_drop
        The points (hundredths) that may be lost against the best uncompressed model.
    size
        Instead of the smallest such file, the best of at most so many bytes: '100KB'.
    dev
        Labelled texts to choose by; None holds out a tenth of `train` by a fixed hash.
    test
        Labelled texts for the last word on the answer.
    texts
        Further texts without labels, files of one a line.
    columns
        Where label and text stand in labelled texts, as in `embzip.read_examples`.
    teacher
        A classifier's .embz file that teaches, or its URL; None trains one.
    minutes
        After which no trial is begun, counted from the end of the teachers' training; 10 where
        `trials` is not given either.
    trials
        How many, in all runs together. The same number and seed give the same trials and files,
        on any number of workers, on one machine, unless `latency` is asked for.
    workers
        Processes, of one thread each, by default one; on a cluster, its workers are taken.
    metric
        "accuracy" or "macro-f1".
    runtime
        Whose file counts: "embz" or "litert".
    latency
        The most of one text at the median, in NumPy: '0.05ms'.
    encoder
        Of the students, "cnn" or "mean"; None tries both.
    teachers
        So many are trained, and teach together; the baseline is the best of them.
    folds
        Fold teachers; None is 4 from 7,000 training texts on, and none below.
    seeds
        Near ties at the end are distilled with so many seeds, and their mean decides.
    confirm
        "folds" repeats the answer's recipe and the uncompressed model on five folds of the training
        texts: each is answered by models that were trained without it. That says more than the gate
        can, of the recipe, not of the file, and takes five times the training of both.
    examples
        Whether the report has texts whose label changed: of test, or, without one, of the gate.
    watch
        Called with the record after each trial.
    log
        Called with a line at the beginning and the end of each part.

    Returns
    -------
    The record that stands in front.json. Where every .tflite is above `size`, nothing is written.

    Raises
    ------
    SpecError, InputError
        For an option out of range, texts that nothing can be learned from or chosen by, a folder of
        another corpus, a size below that of the smallest possible file, which is named, and one
        that no trial's .tflite kept to.
    MismatchError
        For a teacher with other labels.
    MissingFileError, MissingPackageError
        For what is not there, here or elsewhere.
    OutputError
        Where another search works in the folder, or it cannot be written.
    """
    goal = goal_of(
        size=size, max_drop=max_drop, metric=metric, runtime=runtime, latency=latency,
        encoder=encoder,
    )  # fmt: skip
    _check(minutes, trials, workers, teachers, folds, seeds, teacher)
    if confirm is not None:
        chosen(confirm, get_args(Confirm), "confirm")
        if teacher is not None:
            raise InputError(
                "confirm trains teachers anew on parts of the texts, and a given teacher has seen "
                "them all: leave out one of the two"
            )
    check_seed(seed)
    load_optuna()
    learned, held_out, more = (
        SeenFiles.of(files_of(each)) for each in (train, () if dev is None else dev, texts)
    )
    last = [] if test is None else files_of(test)
    directory = Path(output_dir)
    with ExitStack() as held:
        given = None
        if teacher is not None:  # of one elsewhere, a copy is read
            given = SeenFiles.of([held.enter_context(local_file(file_at(teacher)))])
        read = [
            *learned.paths,
            *held_out.paths,
            *more.paths,
            *last,
            *(given.paths if given else ()),
        ]
        for name in (MODEL, EXPORTED, FRONT, PAGE, TRY):
            check_apart(directory / name, read)
        tested = read_examples(last, columns=columns) if last else []
        held.enter_context(locked(directory))
        corpora = Texts(learned, held_out, more, columns)
        making = Making(directory, corpora, given, teachers, seed=seed)
        owner = making.to_json()
        whose = {**owner["texts"], "teacher": owner["teacher"], "seed": seed}
        check_owner(directory, whose)
        steps = Steps(directory)
        corpus = steps.folder(making.corpus)
        training = examples_of_side(corpus, "train")
        if confirm is not None and len({fold_of(each) for each in training}) < FOLDS:
            raise InputError(
                f"confirm holds out each of {FOLDS} folds of the training texts, found "
                f"{len(training):,} texts, which leave one empty: add examples, or leave it out"
            )
        if folds is None:
            folds = _FOLDS if given is None and len(training) >= _FOLDED else 0
        if folds:
            check_folds(folds, len(training))
        making = replace(making, folds=folds)
        labels = steps.record(making.corpus, "corpus.json")["labels"]
        if tested:
            check_test_labels(tested, labels)
        if given is not None:
            source = load_classifier(given.paths[0])
            check_labels(source.labels, labels, given.paths[0])
            steps.folder(making.trained())
        else:
            words = load_tokenizer(steps.folder(making.words) / "tokenizer")
            source = stand_in(words, labels)

        def pieces(vocab: int) -> Tokenizer:
            return load_tokenizer(steps.folder(making.pieces(vocab)) / "tokenizer")

        space = Space(
            source,
            [example.text for example in training],
            pieces,
            size=goal.size,
            more=goal.more,
            encoder=goal.encoder,
            characters=len(set().union(*read_texts(corpus / "texts.txt"))),
        )
        claim(directory, whose)  # what was refused has no folder
        limit = _MINUTES if minutes is None and trials is None else minutes
        with started(making, workers or 1) as crew:
            run = Run(
                crew, steps, goal, space, Journal(directory, space, _comparable(goal, making)),
                tested=tested, seeds=seeds, confirm=confirm is not None, examples=examples,
                watch=watch, log=log,
            )  # fmt: skip
            return run.through(minutes=limit, trials=trials)


def _comparable(goal: Goal, making: Making) -> dict[str, Any]:
    """Return what trials must share to stand in one list."""
    made_by = {"teachers": making.teachers, "folds": making.folds, "code": source_digest()}
    return {**goal.to_json(), **made_by}


def _check(
    minutes: float | None,
    trials: int | None,
    workers: int | None,
    teachers: int,
    folds: int | None,
    seeds: int,
    teacher: str | Path | None,
) -> None:
    for name, value, least in (
        ("trials", trials, 1),
        ("workers", workers, 1),
        ("teachers", teachers, 1),
        ("seeds", seeds, 1),
    ):
        if value is not None and value < least:
            raise SpecError(f"{name} must be at least {least}, received {value}")
    if workers is not None and active() is not None:
        raise InputError(
            f"workers are those of the cluster, received workers={workers}: leave out one of both"
        )
    if minutes is not None and not minutes > 0:
        raise SpecError(f"minutes must be above 0, received {minutes:g}")
    if folds:
        check_size("folds", folds, least=2, error=SpecError)
    if teacher is not None and (folds or teachers > 1):
        raise InputError(
            "a given teacher teaches alone: folds and teachers are for those that are trained"
        )
