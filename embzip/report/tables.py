"""Which columns stand in which table of a report; the same in terminal, Markdown and HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from embzip.report.details import Detail
from embzip.report.figures import DASH
from embzip.report.view import PARTS, Line, View

Rows = tuple[Line, ...] | tuple[Detail, ...]


@dataclass(frozen=True)
class Column:
    """A column: a key of `Line.cells`, its heading, and a short one where space is scarce.

    A column without values is left out, unless it is marked as standing in every report.
    """

    key: str
    heading: str
    short: str
    numeric: bool = True
    always: bool = False


@dataclass(frozen=True)
class Table:
    """A title, columns, and a row of cells for each candidate, control or detail."""

    title: str
    columns: tuple[Column, ...]
    lines: Rows


_SIZE_AND_ACCURACY = (
    Column("size", "size", "size", always=True),
    Column("ratio", "smaller", "smaller", always=True),
    Column("accuracy", "accuracy", "acc", always=True),
    Column("difference", "difference", "diff", always=True),
    Column("interval", "95 % interval", "95 % interval", always=True),
    Column("p", "McNemar p", "p"),
    Column("macro_f1", "macro-F1", "F1"),
    Column("dev", "on dev", "dev"),
    Column("verdict", "on this test set", "verdict", numeric=False),
)
_MODELS = (
    Column("tokenizer", "tokenizer", "tokenizer", numeric=False),
    Column("codec", "codec", "codec", numeric=False),
    Column("distill", "distilled to", "distilled to", numeric=False),
    Column("resolved", "resolved codec", "resolved", numeric=False),
    Column("rows", "rows", "rows"),
    Column("dim", "dim", "dim"),
    Column("unknown", "unknown rate", "unk"),
)
_LIKENESS = (
    Column("accuracy", "accuracy", "acc"),
    Column("agreement", "agreement", "agree"),
    Column("kl", "KL, nats", "KL, nats"),
    Column("snr", "table SNR", "SNR"),
    Column("cosine", "mean cosine", "cosine"),
    Column("read_snr", "SNR as read", "as read: SNR"),
    Column("read_cosine", "cosine as read", "as read: cosine"),
)
_CONFIDENCE = (
    Column("accuracy", "accuracy", "acc"),
    Column("log_loss", "log loss, nats", "log loss, nats"),
    Column("calibration", "calibration error", "calibration error"),
)
_SPEED = (
    Column("epoch", "training epoch", "epoch"),
    Column("epoch_ratio", "epoch shorter", "shorter"),
    Column("load", "load", "load"),
    Column("memory", "memory", "memory"),
    Column("p50", "latency p50", "p50"),
    Column("p99", "latency p99", "p99"),
)
_BYTES = (
    *(Column(part, part, part) for part in PARTS),
    Column("size", "total", "total"),
)
_CONTROLS = (
    Column("accuracy", "accuracy", "acc", always=True),
    Column("difference", "difference", "diff"),
    Column("interval", "95 % interval", "95 % interval"),
    Column("dev", "on dev", "dev"),
    Column("epoch", "training epoch", "epoch"),
    Column("epoch_ratio", "epoch shorter", "shorter"),
)
_LABELS = (
    Column("support", "test rows", "rows"),
    *(
        Column(f"{key}{end}", f"{name}, {whose}", f"{name}, {whose}")
        for key, name in (("f1", "F1"), ("precision", "precision"), ("recall", "recall"))
        for end, whose in (("_before", "baseline"), ("", "chosen"))
    ),
)
_COVERAGE = tuple(
    Column(f"{key}{end}", f"{name}, {whose}", f"{name}, {whose}")
    for key, name in (("answered", "rows answered"), ("sure", "accuracy there"))
    for end, whose in (("_before", "baseline"), ("", "chosen"))
)


def make_tables(view: View) -> list[Table]:
    """Return the tables of a record that have something to show; `detail_tables` are apart."""
    wanted = (
        ("Size and accuracy", _SIZE_AND_ACCURACY, view.lines),
        ("Confidence", _CONFIDENCE, view.lines),
        ("Likeness to the baseline", _LIKENESS, view.lines),
        ("Tokenizer and table", _MODELS, view.lines),
        ("Training and serving", _SPEED, view.lines),
        ("Where the bytes are", _BYTES, view.lines),
        ("Controls", _CONTROLS, view.controls),
    )
    return _shown(wanted)


def detail_tables(view: View) -> list[Table]:
    """Return the tables that have a row a label or a threshold: too long for a terminal."""
    return _shown(
        (
            ("Each label", _LABELS, view.labels),
            ("Answers only from a probability on", _COVERAGE, view.coverage),
        )
    )


def _shown(wanted: Iterable[tuple[str, tuple[Column, ...], Rows]]) -> list[Table]:
    tables = []
    for title, columns, lines in wanted:
        shown = tuple(
            column
            for column in columns
            if column.always or any(line.cells[column.key] != DASH for line in lines)
        )
        # Accuracy only accompanies other columns; a table of it alone says nothing new.
        if lines and [column.key for column in shown] not in ([], ["accuracy"]):
            tables.append(Table(title, shown, lines))
    return tables


def legend(tables: Sequence[Table]) -> list[tuple[str, str]]:
    """Return what the columns shown mean, as (term, meaning)."""
    shown = {column.key: column.heading for table in tables for column in table.columns}
    return [(shown[key], meaning) for key, meaning in _MEANINGS.items() if key in shown]


# What is not said by the heading alone, by key.
_MEANINGS = {
    "size": (
        "the whole artefact: vocabulary and tokenizer, embedding, classifier, header. 1 MB is "
        "1,000,000 bytes."
    ),
    "ratio": "the baseline's size divided by the candidate's.",
    "accuracy": "share of test rows labelled correctly, a fraction of 1.",
    "difference": "candidate minus baseline on the same test rows.",
    "interval": (
        "of the difference, by paired bootstrap over test rows. Where it includes zero, this test "
        "set shows no difference; there may still be one as large as its ends."
    ),
    "p": (
        "exact test on the rows that only one of the two models gets right; a small p says that"
        " the difference is not chance."
    ),
    "macro_f1": "mean F1 over labels, rare ones counting like frequent ones.",
    "log_loss": (
        "mean of minus the logarithm of the probability that a row's label was given, in nats; "
        "rows of labels unseen in training are left out."
    ),
    "calibration": (
        "how far confidence is from accuracy (expected calibration error): of 0.05, answers given "
        "with a probability of .90 are right in about .85 or .95 of the cases."
    ),
    "dev": "accuracy on the development set, on which choices were made.",
    "unknown": "share of the test's tokens that the tokenizer does not know.",
    "distill": (
        "the shape or the size of a student, which learned the answers of a larger classifier: the "
        "one that the candidate's tokenizer, vectors and classifier make. The codec is the "
        "student's."
    ),
    "resolved": (
        "the chain that the codec became on this table, before decoding was folded into layers."
    ),
    "agreement": "share of test rows to which candidate and baseline give the same label.",
    "kl": (
        "mean divergence of the candidate's probabilities from the baseline's, KL(baseline || "
        "candidate), in nats; 0 for equal ones."
    ),
    "snr": (
        "energy of the original table over energy of the error, in decibels; and the mean cosine "
        "of their rows. Given only where both tables stand in the same basis, so not where "
        "decoding was folded into layers."
    ),
    "read_snr": (
        "the same two figures for what the layers compute from each row (row times kernel). No "
        "basis changes that, so folded tables are compared too."
    ),
    "support": "test rows that have the label.",
    "answered": (
        "share of test rows whose most probable label has at least that probability; the others "
        "would be left unanswered (`embzip predict --threshold`)."
    ),
    "epoch": "seconds of one pass over the training data.",
    "load": "seconds to load the model in a fresh process, after imports.",
    "memory": "resident memory of that process after load and first prediction.",
    "p50": "of one text at a time in that process: median and 99th percentile.",
}
