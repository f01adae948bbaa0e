"""The command that trains a classifier: train."""

from pathlib import Path
from typing import Annotated, Any

import typer

from embzip.cli.tables import read_table
from embzip.cli.terminal import (
    ErrorsOption,
    ForceOption,
    FormatOption,
    JsonOption,
    OutputOption,
    PackOption,
    SeedOption,
    WordsOption,
    progress,
    show,
    without_notices,
)
from embzip.corpus import read_examples
from embzip.files import output_path


def train(
    examples: Annotated[
        list[Path],
        typer.Argument(
            metavar="TRAIN.tsv...", help="label<TAB>text lines; - is stdin.", show_default=False
        ),
    ],
    vectors: Annotated[
        Path,
        typer.Option(
            "--vectors",
            metavar="VECTORS",
            help="The table to start from: .embz, or foreign vectors whose tokens are words.",
            show_default=False,
        ),
    ],
    dev: Annotated[
        Path | None,
        typer.Option(
            "--dev",
            metavar="DEV.tsv",
            help="What early stopping watches; by default a tenth of TRAIN.tsv, by a fixed hash.",
        ),
    ] = None,
    trainable: Annotated[
        bool, typer.Option("--trainable/--frozen", help="Whether the table is trained too.")
    ] = True,
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length",
            help="Tokens of a text that are read; by default the 99th percentile of the training "
            "texts.",
        ),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder",
            help="cnn (Kim 2014), mean (of the rows, as fastText), attention or fnet.",
        ),
    ] = "cnn",
    filters: Annotated[
        int | None, typer.Option("--filters", help="cnn: filters of each window, 128.")
    ] = None,
    windows: Annotated[
        str | None,
        typer.Option(
            "--windows", help="cnn: widths of the parallel convolutions, in tokens, 1,1,2,3."
        ),
    ] = None,
    width: Annotated[
        int | None, typer.Option("--width", help="attention, fnet: numbers a token inside, 128.")
    ] = None,
    heads: Annotated[
        int | None, typer.Option("--heads", help="attention: heads of each block, 4.")
    ] = None,
    layers: Annotated[
        int | None, typer.Option("--layers", help="attention, fnet: blocks, 1 and 2.")
    ] = None,
    hidden: Annotated[
        int | None,
        typer.Option("--hidden", help="attention, fnet: width of the feed-forward layers, 256."),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            "--dropout", help="Share of the features dropped in training: cnn 0.5, others 0.2."
        ),
    ] = None,
    sparsity: Annotated[
        float | None,
        typer.Option(
            "--sparsity",
            help="Prune kernels and a trainable table to this share of zeros while training.",
        ),
    ] = None,
    prune_begin: Annotated[
        float | None,
        typer.Option("--prune-begin", help="Share of the steps before the first pruning, 0.1."),
    ] = None,
    prune_end: Annotated[
        float | None,
        typer.Option("--prune-end", help="Share of the steps before the last pruning, 0.6."),
    ] = None,
    prune_frequency: Annotated[
        int | None, typer.Option("--prune-frequency", help="Steps between two prunings, 50.")
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="At most this many.")] = 10,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Texts a step.")] = 64,
    seed: SeedOption = 0,
    words: WordsOption = None,
    format: FormatOption = "auto",
    errors: ErrorsOption = "strict",
    pack: PackOption = False,
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a classifier over a table, a shallow CNN by default.

    The file holds the table, its tokenizer, the classifier's weights and the labels: everything
    `embzip predict` needs, without TensorFlow.

    With --sparsity the smallest weights become zero, more and more of them (Zhu and Gupta 2017).
    A file of zeros is smaller only when it is packed: --pack.

    Without -o, train.tsv becomes train.model.embz in the current folder.
    """
    from embzip.classifier import encoder_class

    given: dict[str, Any] = {
        "filters": filters,
        "windows": None if windows is None else _widths(windows),
        "width": width,
        "heads": heads,
        "layers": layers,
        "hidden": hidden,
        "dropout": dropout,
    }
    shape = {name: value for name, value in given.items() if value is not None}
    schedule: dict[str, Any] = {
        "begin": prune_begin,
        "end": prune_end,
        "frequency": prune_frequency,
    }
    schedule = {name: value for name, value in schedule.items() if value is not None}
    if schedule and sparsity is None:
        raise typer.BadParameter(f"--prune-{next(iter(schedule))} needs --sparsity")
    kind = encoder_class(encoder)
    kind.of(1, kind.longest, shape)  # refused before anything is read
    path = output_path(examples[0], ".model.embz", output, force=force)
    with progress("training") as report:
        training = read_examples(examples, errors=errors)
        held_out = None if dev is None else read_examples(dev, errors=errors)
        table = read_table(vectors, words=words, format=format)
        with without_notices():  # last, for it takes seconds: bad input is answered before
            from embzip.tf import PruningShares, train

        result = train(
            training,
            table,
            dev=held_out,
            trainable=trainable,
            max_length=max_length,
            encoder=encoder,
            **shape,
            epochs=epochs,
            batch_size=batch_size,
            pruning=None if sparsity is None else PruningShares(sparsity, **schedule),
            seed=seed,
            progress=report,
        )
        # Token counts, four bytes a row, let `rebuild --codec` weigh frequent rows more.
        result.classifier.save(path, counts=True, pack=pack)
    record = {
        "path": str(path),
        "encoder": result.classifier.config.kind,
        "labels": list(result.classifier.labels),
        "max_length": result.classifier.config.max_length,
        "cut_share": result.cut_share,
        "dev_accuracy": list(result.dev_accuracy),
        "epoch_seconds": list(result.epoch_seconds),
        "file_bytes": path.stat().st_size,
        "pruning": None if result.pruning is None else result.pruning.to_json(),
    }
    lines = []
    if result.pruning is not None:
        lines = [
            f"  {found.layer}.{found.weight:<12} {found.sparsity:.4f} of {found.numbers:,} are zero"
            for found in result.pruning.layers
        ]
        before, after = result.pruning.zipped_before, result.pruning.zipped_after
        lines.append(f"weights in a zip: {before:,} -> {after:,} bytes")
    lines.append(
        f"dev accuracy {max(result.dev_accuracy):.4f}, {len(result.classifier.labels)} labels, "
        f"{result.cut_share:.4f} of the texts cut at {result.classifier.config.max_length} "
        f"tokens, {record['file_bytes']:,} bytes\n{path}"
    )
    show(record, "\n".join(lines), as_json=as_json)


def _widths(windows: str) -> tuple[int, ...]:
    """Read `1,1,2,3`; anything else is wrong usage."""
    try:
        return tuple(int(width) for width in windows.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"--windows is a list such as 1,1,2,3, received {windows!r}"
        ) from None
