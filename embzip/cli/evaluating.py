"""The command that measures a classifier: evaluate."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from embzip.cli.bars import progress
from embzip.cli.parameters import ColumnOptions, Errors, Input, Json, OwnModel, Seed, UsageError
from embzip.cli.terminal import drawn, field, printable, show, without_notices
from embzip.corpus import read_examples
from embzip.files.places import EXAMPLES, MODEL, check_places

if TYPE_CHECKING:
    from rich.table import Table

    from embzip.evaluation.accuracy import Evaluation


def evaluate(
    *files: Annotated[Input, Parameter(name="MODEL.embz... TEST.tsv", required=True)],
    against: Annotated[Path | None, Parameter(metavar="OTHER.embz")] = None,
    head: Annotated[str | None, Parameter(metavar="NAME")] = None,
    per_class: bool = False,
    threshold: bool = False,
    own: OwnModel = OwnModel(),
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

    A model of Keras or TensorFlow that reads texts, or ids with --tokenizer, is a classifier with
    --labels.

    Parameters
    ----------
    files
        A classifier's .embz or .tflite file, a model of Keras or TensorFlow, or several, then
        label<TAB>text lines; - is stdin.
    against
        A classifier to compare with.
    head
        Of a kit: the name of one classifier.
    per_class
        Print precision, recall, F1 and support of each label too, and the ten pairs of labels that
        are confused most; --json has them always.
    threshold
        Print what `embzip predict --threshold P` would do too: for several P, the share of rows
        that are answered, and the accuracy among them; --json has it always.
    """
    *models, test = files
    if not models:
        raise UsageError(f"give MODEL.embz, or several, and then TEST.tsv: found only {test}")
    check_places(*((path, MODEL) for path in (*models, against)), (test, EXAMPLES), *own.places)
    from embzip.classifier import Ensemble
    from embzip.evaluation.accuracy import evaluate
    from embzip.report.figures import listed

    own.check(*models, against)
    with progress("evaluating"), without_notices():  # LiteRT writes one
        classifier = own.open(*models, head=head)
        result = evaluate(
            classifier,
            read_examples(test, errors=errors, columns=columns.columns),
            against=None if against is None else own.open(against),
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
            f"{listed(result.unseen_labels)}"
        )
    if result.difference_ci95 is not None:
        low, high = result.difference_ci95
        lines.append(f"difference    {result.difference:+.4f} [{low:+.4f}, {high:+.4f}]")
        lines.append(f"McNemar's p   {result.mcnemar_p:.4g}")
    if result.agreement is not None:
        lines.append(f"agreement     {result.agreement:.4f}")
        lines.append(f"KL            {result.kl:.4g} nats, KL(OTHER || MODEL)")
    tables = [_classes(result), _confusions(result)] if per_class else []
    tables += [_coverage(result)] if threshold else []
    drawing = "\n".join([*map(printable, lines), *("\n" + drawn(table) for table in tables)])
    show({"classifiers": count, **result.to_json()}, drawing=drawing, as_json=as_json)


def _classes(result: "Evaluation") -> "Table":
    return _table(
        "label",
        ("precision", "recall", "F1", "rows"),
        (
            (
                each.label,
                _share(each.precision),
                _share(each.recall),
                f"{each.f1:.4f}",
                each.support,
            )
            for each in result.classes
        ),
    )


def _confusions(result: "Evaluation") -> "Table":
    return _table(
        "expected, but given",
        ("rows",),
        ((f"{each.expected}, {each.predicted}", each.rows) for each in result.confusions),
    )


def _coverage(result: "Evaluation") -> "Table":
    return _table(
        "threshold",
        ("answered", "accuracy there"),
        (
            (f"{each.threshold:.2f}", _share(each.answered), _share(each.accuracy))
            for each in result.coverage
        ),
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _table(name: str, columns: Sequence[str], rows: Iterable[tuple[str | int, ...]]) -> "Table":
    """Return a table of a name and numbers a row."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(name, overflow="fold", min_width=12)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for label, *numbers in rows:
        # Text, not str: a label such as [red] is no markup.
        shown = (n if isinstance(n, str) else f"{n:,}" for n in numbers)
        table.add_row(Text(field(str(label))), *shown)
    return table
