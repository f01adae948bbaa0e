"""The command that trains a classifier: train."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from embzip.classifier.training_options import ClassWeights, Optimizer
from embzip.cli.bars import Bar, progress
from embzip.cli.choices import CHOICE
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
from embzip.cli.tables import Reading
from embzip.cli.terminal import without_notices
from embzip.cli.trained import Trained, show_trained, train_several
from embzip.corpus import read_examples
from embzip.files.outputs import FOLDER, make_folder
from embzip.files.places import EXAMPLES, TABLE, check_places
from embzip.seeds import seeds_from

_FOLDER = {FOLDER: "folder of classifiers"}


def _widths(_: type, tokens: Sequence[Token]) -> tuple[int, ...]:
    """Read `1,1,2,3`."""
    try:
        return tuple(int(width) for width in tokens[0].value.split(","))
    except ValueError:
        raise ValueError(f"expected a list such as 1,1,2,3, received {tokens[0].value!r}") from None


@Parameter(name="*")
@dataclass(frozen=True)
class Shape:
    """What an encoder looks like; each encoder has its own defaults.

    Attributes
    ----------
    filters
        cnn: filters of each window, 128.
    windows
        cnn: widths of the parallel convolutions, in tokens, 1,1,2,3.
    width
        attention, fnet: numbers a token inside, 128.
    heads
        attention: heads of each block, 4.
    layers
        attention, fnet: blocks, 1 and 2.
    hidden
        attention, fnet: width of the feed-forward layers, 256.
    dropout
        Share of the features dropped in training: cnn 0.5, others 0.2.
    """

    filters: Whole | None = None
    windows: Annotated[
        tuple[int, ...] | None, Parameter(converter=_widths, n_tokens=1, metavar="WIDTHS")
    ] = None
    width: Whole | None = None
    heads: Whole | None = None
    layers: Whole | None = None
    hidden: Whole | None = None
    dropout: float | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Pruning:
    """When kernels and a trainable table are pruned while training.

    Attributes
    ----------
    sparsity
        Prune kernels and a trainable table to this share of zeros while training.
    begin
        Share of the steps before the first pruning, 0.1.
    end
        Share of the steps before the last pruning, 0.6.
    frequency
        Steps between two prunings, 50.
    """

    sparsity: float | None = None
    begin: Annotated[float | None, Parameter(name="--prune-begin")] = None
    end: Annotated[float | None, Parameter(name="--prune-end")] = None
    frequency: Annotated[Whole | None, Parameter(name="--prune-frequency")] = None


def train(
    *examples: Annotated[Input, Parameter(name="TRAIN.tsv", required=True)],
    vectors: Annotated[Input, Parameter(metavar="VECTORS")],
    dev: Annotated[Input | None, Parameter(metavar="DEV.tsv")] = None,
    trainable: Annotated[bool, Parameter(negative="--frozen")] = True,
    lowercase: Annotated[bool | None, Parameter(negative="--no-lowercase")] = None,
    max_length: Whole | None = None,
    encoder: str = "cnn",
    shape: Shape = Shape(),
    pruning: Pruning = Pruning(),
    epochs: Whole = 10,
    patience: Whole = 2,
    batch_size: Whole = 64,
    learning_rate: float = 1e-3,
    optimizer: Annotated[Optimizer, CHOICE] = "auto",
    class_weights: Annotated[ClassWeights, CHOICE] = "none",
    seed: Seed = 0,
    seeds: Whole | None = None,
    reading: Reading = Reading(),
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    meta: Meta = (),
    pack: Pack = False,
    result: Result = Result(),
) -> None:
    """Train a classifier over a table, a shallow CNN by default.

    The file holds the table, its tokenizer, the classifier's weights and the labels: everything
    `embzip predict` needs, without TensorFlow.

    With --sparsity the smallest weights become zero, more and more of them (Zhu and Gupta 2017).
    A file of zeros is smaller only when it is packed: --pack.

    Ctrl-C ends the training, keeps its best epoch so far, and ends the command with exit code 130;
    before the first epoch has ended, nothing is written. What is trained is written whole, unless
    Ctrl-C is pressed again.

    --seeds N trains N classifiers, which differ by their seed alone: --seed, and the numbers after
    it. Each is written when it is trained, as DIR/model-SEED.embz where -o names DIR. `embzip
    evaluate DIR TEST.tsv` measures them as one. For more of them, give the next --seed.

    Without -o, train.tsv becomes train.model.embz in the current folder, or train.models/.

    Parameters
    ----------
    examples
        label<TAB>text lines; - is stdin.
    vectors
        The table to start from: .embz, or foreign vectors whose tokens are words.
    dev
        What early stopping watches; by default a tenth of TRAIN.tsv, by a fixed hash.
    trainable
        Whether the table is trained too.
    lowercase
        Lower-case every text first, for foreign vectors; by default where at most a tenth of their
        words have a capital.
    max_length
        Tokens of a text that are read; by default the 99th percentile of the training texts.
    encoder
        cnn (Kim 2014), mean (of the rows, as fastText), attention or fnet.
    epochs
        At most this many.
    patience
        Training ends after so many epochs without a better accuracy on dev.
    batch_size
        Texts a step.
    learning_rate
        How far a step goes.
    optimizer
        adam updates the whole table at each step, adam-rows the rows that a batch has read; auto
        is the faster one for this table.
    class_weights
        balanced: all labels count alike, however many texts they have, and the epoch of the highest
        macro-F1 on dev is kept.
    seeds
        Train so many classifiers, with one seed after the other; -o is a folder.
    """
    places = [(path, EXAMPLES) for path in examples]
    check_places(*places, (vectors, TABLE), (dev, EXAMPLES))
    from embzip.classifier import encoder_class
    from embzip.classifier.schedules import PruningShares
    from embzip.classifier.training_options import check_training_options

    chosen, facts = given(shape), facts_of(meta)
    schedule = given(pruning)
    sparsity = schedule.pop("sparsity", None)
    if schedule and sparsity is None:
        raise UsageError(f"--prune-{next(iter(schedule))} needs --sparsity")
    kind = encoder_class(encoder)
    # What is out of range is refused before anything is read, and before TensorFlow is loaded.
    kind.of(1, kind.longest if max_length is None else max_length, chosen)
    options: dict[str, Any] = {
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "optimizer": optimizer,
        "class_weights": class_weights,
    }
    check_training_options(**options, seed=seed)
    shares = None if sparsity is None else PruningShares(sparsity, **schedule)
    inputs = [*examples, vectors, dev, reading.words]
    several = () if seeds is None else seeds_from(seed, seeds)
    suffix, formats = (".models", _FOLDER) if several else (".model.embz", EMBZ)
    with (
        result.writing(inputs, suffix, formats) as made,
        progress("training", lines=True, loading="TensorFlow") as report,
    ):
        if several:
            make_folder(made.path)
        training = read_examples(examples, errors=errors, columns=columns.columns)
        held_out = (
            None if dev is None else read_examples(dev, errors=errors, columns=columns.columns)
        )
        table = reading.read(vectors, errors, made)
        with without_notices():  # last, for it takes seconds: bad input is answered before
            from embzip.tf import train
            from embzip.tf.interrupts import noticed_interrupts

        def one(seed: int, path: Path, bar: Bar | None) -> Trained:
            """Train the classifier of a seed and write it."""
            trained = train(
                training,
                table,
                dev=held_out,
                trainable=trainable,
                lowercase=lowercase,
                max_length=max_length,
                encoder=encoder,
                **chosen,
                **options,
                seed=seed,
                pruning=shares,
                keep_interrupted=True,
                progress=bar,
            )
            with noticed_interrupts(True) as pressed:  # what was trained is written first
                # Token counts, four bytes a row, let `rebuild --codec` weigh frequent rows more.
                trained.classifier.save(path, counts=True, pack=pack, meta=facts)
                nbytes = path.stat().st_size
            return Trained(trained, path.name, nbytes, trained.interrupted or pressed())

        if several:
            made_all = train_several(one, several, made.path, report)
        else:
            made_all = [one(seed, made.path, report)]
    show_trained(made, made_all, several)
