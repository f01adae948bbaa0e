"""Commands on trained classifiers: rebuild, evaluate, predict."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from embzip.cli.artefacts import is_foreign, rebuild_foreign
from embzip.cli.terminal import (
    ErrorsOption,
    ForceOption,
    JsonOption,
    ModelArgument,
    OutputOption,
    PackOption,
    SeedOption,
    progress,
    show,
    without_notices,
)
from embzip.corpus import read_examples, read_texts
from embzip.errors import InputError
from embzip.files import output_path

TestArgument = Annotated[
    Path,
    typer.Argument(
        metavar="TEST.tsv", help="label<TAB>text lines; - is stdin.", show_default=False
    ),
]


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
            "with --weights int8.",
        ),
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
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

    The embedding layer is regenerated: give exactly one of --embedding and --codec; or --weights
    alone, which stores the kernels anew. Rows are
    matched by token: the new vocabulary must be the same or a part of it, of the same tokenizer.
    Codes stay codes; a row is decoded when it is looked up. Of a kit, all classifiers are rebuilt
    on one table.

    Of a file of Keras or TensorFlow, the Embedding layer or the gathers of the table are replaced;
    --embedding must have its shape, and rows keep their order. Keras files become .keras, which
    loads after `import embzip.tf`; graphs a frozen .pb where -o ends so, or a SavedModel folder.

    Without -o, NAME.embz becomes NAME.rebuilt.embz in the current folder.
    """
    both, neither = None not in (embedding, codec), embedding is None and codec is None
    if both or (neither and weights is None):
        raise typer.BadParameter(
            "give exactly one of --embedding and --codec, or --weights without them"
        )
    if tune is None and (tune_params or quantize_kernels):
        raise typer.BadParameter("--tune-params and --quantize-kernels need --tune TRAIN.tsv")
    if is_foreign(model):
        if tune is not None or pack or weights is not None:
            raise InputError(f"{model}: --tune, --pack and --weights are for .embz files")
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
    from embzip.classifier import Classifier, Kit
    from embzip.classifier.kit import read
    from embzip.fileformat import load
    from embzip.rebuilding import rebuild, rebuild_kit

    path = output_path(model, ".rebuilt.embz", output, force=force)
    with progress("rebuilding") as report:
        tuning = [] if tune is None else read_examples(tune, errors=errors)
        tuned: bool | None = None
        old = read(model)
        table = None if embedding is None else load(embedding)
        rebuilt: Classifier | Kit
        if isinstance(old, Kit):
            if tune is not None:
                raise InputError(f"{model}: --tune is for one classifier, and this is a kit")
            rebuilt = rebuild_kit(old, table, codec=codec, fold=fold, weights=weights, seed=seed)
        else:
            rebuilt = rebuild(old, table, codec=codec, fold=fold, weights=weights, seed=seed)
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
    head: Annotated[
        str | None, typer.Option("--head", help="Of a kit: the name of one classifier.")
    ] = None,
    seed: SeedOption = 0,
    errors: ErrorsOption = "strict",
    as_json: JsonOption = False,
) -> None:
    """Measure a classifier, alone or against another.

    Fractions, not percent. The difference is MODEL minus OTHER in accuracy, with its 95 %
    bootstrap interval and McNemar's exact p; agreement is the share of rows given the same label,
    and KL the mean divergence of MODEL's probabilities from OTHER's. Without --against those are
    null.
    """
    from embzip.classifier import load_one
    from embzip.evaluation import evaluate

    with progress("evaluating"):
        result = evaluate(
            load_one(model, head=head),
            read_examples(test, errors=errors),
            against=against,
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
    if result.agreement is not None:
        lines.append(f"agreement     {result.agreement:.4f}")
        lines.append(f"KL            {result.kl:.4g} nats, KL(OTHER || MODEL)")
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

    A kit answers in one column a classifier, `label probability`, in the order of `embzip
    inspect`; with --json, {"predictions": [{NAME: {"label": ..., ...}, ...}, ...]}.
    """
    from embzip.classifier import Classifier
    from embzip.prediction import TextKit

    with without_notices():  # LiteRT writes one
        loaded = Classifier.load(model)
    texts = list(read_texts(file, labelled=labelled, errors=errors))
    with progress("predicting"):
        if isinstance(loaded, TextKit):
            rows = loaded.predict(texts)
            answers: list[object] = [{n: asdict(p) for n, p in row.items()} for row in rows]
            lines = [
                "\t".join(f"{p.label} {p.probability:.4f}" for p in row.values()) for row in rows
            ]
        else:
            found = loaded.predict(texts)
            answers = [asdict(p) for p in found]
            lines = [f"{p.label}\t{p.probability:.4f}" for p in found]
    show({"predictions": answers}, "\n".join(lines), as_json=as_json)
