"""The command that makes a classifier's dense kernels smaller: factorize."""

from pathlib import Path
from typing import Annotated

import typer

from embzip.cli.terminal import (
    ErrorsOption,
    ForceOption,
    JsonOption,
    ModelArgument,
    OutputOption,
    SeedOption,
    progress,
    show,
    without_notices,
)
from embzip.corpus import read_examples
from embzip.files import output_path


def factorize(
    model: ModelArgument,
    rank: Annotated[int | None, typer.Option("--rank", help="Of every dense kernel.")] = None,
    energy: Annotated[
        float | None,
        typer.Option("--energy", help="Or: the share of each kernel's energy to keep, as 0.9."),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            "--train",
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
    """Replace dense kernels by products of two smaller ones.

    By singular values; convolutions and kernels that would not become smaller stay whole.

    Without -o, NAME.embz becomes NAME.factorized.embz in the current folder.
    """
    if (rank is None) == (energy is None):
        raise typer.BadParameter("give exactly one of --rank and --energy")
    from embzip.classifier import load_classifier
    from embzip.classifier.factorizing import factorize

    path = output_path(model, ".factorized.embz", output, force=force)
    accuracy: dict[str, float | bool | None] = {"dev_accuracy": None, "tuned": None}
    with progress("factorizing") as report:
        examples = [] if train is None else read_examples(train, errors=errors)
        made = factorize(load_classifier(model), rank=rank, energy=energy)
        if train is not None:
            with without_notices():
                from embzip.tf import tune

            result = tune(made, examples, seed=seed, progress=report)
            made = result.classifier
            best = max([result.dev_accuracy_before, *result.dev_accuracy])
            accuracy = {
                "dev_accuracy_before": result.dev_accuracy_before,
                "dev_accuracy": best,
                "tuned": result.tuned,
            }
        made.save(path)
    before, after = model.stat().st_size, path.stat().st_size
    record = {
        "path": str(path),
        "ranks": dict(made.ranks),
        "bytes_before": before,
        "bytes_after": after,
        **accuracy,
    }
    told = "" if train is None else f"; dev accuracy {accuracy['dev_accuracy']:.4f}"
    listed = ", ".join(f"{layer} {kept}" for layer, kept in made.ranks.items())
    show(
        record,
        f"ranks: {listed}; {before:,} -> {after:,} bytes{told}\n{path}",
        as_json=as_json,
    )
