"""The command that makes a small classifier of large ones: distill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.distilled import distilled
from embzip.cli.distilled import planned as plan_told
from embzip.cli.parameters import (
    ColumnOptions,
    Errors,
    Input,
    Meta,
    Pack,
    Seed,
    UsageError,
    Whole,
    facts_of,
    given,
)
from embzip.cli.results import EMBZ, Result
from embzip.cli.teaching import Teaching, teachers_of
from embzip.cli.terminal import show, without_notices
from embzip.corpus import read_examples, read_texts
from embzip.files.limits import MOST
from embzip.files.places import (
    EXAMPLES,
    PROBABILITIES,
    SERVED,
    TABLE,
    TEXTS,
    TOKENIZER,
    check_places,
)
from embzip.files.streams import is_stream


@Parameter(name="*")
@dataclass(frozen=True)
class Shape:
    """What a student looks like, instead of --size.

    Attributes
    ----------
    rows
        Words with a row of their own, at most 8000; 0 for all. Of pieces, all.
    dim
        Numbers a row, 16.
    filters
        cnn: filters of each window, 64.
    encoder
        cnn or mean.
    codec
        How the table is stored, 'svd|tcq:2'.
    kernels
        How kernels are stored: float32, float16, int8, int4 (the default) or int2.
    stems
        Words without a row read as a neighbour of the same stem, if there is one; the default.
    """

    rows: Whole | None = None
    dim: Whole | None = None
    filters: Whole | None = None
    encoder: str | None = None
    codec: Annotated[str | None, Parameter(metavar="SPEC")] = None
    kernels: str | None = None
    stems: Annotated[bool | None, Parameter(negative="--no-stems")] = None


def distill(
    *teachers: Annotated[Input, Parameter(name="TEACHER.embz")],
    train: Annotated[Input, Parameter(metavar="TRAIN.tsv")],
    probabilities: Annotated[Input | None, Parameter(metavar="FILE")] = None,
    texts: Annotated[tuple[Input, ...], Parameter(metavar="TEXTS")] = (),
    dev: Annotated[Input | None, Parameter(metavar="DEV.tsv")] = None,
    size: Annotated[str | None, Parameter(metavar="SIZE")] = None,
    shape: Shape = Shape(),
    tokenizer: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    teaching: Teaching = Teaching(),
    epochs: Whole = 8,
    rounded_epochs: Whole = 3,
    patience: Whole = 2,
    batch_size: Whole = 128,
    learning_rate: float = 1e-3,
    dry_run: bool = False,
    seed: Seed = 0,
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    meta: Meta = (),
    pack: Pack = False,
    result: Result = Result(),
) -> None:
    """Make a small classifier that answers like large ones.

    The student starts from the teacher's most frequent words, in fewer columns, and from the
    filters that contribute most. It learns the teacher's probabilities on the training texts and on
    mutilated copies of them (shortened, spliced, cut; with --folds, some words swapped for near
    ones), in float32; then while its numbers are read as the file will round them; then it is
    coded, and what is not coded learns once more.

    Several teachers, or a folder of them, are one: the mean of their probabilities. Of any other
    model, --probabilities holds what it says of the texts of TRAIN.tsv; a full-size classifier is
    trained on that first, from --vectors, and teaches.

    What dev says is true only of texts that are new to teacher and student. The tenth that is held
    out by default is new to both, where the teacher was trained on the same file.

    Ctrl-C ends the training, keeps the best student so far, and ends the command with exit code
    130.

    Without -o, teacher.embz becomes teacher.distilled.embz in the current folder.

    Parameters
    ----------
    teachers
        Classifiers: .embz files, and exported .tflite files beside them.
    train
        label<TAB>text lines: what the teachers were trained on.
    probabilities
        Instead of a teacher: JSON lines with text, and probabilities by label.
    texts
        Further texts without labels, one a line; for several files, give the option again.
    dev
        What chooses the epoch; by default a tenth of TRAIN.tsv, by a fixed hash.
    size
        Of the file, as 64KB (1 KB is 1,000 bytes): a shape is chosen that fits.
    tokenizer
        What the student reads instead of the teacher's words: pieces of `embzip build-bpe`.
    epochs
        At most this many in float32.
    rounded_epochs
        Then so many in which table and kernels are read as the file will round them.
    patience
        The training in float32 ends after so many epochs without a smaller log loss on dev.
    batch_size
        Texts a step.
    learning_rate
        How far a step goes.
    dry_run
        Print the shape and the size, and train nothing.
    """
    chosen, facts = given(shape), facts_of(meta)
    _check_usage(teachers, probabilities, train, texts, size, chosen, teaching)
    if dry_run and not teachers:
        raise UsageError("--dry-run needs a teacher: without one, it would have to be trained")
    check_places(
        *((path, SERVED) for path in teachers),
        (train, EXAMPLES),
        (probabilities, PROBABILITIES),
        (dev, EXAMPLES),
        *((path, TEXTS) for path in texts),
        (tokenizer, TOKENIZER),
        (teaching.vectors, TABLE),
    )
    from embzip.classifier import load_one
    from embzip.classifier.student_shape import StudentShape
    from embzip.classifier.student_sizes import bytes_of
    from embzip.classifier.training_options import (
        check_distilling_options,
        check_training_options,
    )
    from embzip.embz.format import save
    from embzip.embz.meta import meta_nbytes
    from embzip.tokenizers import load_tokenizer

    # What cannot be is refused before anything is trained.
    share = 0.5 if teaching.share is None else teaching.share
    check_distilling_options(
        copies=teaching.copies,
        labels=teaching.labels,
        fold_share=share,
        rounded_epochs=rounded_epochs,
    )
    check_training_options(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        seed=seed,
    )
    most = None if size is None else bytes_of(size)
    planned: dict[str, Any] = {"shape": StudentShape(**chosen) if chosen else None, "size": size}
    planned["spare"] = meta_nbytes(facts) if facts else 0
    planned["dev"] = (
        None if dev is None else read_examples(dev, errors=errors, columns=columns.columns)
    )
    planned["tokenizer"] = None if tokenizer is None else load_tokenizer(tokenizer)
    if dry_run:
        with without_notices():
            from embzip.tf import plan_student

        examples = read_examples(train, errors=errors, columns=columns.columns)
        plan = plan_student([load_one(path) for path in teachers], examples, **planned)
        record, lines = plan_told(plan)
        show(record, *lines, as_json=result.as_json)
        return
    inputs = [*teachers, probabilities, train, dev, *texts, tokenizer, teaching.vectors]
    named = [path for path in inputs if path is not None]
    with (
        result.writing(named, ".distilled.embz", EMBZ) as output,
        progress("distilling", lines=True, loading="TensorFlow") as bar,
    ):
        examples = read_examples(train, errors=errors, columns=columns.columns)
        with without_notices():
            from embzip.tf import distill
            from embzip.tf.interrupts import noticed_interrupts
        loaded = [load_one(path) for path in teachers]
        found = teachers_of(
            loaded,
            probabilities,
            train,
            texts,
            examples,
            planned,
            teaching,
            seed,
            bar,
            columns.columns,
            errors,
        )
        made = distill(
            found.teachers,
            examples,
            **planned,
            texts=partial(read_texts, texts, errors=errors) if texts else (),
            fold_teachers=found.folds,
            fold_share=share,
            targets=found.targets,
            labels=teaching.labels,
            copies=teaching.copies,
            balance=teaching.balance,
            epochs=epochs,
            rounded_epochs=rounded_epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            keep_interrupted=True,
            progress=bar,
        )
        with noticed_interrupts(True) as pressed:  # what was trained is written first
            save(made.classifier, output.path, pack=pack, most=most, meta=facts)
            nbytes = output.path.stat().st_size
            interrupted = made.interrupted or pressed()
    record, lines = distilled(made, nbytes, teachers, found)
    output.show(record, *lines)
    if interrupted:
        raise KeyboardInterrupt


def _check_usage(
    teachers: Sequence[str | Path],
    probabilities: str | Path | None,
    train: str | Path,
    texts: Sequence[str | Path],
    size: str | None,
    shape: Mapping[str, object],
    teaching: Teaching,
) -> None:
    """Refuse options that do not go together."""
    if bool(teachers) == (probabilities is not None):
        raise UsageError("name teachers, or --probabilities FILE of another model: one of the two")
    if probabilities is not None and teaching.vectors is None:
        raise UsageError("--probabilities needs --vectors, from which a classifier learns them")
    if size is not None and shape:
        raise UsageError(f"give --size, or a shape by --{next(iter(shape))} and such: not both")
    if shape.get("filters") is not None and shape.get("encoder", "cnn") != "cnn":
        raise UsageError(f"--filters is for --encoder cnn, received {shape['encoder']}")
    if teaching.folds and not 2 <= teaching.folds <= MOST["folds"]:
        raise UsageError(f"--folds is 0, or 2 to {MOST['folds']}, received {teaching.folds}")
    for name, value in (("--work", teaching.work), ("--fold-share", teaching.share)):
        if value is not None and not teaching.folds:
            raise UsageError(f"{name} is for --folds N")
    if teaching.share == 0:
        raise UsageError("with --fold-share 0 nobody asks the fold teachers: leave out --folds")
    if once := [path for path in texts if is_stream(path)]:
        raise UsageError(f"--texts is read each epoch, and {once[0]} only once: name a file")
    if is_stream(train) and teaching.folds and teaching.vectors is None:
        raise UsageError(
            f"without --vectors, --train is read twice, and {train} only once: name a file, or "
            "give --vectors too"
        )
    if teaching.vectors is not None and not teaching.folds and probabilities is None:
        raise UsageError("--vectors is for --folds N or --probabilities FILE")
