"""The command that rebuilds a classifier on another table: ours, and files of TensorFlow."""

from pathlib import Path
from typing import Annotated

import typer

from embzip.cli.foreign import foreign_bytes, is_foreign, rebuild_foreign, with_config
from embzip.cli.terminal import (
    ErrorsOption,
    ForceOption,
    JsonOption,
    OutputOption,
    PackOption,
    SeedOption,
    progress,
    show,
    without_notices,
)
from embzip.corpus import read_examples
from embzip.errors import InputError
from embzip.files import output_path


def rebuild(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A classifier's .embz; or a .keras, .h5, SavedModel folder, frozen .pb, or TF1 "
            "checkpoint with its .meta.",
            show_default=False,
        ),
    ],
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
        bool | None,
        typer.Option(
            "--fold/--no-fold",
            help="Merge linear decoding into the layers that read the table. Done for .embz "
            "files by default, for Keras files where asked for.",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            help="Of another file: the Embedding layer, or the graph's table, where not the only.",
        ),
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option("--node", metavar="NAME", help="What a graph without signatures ends in."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="CONFIG",
            help="For a checkpoint without .meta: the classifier of embzip that its variables are "
            "of, a .embz or a .toml file.",
        ),
    ] = None,
    tune: Annotated[
        Path | None,
        typer.Option(
            "--tune",
            metavar="TRAIN.tsv",
            help="Fine-tune everything but the codes on these examples; kept where a tenth of "
            "them, held out, says it helps.",
        ),
    ] = None,
    tune_params: Annotated[
        bool,
        typer.Option(
            "--tune-params",
            help="--tune moves what rows share too: centroids, codebooks, components, means.",
        ),
    ] = False,
    quantize_kernels: Annotated[
        bool,
        typer.Option(
            "--quantize-kernels",
            help="--tune sees kernels as int8 makes them, and leaves them ready for it; always "
            "with --kernels int8.",
        ),
    ] = False,
    kernels: Annotated[
        str | None,
        typer.Option(
            "--kernels",
            help="Store convolution and dense kernels as float32, float16 or int8; as before "
            "where not given. Alone it keeps the table.",
        ),
    ] = None,
    seed: SeedOption = 0,
    errors: ErrorsOption = "strict",
    pack: PackOption = False,
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a compressed table under a trained classifier.

    The embedding layer is regenerated: give exactly one of --embedding and --codec; or --kernels
    alone, which stores the kernels anew. Rows are
    matched by token: the new vocabulary must be the same or a part of it, of the same tokenizer.
    Codes stay codes; a row is decoded when it is looked up. Of a kit, all classifiers are rebuilt
    on one table.

    Of a file of Keras or TensorFlow, the Embedding layer or the gathers of the table are replaced;
    --embedding must have its shape, and rows keep their order. Keras files become .keras, which
    loads after `import embzip.tf`; graphs a frozen .pb where -o ends so, or a SavedModel folder.

    A checkpoint without .meta has no graph. With --model its variables become those of a classifier
    of embzip, and the result is a .embz. CONFIG is such a classifier, of which configuration,
    tokenizer and labels are kept, or a .toml file with tokenizer, labels, classifier, max_length,
    dim and, where names leave it open, [variables]. Row i of the table belongs to id i.

    Without -o, NAME.embz becomes NAME.rebuilt.embz in the current folder.
    """
    both, neither = None not in (embedding, codec), embedding is None and codec is None
    if both or (neither and kernels is None):
        raise typer.BadParameter(
            "give exactly one of --embedding and --codec, or --kernels without them"
        )
    if tune is None and (tune_params or quantize_kernels):
        raise typer.BadParameter("--tune-params and --quantize-kernels need --tune TRAIN.tsv")
    if config is None and is_foreign(model):
        if tune is not None or pack or kernels is not None:
            raise InputError(f"{model}: --tune, --pack and --kernels are for .embz files")
        rebuild_foreign(
            model,
            embedding,
            codec,
            layer=layer,
            nodes=node or [],
            fold=bool(fold),
            seed=seed,
            output=output,
            force=force,
            as_json=as_json,
        )
        return
    if layer is not None or node:
        raise InputError(f"{model}: --layer and --node are for files of Keras and TensorFlow")
    fold = fold is not False
    if config is not None and not is_foreign(model):
        raise InputError(f"{model}: --model is for variables in a file of TensorFlow or Keras")
    from embzip.classifier import Classifier, Kit
    from embzip.classifier.loading import read
    from embzip.classifier.rebuilding import rebuild, rebuild_kit
    from embzip.embz.format import load
    from embzip.embz.inspecting import counts_bytes

    path = output_path(model, ".rebuilt.embz", output, force=force)
    with progress("rebuilding") as report:
        tuning = [] if tune is None else read_examples(tune, errors=errors)
        tuned: bool | None = None
        old = read(model) if config is None else with_config(model, config)
        before = model.stat().st_size if config is None else foreign_bytes(model)
        counts = 0 if config is not None else counts_bytes(model)
        table = None if embedding is None else load(embedding)
        rebuilt: Classifier | Kit
        if isinstance(old, Kit):
            if tune is not None:
                raise InputError(f"{model}: --tune is for one classifier, and this is a kit")
            rebuilt = rebuild_kit(old, table, codec=codec, fold=fold, kernels=kernels, seed=seed)
        else:
            rebuilt = rebuild(old, table, codec=codec, fold=fold, kernels=kernels, seed=seed)
        if tune is not None and isinstance(rebuilt, Classifier):
            with without_notices():
                from embzip.tf import tune as fine_tune

            result = fine_tune(
                rebuilt,
                tuning,
                params=tune_params,
                quantize=quantize_kernels,
                seed=seed,
                progress=report,
            )
            rebuilt, tuned = result.classifier, result.tuned
        rebuilt.save(path, pack=pack)
    after = path.stat().st_size
    record = {
        "path": str(path),
        "codec": rebuilt.embedding.codec.spec,
        "rows": rebuilt.embedding.rows,
        "dim": rebuilt.embedding.dim,
        "bytes_before": before,
        "bytes_after": after,
        "counts_bytes": counts,
        "compression_ratio": (before - counts) / after,
        "tuned": tuned,
    }
    told = f", {counts:,} bytes of row counts left out of both" if counts else ""
    if tuned is False:
        told += "; tuning did not help on dev, so the untuned model is kept"
    show(
        record,
        f"{record['codec']}, {record['rows']:,} rows of {record['dim']}: {before:,} -> {after:,} "
        f"bytes, {record['compression_ratio']:.1f} times smaller{told}\n{path}",
        as_json=as_json,
    )
