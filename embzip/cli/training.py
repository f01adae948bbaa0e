"""The command that trains a classifier: train."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, Token

from embzip.classifier.training_options import Optimizer
from embzip.cli.choices import CHOICE
from embzip.cli.parameters import Errors, Pack, Seed, UsageError, Whole
from embzip.cli.results import EMBZ, Result
from embzip.cli.tables import Reading
from embzip.cli.terminal import progress, without_notices
from embzip.corpus import read_examples
from embzip.files.places import EXAMPLES, TABLE, check_places

if TYPE_CHECKING:
    from embzip.tokenizers.reach import Reach


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
    *examples: Annotated[Path, Parameter(name="TRAIN.tsv", required=True)],
    vectors: Annotated[Path, Parameter(metavar="VECTORS")],
    dev: Annotated[Path | None, Parameter(metavar="DEV.tsv")] = None,
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
    seed: Seed = 0,
    reading: Reading = Reading(),
    errors: Errors = "strict",
    pack: Pack = False,
    result: Result = Result(),
) -> None:
    """Train a classifier over a table, a shallow CNN by default.

    The file holds the table, its tokenizer, the classifier's weights and the labels: everything
    `embzip predict` needs, without TensorFlow.

    With --sparsity the smallest weights become zero, more and more of them (Zhu and Gupta 2017).
    A file of zeros is smaller only when it is packed: --pack.

    Ctrl-C ends the training, keeps its best epoch so far, and ends the command with exit code 130.

    Without -o, train.tsv becomes train.model.embz in the current folder.

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
    """
    places = [(path, EXAMPLES) for path in examples]
    check_places(*places, (vectors, TABLE), (dev, EXAMPLES))
    from embzip.classifier import encoder_class
    from embzip.classifier.schedules import PruningShares
    from embzip.classifier.training_options import check_training_options

    chosen = _given(shape)
    schedule = _given(pruning)
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
        "seed": seed,
    }
    check_training_options(**options)
    shares = None if sparsity is None else PruningShares(sparsity, **schedule)
    inputs = [*examples, vectors, dev, reading.words]
    with result.writing(inputs, ".model.embz", EMBZ) as made, progress("training") as report:
        training = read_examples(examples, errors=errors)
        held_out = None if dev is None else read_examples(dev, errors=errors)
        table = reading.read(vectors)
        with without_notices():  # last, for it takes seconds: bad input is answered before
            from embzip.tf import train

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
            pruning=shares,
            keep_interrupted=True,
            progress=report,
        )
        # Token counts, four bytes a row, let `rebuild --codec` weigh frequent rows more.
        trained.classifier.save(made.path, counts=True, pack=pack)
    reach = trained.reach
    lowercased = trained.classifier.tokenizer.normalization.lowercase
    record = {
        "encoder": trained.classifier.config.kind,
        "labels": list(trained.classifier.labels),
        "max_length": trained.classifier.config.max_length,
        "cut_share": trained.cut_share,
        "lowercase": lowercased,
        "unknown_rate": reach.unknown_rate,
        "unreachable": None if reach.unreachable is None else len(reach.unreachable),
        "optimizer": trained.optimizer,
        "interrupted": trained.interrupted,
        "dev_accuracy": list(trained.dev_accuracy),
        "best_epoch": trained.best_epoch + 1,
        "epoch_seconds": list(trained.epoch_seconds),
        "file_bytes": made.nbytes,
        "pruning": None if trained.pruning is None else trained.pruning.to_json(),
    }
    lines = []
    if trained.pruning is not None:
        lines = [
            f"  {found.layer}.{found.weight:<12} {found.sparsity:.4f} of {found.numbers:,} are zero"
            for found in trained.pruning.layers
        ]
        before, after = trained.pruning.zipped_before, trained.pruning.zipped_after
        lines.append(f"weights in a zip: {before:,} -> {after:,} bytes")
    lines.append(_told(reach, lowercased))
    epochs_done, seconds = len(trained.dev_accuracy), sum(trained.epoch_seconds)
    lines.append(
        f"{'interrupted after' if trained.interrupted else 'trained for'} {epochs_done} of "
        f"{epochs} epochs in {seconds:.1f} s with {trained.optimizer}; kept epoch "
        f"{trained.best_epoch + 1}: dev accuracy {max(trained.dev_accuracy):.4f}"
    )
    lines.append(
        f"{len(trained.classifier.labels)} labels, {trained.cut_share:.4f} of the texts cut at "
        f"{trained.classifier.config.max_length} tokens, {made.nbytes:,} bytes"
    )
    made.show(record, *lines)
    if trained.interrupted:
        raise KeyboardInterrupt


def _told(reach: "Reach", lowercase: bool) -> str:
    """Say how the tokenizer fits the training texts and a foreign table."""
    from embzip.tokenizers.reach import named

    case = "lower-cased" if lowercase else "not lower-cased"
    told = f"texts {case}, {reach.unknown_rate:.4f} of their tokens unknown"
    if reach.unreachable is not None:
        such = f", such as {named(reach.unreachable)}" if reach.unreachable else ""
        lost = f"{len(reach.unreachable):,} of the table's {reach.tokens:,} tokens"
        told += f"; {lost} are never read{such}"
    return told


def _given(options: Shape | Pruning) -> dict[str, Any]:
    """Return the options that were given, by name."""
    return {name: value for name, value in vars(options).items() if value is not None}
