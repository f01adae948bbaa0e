"""The command that makes a classifier's dense kernels smaller: factorize."""

from typing import Annotated

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.parameters import ColumnOptions, Errors, Input, Model, Seed, UsageError, Whole
from embzip.cli.results import EMBZ, Result
from embzip.cli.terminal import without_notices
from embzip.corpus import read_examples
from embzip.files.places import CLASSIFIER, EXAMPLES, check_places
from embzip.inspection import size_change
from embzip.seeds import check_seed


def factorize(
    model: Model,
    /,
    *,
    rank: Whole | None = None,
    energy: float | None = None,
    train: Annotated[Input | None, Parameter(metavar="TRAIN.tsv")] = None,
    seed: Seed = 0,
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    result: Result = Result(),
) -> None:
    """Replace dense kernels by products of two smaller ones.

    By singular values; convolutions and kernels that would not become smaller stay whole.

    Without -o, NAME.embz becomes NAME.factorized.embz in the current folder.

    Parameters
    ----------
    rank
        Of every dense kernel.
    energy
        Or: the share of each kernel's energy to keep, as 0.9.
    train
        Fine-tune everything but the codes on these examples; kept where a tenth of them, held out,
        says it helps.
    """
    if (rank is None) == (energy is None):
        raise UsageError("give exactly one of --rank and --energy")
    check_seed(seed)
    check_places((model, CLASSIFIER), (train, EXAMPLES))
    from embzip.classifier import load_classifier
    from embzip.classifier.factorizing import factorize
    from embzip.embz.meta import meta_of

    accuracy: dict[str, float | bool | None] = {"dev_accuracy": None, "tuned": None}
    with (
        result.writing([model, train], ".factorized.embz", EMBZ) as output,
        progress("factorizing", loading="TensorFlow" * bool(train)) as report,
    ):
        examples = (
            [] if train is None else read_examples(train, errors=errors, columns=columns.columns)
        )
        made = factorize(load_classifier(model), rank=rank, energy=energy)
        if train is not None:
            with without_notices():
                from embzip.tf import tune

            tuned = tune(made, examples, seed=seed, progress=report)
            made = tuned.classifier
            best = max([tuned.dev_accuracy_before, *tuned.dev_accuracy])
            accuracy = {
                "dev_accuracy_before": tuned.dev_accuracy_before,
                "dev_accuracy": best,
                "tuned": tuned.tuned,
            }
        made.save(output.path, meta=meta_of(model))
    before, after = model.stat().st_size, output.nbytes
    record = {
        "ranks": dict(made.ranks),
        "bytes_before": before,
        "bytes_after": after,
        **accuracy,
    }
    told = "" if train is None else f"; dev accuracy {accuracy['dev_accuracy']:.4f}"
    listed = ", ".join(f"{layer} {kept}" for layer, kept in made.ranks.items())
    change = size_change(before, after)
    output.show(record, f"ranks: {listed}; {before:,} -> {after:,} bytes, {change}{told}")
