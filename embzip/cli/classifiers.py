"""Commands on trained classifiers: evaluate, predict."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from embzip.cli.parameters import ColumnOptions, Errors, Json, Seed, UsageError
from embzip.cli.terminal import field, progress, show, without_notices
from embzip.corpus import read_examples, read_texts
from embzip.files.outputs import check_apart
from embzip.files.places import EXAMPLES, SERVED, TEXTS, check_places


def evaluate(
    *files: Annotated[Path, Parameter(name="MODEL.embz... TEST.tsv", required=True)],
    against: Annotated[Path | None, Parameter(metavar="OTHER.embz")] = None,
    head: Annotated[str | None, Parameter(metavar="NAME")] = None,
    seed: Seed = 0,
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    as_json: Json = False,
) -> None:
    """Measure a classifier, alone or against another.

    Fractions, not percent. The difference is MODEL minus OTHER in accuracy, with its 95 %
    bootstrap interval and McNemar's exact p; agreement is the share of rows given the same label,
    and KL the mean divergence of MODEL's probabilities from OTHER's. Without --against those are
    null.

    Log loss is the mean of minus the logarithm of the probability that a row's label was given, in
    nats; rows of labels unseen in training are left out, and it is null where there are no others.
    The calibration error is how far confidence is from accuracy, over 15 ranges of confidence.

    Several classifiers are an ensemble, measured as one: the mean of their probabilities. They need
    the same labels. A folder stands for the classifiers in it, in --against too.

    Parameters
    ----------
    files
        A classifier's .embz or .tflite file, or several, then label<TAB>text lines; - is stdin.
    against
        A classifier to compare with.
    head
        Of a kit: the name of one classifier.
    """
    *models, test = files
    if not models:
        raise UsageError(f"give MODEL.embz, or several, and then TEST.tsv: found only {test}")
    served = [(path, SERVED) for path in (*models, against)]
    check_places(*served, (test, EXAMPLES))
    from embzip.classifier import Ensemble, load_one
    from embzip.evaluation.accuracy import evaluate

    with progress("evaluating"), without_notices():  # LiteRT writes one
        classifier = load_one(models, head=head)
        result = evaluate(
            classifier,
            read_examples(test, errors=errors, columns=columns.columns),
            against=against,
            seed=seed,
        )
    count = len(classifier.members) if isinstance(classifier, Ensemble) else 1
    lines = [f"classifiers   {count:,}, the mean of their probabilities"] * (count > 1)
    lines += [
        f"accuracy      {result.accuracy:.4f}",
        f"macro-F1      {result.macro_f1:.4f}",
    ]
    if result.log_loss is not None:
        lines.append(f"log loss      {result.log_loss:.4f} nats")
    lines += [
        f"calibration   {result.calibration_error:.4f} expected error of confidence",
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
    show({"classifiers": count, **result.to_json()}, *lines, as_json=as_json)


def predict(
    model: Annotated[Path, Parameter(name="MODEL.embz")],
    file: Annotated[Path | None, Parameter(name="FILE")] = None,
    /,
    *,
    labelled: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    columns: ColumnOptions = ColumnOptions(),
    errors: Errors = "strict",
    as_json: Json = False,
) -> None:
    """Print a label and its probability for each text.

    They stand on one line, with a tab between. With --json, one object:
    {"predictions": [{"label": ..., "probability": ...}, ...]}.

    A kit answers in one column a classifier, `label probability`, in the order of `embzip
    inspect`; with --json, {"predictions": [{NAME: {"label": ..., ...}, ...}, ...]}.

    Parameters
    ----------
    model
        A classifier's .embz or .tflite file; a folder of several is an ensemble, which answers by
        the mean of their probabilities.
    file
        Texts, one a line; - is stdin, which is read by default.
    labelled
        A file of label<TAB>text lines instead, of which the text is read.
    """
    if file is not None and labelled is not None:
        raise UsageError("give texts as FILE or by --labelled, not both")
    check_places((model, SERVED), (file, TEXTS), (labelled, EXAMPLES))
    from embzip.classifier import load_model
    from embzip.prediction import TextKit

    with without_notices():  # LiteRT writes one
        loaded = load_model(model)
    source = labelled or file or Path("-")
    check_apart("-", [model, source])
    texts = list(
        read_texts(source, labelled=labelled is not None, errors=errors, columns=columns.columns)
    )
    with progress("predicting"):
        if isinstance(loaded, TextKit):
            rows = loaded.predict(texts)
            answers: list[object] = [{n: asdict(p) for n, p in row.items()} for row in rows]
            lines = [
                "\t".join(f"{field(p.label)} {p.probability:.4f}" for p in row.values())
                for row in rows
            ]
        else:
            found = loaded.predict(texts)
            answers = [asdict(p) for p in found]
            lines = [f"{field(p.label)}\t{p.probability:.4f}" for p in found]
    show({"predictions": answers}, *lines, as_json=as_json)
