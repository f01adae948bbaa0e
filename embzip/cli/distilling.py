"""The command that makes a small classifier of large ones: distill."""

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from embzip.cli.parameters import Errors, Pack, Seed, UsageError, Whole
from embzip.cli.results import EMBZ, Output, Result
from embzip.cli.terminal import progress, without_notices
from embzip.corpus import read_examples, read_texts
from embzip.files.places import EXAMPLES, SERVED, TABLE, TEXTS, TOKENIZER, check_places
from embzip.inspection import size_change

if TYPE_CHECKING:
    from embzip.tf.distilling import DistillResult


@Parameter(name="*")
@dataclass(frozen=True)
class Shape:
    """What a student looks like, instead of --size.

    Attributes
    ----------
    rows
        Words with a row of their own, 8000; 0 for all.
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
    """

    rows: Whole | None = None
    dim: Whole | None = None
    filters: Whole | None = None
    encoder: str | None = None
    codec: Annotated[str | None, Parameter(metavar="SPEC")] = None
    kernels: str | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Folds:
    """Teachers that have not seen the texts they speak of.

    Attributes
    ----------
    folds
        Train so many classifiers, each on all texts but a part, and let each speak of the part it
        has not seen; 0 for none.
    share
        How much their word counts, 0 to 1, beside the teachers'.
    vectors
        The table that they start from, the one the teacher was trained on; by default one is
        trained on the texts.
    work
        Keep them in this folder, and take from there those that are trained already.
    """

    folds: Whole = 0
    share: Annotated[float, Parameter(name="--fold-share")] = 0.5
    vectors: Annotated[Path | None, Parameter(metavar="VECTORS")] = None
    work: Annotated[Path | None, Parameter(metavar="DIR")] = None


def distill(
    *teachers: Annotated[Path, Parameter(name="TEACHER.embz", required=True)],
    train: Annotated[Path, Parameter(metavar="TRAIN.tsv")],
    texts: Annotated[tuple[Path, ...], Parameter(metavar="TEXTS")] = (),
    dev: Annotated[Path | None, Parameter(metavar="DEV.tsv")] = None,
    size: Annotated[str | None, Parameter(metavar="SIZE")] = None,
    shape: Shape = Shape(),
    tokenizer: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    folds: Folds = Folds(),
    labels: float = 0.0,
    copies: Whole = 4,
    balance: bool = False,
    epochs: Whole = 8,
    patience: Whole = 2,
    batch_size: Whole = 128,
    learning_rate: float = 1e-3,
    dry_run: bool = False,
    seed: Seed = 0,
    errors: Errors = "strict",
    pack: Pack = False,
    result: Result = Result(),
) -> None:
    """Make a small classifier that answers like large ones.

    The student starts from the teacher's most frequent words, in fewer columns, and from the
    filters that contribute most. It learns the teacher's probabilities on the training texts and on
    mutilated copies of them (shortened, spliced, cut), in float32; then it is coded, and what is
    not coded learns once more.

    Several teachers, or a folder of them, are one: the mean of their probabilities. A dev text must
    be new to teacher and student: the tenth that is held out by default is, where the teacher was
    trained on the same file.

    Ctrl-C ends the training, keeps the best student so far, and ends the command with exit code
    130.

    Without -o, teacher.embz becomes teacher.distilled.embz in the current folder.

    Parameters
    ----------
    teachers
        Classifiers: .embz files, or exported .tflite files beside at least one .embz.
    train
        label<TAB>text lines: what the teachers were trained on.
    texts
        Further texts without labels, one a line; for several files, give the option again.
    dev
        What chooses the epoch; by default a tenth of TRAIN.tsv, by a fixed hash.
    size
        Of the file, as 64KB (1 KB is 1,000 bytes): a shape is chosen that fits.
    tokenizer
        What the student reads instead of the teacher's words: pieces of `embzip build-bpe`.
    labels
        How much the labels count beside the teacher's word, 0 to 1.
    copies
        Mutilated copies of each text, new ones each epoch.
    balance
        Make copies of equally many texts of each label.
    epochs
        At most this many in float32.
    patience
        Training ends after so many epochs without a better accuracy on dev.
    batch_size
        Texts a step.
    learning_rate
        How far a step goes.
    dry_run
        Print the shape and the size, and train nothing.
    """
    given = {f.name: getattr(shape, f.name) for f in fields(shape)}
    given = {name: value for name, value in given.items() if value is not None}
    if size is not None and given:
        raise UsageError(f"give --size, or a shape by --{next(iter(given))} and such, not both")
    if folds.folds == 1 or folds.folds < 0:
        raise UsageError(f"--folds is 0 or at least 2, received {folds.folds}")
    if not folds.folds and (folds.vectors or folds.work):
        raise UsageError("--vectors and --work are for --folds N")
    check_places(
        *((path, SERVED) for path in teachers),
        (train, EXAMPLES),
        (dev, EXAMPLES),
        *((path, TEXTS) for path in texts),
        (tokenizer, TOKENIZER),
        (folds.vectors, TABLE),
    )
    from embzip.classifier import load_one
    from embzip.classifier.student_shape import StudentShape
    from embzip.soft_labels import read_soft_labels
    from embzip.tokenizers import load_tokenizer

    wanted = StudentShape(**given) if given else None
    inputs = [*teachers, probabilities, train, dev, *texts, tokenizer, folds.vectors]
    first = [path for path in inputs if path is not None]
    with result.writing(first, ".distilled.embz", EMBZ) as output, progress("distilling") as bar:
        options: dict[str, Any] = {
            "shape": wanted,
            "size": size,
            "dev": None if dev is None else read_examples(dev, errors=errors),
            "tokenizer": None if tokenizer is None else load_tokenizer(tokenizer),
        }
        examples = read_examples(train, errors=errors)
        targets = None if probabilities is None else read_soft_labels(probabilities)
        loaded = [load_one(path) for path in teachers]
        with without_notices():
            from embzip.tf import distill
        made = distill(
            loaded,
            examples,
            **options,
            texts=partial(read_texts, texts, errors=errors),
            labels=labels,
            copies=copies,
            balance=balance,
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            keep_interrupted=True,
            progress=bar,
        )
        made.classifier.save(output.path, pack=pack)
    output.show(_record(made, output), *_lines(made, output))
    if made.interrupted:
        raise KeyboardInterrupt
