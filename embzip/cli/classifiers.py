"""Commands on classifiers: train, rebuild, evaluate, predict."""

from pathlib import Path
from typing import Annotated

import typer

from embzip.cli.tables import read_table
from embzip.cli.terminal import (
    ErrorsOption,
    ForceOption,
    FormatOption,
    JsonOption,
    ModelArgument,
    OutputOption,
    SeedOption,
    WordsOption,
    progress,
    show,
    without_notices,
)
from embzip.corpus import read_examples, read_texts
from embzip.files import output_path

TestArgument = Annotated[
    Path,
    typer.Argument(
        metavar="TEST.tsv", help="label<TAB>text lines; - is stdin.", show_default=False
    ),
]


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
    filters: Annotated[int, typer.Option("--filters", help="Filters of each window.")] = 128,
    windows: Annotated[
        str, typer.Option("--windows", help="Widths of the parallel convolutions, in tokens.")
    ] = "1,1,2,3",
    dropout: Annotated[
        float, typer.Option("--dropout", help="Share of the features dropped in training.")
    ] = 0.5,
    epochs: Annotated[int, typer.Option("--epochs", help="At most this many.")] = 10,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Texts a step.")] = 64,
    seed: SeedOption = 0,
    words: WordsOption = None,
    format: FormatOption = "auto",
    errors: ErrorsOption = "strict",
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the shallow CNN (Kim 2014) over a table.

    The file holds the table, its tokenizer, the classifier's weights and the labels: everything
    `embzip predict` needs, without TensorFlow.

    Without -o, train.tsv becomes train.model.embz in the current folder.
    """
    widths = _widths(windows)
    path = output_path(examples[0], ".model.embz", output, force=force)
    with progress("training") as report:
        training = read_examples(examples, errors=errors)
        held_out = None if dev is None else read_examples(dev, errors=errors)
        table = read_table(vectors, words=words, format=format)
        with without_notices():  # last, for it takes seconds: bad input is answered before
            from embzip.tf import train

        result = train(
            training,
            table,
            dev=held_out,
            trainable=trainable,
            max_length=max_length,
            filters=filters,
            windows=widths,
            dropout=dropout,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            progress=report,
        )
        # Token counts, four bytes a row, let `rebuild --codec` weigh frequent rows more.
        result.classifier.save(path, counts=True)
    record = {
        "path": str(path),
        "labels": list(result.classifier.labels),
        "max_length": result.classifier.config.max_length,
        "cut_share": result.cut_share,
        "dev_accuracy": list(result.dev_accuracy),
        "epoch_seconds": list(result.epoch_seconds),
        "file_bytes": path.stat().st_size,
    }
    show(
        record,
        f"dev accuracy {max(result.dev_accuracy):.4f}, {len(result.classifier.labels)} labels, "
        f"{result.cut_share:.4f} of the texts cut at {result.classifier.config.max_length} "
        f"tokens, {record['file_bytes']:,} bytes\n{path}",
        as_json=as_json,
    )


def rebuild(
    model: ModelArgument,
    embedding: Annotated[
        Path | None,
        typer.Option("--embedding", metavar="E.embz", help="The compressed table to build on."),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            "--codec", metavar="SPEC", help="Compress the model's own table, such as 'svd:64|int8'."
        ),
    ] = None,
    fold: Annotated[
        bool,
        typer.Option("--fold/--no-fold", help="Merge linear decoding into the convolutions."),
    ] = True,
    tune: Annotated[
        Path | None,
        typer.Option(
            "--tune",
            metavar="TRAIN.tsv",
            help="Fine-tune everything but the codes on these examples; kept where a tenth of "
            "them, held out, says it helps.",
        ),
    ] = None,
    seed: SeedOption = 0,
    errors: ErrorsOption = "strict",
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a compressed table under a trained classifier.

    The embedding layer is regenerated: give exactly one of --embedding and --codec. Rows are
    matched by token: the new vocabulary must be the same or a part of it, of the same tokenizer.
    Codes stay codes; a row is decoded when it is looked up.

    Without -o, NAME.embz becomes NAME.rebuilt.embz in the current folder.
    """
    if (embedding is None) == (codec is None):
        raise typer.BadParameter("give exactly one of --embedding and --codec")
    from embzip.classifier import load_classifier
    from embzip.fileformat import load
    from embzip.rebuilding import rebuild

    path = output_path(model, ".rebuilt.embz", output, force=force)
    with progress("rebuilding") as report:
        tuning = [] if tune is None else read_examples(tune, errors=errors)
        tuned: bool | None = None
        rebuilt = rebuild(
            load_classifier(model),
            None if embedding is None else load(embedding),
            codec=codec,
            fold=fold,
            seed=seed,
        )
        if tune is not None:
            with without_notices():
                from embzip.tf import tune as fine_tune

            result = fine_tune(rebuilt, tuning, seed=seed, progress=report)
            rebuilt, tuned = result.classifier, result.tuned
        rebuilt.save(path)
    before, after = model.stat().st_size, path.stat().st_size
    record = {
        "path": str(path),
        "codec": rebuilt.embedding.codec.spec,
        "rows": rebuilt.embedding.rows,
        "dim": rebuilt.embedding.dim,
        "bytes_before": before,
        "bytes_after": after,
        "compression_ratio": before / after,
        "tuned": tuned,
    }
    told = "; tuning did not help on dev, so the untuned model is kept" if tuned is False else ""
    show(
        record,
        f"{record['codec']}, {record['rows']:,} rows of {record['dim']}: {before:,} -> {after:,} "
        f"bytes, {before / after:.1f} times smaller{told}\n{path}",
        as_json=as_json,
    )


def evaluate(
    model: ModelArgument,
    test: TestArgument,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="OTHER.embz", help="A classifier to compare with."),
    ] = None,
    seed: SeedOption = 0,
    errors: ErrorsOption = "strict",
    as_json: JsonOption = False,
) -> None:
    """Measure a classifier, alone or against another.

    Fractions, not percent. The difference is MODEL minus OTHER in accuracy, with its 95 %
    bootstrap interval and McNemar's exact p; without --against those are null.
    """
    from embzip.classifier import Classifier
    from embzip.evaluation import evaluate

    with progress("evaluating"):
        result = evaluate(
            Classifier.load(model),
            read_examples(test, errors=errors),
            against=None if against is None else Classifier.load(against),
            seed=seed,
        )
    lines = [
        f"accuracy      {result.accuracy:.4f}",
        f"macro-F1      {result.macro_f1:.4f}",
        f"rows          {result.rows:,}",
    ]
    if result.unknown_rate is not None:
        lines.append(f"unknown rate  {result.unknown_rate:.4f}")
    if result.unseen_rows:
        lines.append(
            f"unseen        {result.unseen_rows:,} rows of labels unseen in training: "
            f"{', '.join(result.unseen_labels)}"
        )
    if result.difference_ci95 is not None:
        low, high = result.difference_ci95
        lines.append(f"difference    {result.difference:+.4f} [{low:+.4f}, {high:+.4f}]")
        lines.append(f"McNemar's p   {result.mcnemar_p:.4g}")
    show(result.to_json(), "\n".join(lines), as_json=as_json)


def predict(
    model: ModelArgument,
    file: Annotated[
        Path, typer.Argument(metavar="[FILE]", help="Texts, one a line; - is stdin.")
    ] = Path("-"),
    labelled: Annotated[
        bool, typer.Option("--labelled", help="Lines are label<TAB>text; the text is read.")
    ] = False,
    errors: ErrorsOption = "strict",
    as_json: JsonOption = False,
) -> None:
    """Print a label and its probability for each text.

    They stand on one line, with a tab between. With --json, one object:
    {"predictions": [{"label": ..., "probability": ...}, ...]}.
    """
    from embzip.classifier import Classifier

    with without_notices():
        classifier = Classifier.load(model)
    texts = list(read_texts(file, labelled=labelled, errors=errors))
    with progress("predicting"):
        predictions = classifier.predict(texts)
    record = {
        "predictions": [{"label": p.label, "probability": p.probability} for p in predictions]
    }
    show(record, "\n".join(f"{p.label}\t{p.probability:.4f}" for p in predictions), as_json=as_json)


def _widths(windows: str) -> tuple[int, ...]:
    """Read `1,1,2,3`; anything else is wrong usage."""
    try:
        return tuple(int(width) for width in windows.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"--windows is a list such as 1,1,2,3, received {windows!r}"
        ) from None
