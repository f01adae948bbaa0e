"""A record as a person reads it: formatted numbers, a verdict and a sentence for each candidate.

The terminal table, the Markdown and the HTML page all show what stands here, each in its own way.
Missing values are a dash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embzip.inspection import size_change
from embzip.report.details import Detail, coverage_details, label_details
from embzip.report.figures import (
    DASH,
    divergence,
    fraction,
    measured,
    megabytes,
    p_value,
    plain,
    signed,
    times_less,
    whole,
)
from embzip.report.record import check_record

PARTS = ("vocabulary", "embedding", "classifier", "header")


@dataclass(frozen=True)
class Line:
    """One candidate; text fields are ready to show, `numbers` are for drawing.

    Attributes
    ----------
    name
        Distinct in a record.
    cells
        Column key -> text, for every column of `embzip.report.tables`.
    verdict
        How the candidate does against the baseline on the test set, in a few words.
    tone
        `baseline`, `better`, `worse`, `even` or `unknown`.
    sentence
        The comparison in plain words, without the name; empty for the baseline.
    """

    name: str
    cells: Mapping[str, str]
    verdict: str
    tone: str
    sentence: str
    notes: tuple[str, ...]
    is_baseline: bool
    chosen: bool
    megabytes: float | None
    accuracy: float | None
    interval: tuple[float, float] | None
    parts: Mapping[str, int]


@dataclass(frozen=True)
class View:
    """A whole record, formatted.

    Attributes
    ----------
    notes
        Those of the record, then those of its candidates.
    choice
        A sentence: which candidate was chosen, and by what rule; empty where none was.
    """

    baseline: str
    lines: tuple[Line, ...]
    controls: tuple[Line, ...]
    notes: tuple[str, ...]
    choice: str
    labels: tuple[Detail, ...]
    coverage: tuple[Detail, ...]
    corpus: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]

    @property
    def chosen(self) -> Line | None:
        """The candidate chosen on dev; with one candidate beside the baseline, that one."""
        return _chosen(self.lines)


def make_view(record: Mapping[str, Any]) -> View:
    """Format a record, whose keys `embzip.report.record` lists and checks."""
    check_record(record)
    candidates = record["candidates"]
    baseline = next(c for c in candidates if c["name"] == record["baseline"])
    lines = tuple(_line(candidate, baseline) for candidate in candidates)
    controls = tuple(_line(control, baseline) for control in record.get("controls") or ())
    rule, chosen = record.get("choice"), [line.name for line in lines if line.chosen]
    one = _chosen(lines)
    after = None if one is None else candidates[lines.index(one)]
    own = (f"{line.name}: {note}" for line in lines + controls for note in line.notes)
    return View(
        baseline=plain(record["baseline"]),
        lines=lines,
        controls=controls,
        notes=(*_notes(record), *own),
        choice=f"Chosen: {', '.join(chosen)}, {plain(rule)}." if rule and chosen else "",
        labels=label_details(baseline, after),
        coverage=coverage_details(baseline, after),
        corpus=_facts(record.get("corpus")),
        environment=(*_facts(record.get("environment")), ("seed", _text(record.get("seed")))),
    )


def _chosen(lines: Sequence[Line]) -> Line | None:
    others = [line for line in lines if not line.is_baseline]
    marked = [line for line in lines if line.chosen]
    if len(marked) == 1:
        return marked[0]
    return others[0] if len(others) == 1 else None


def _line(candidate: Mapping[str, Any], baseline: Mapping[str, Any]) -> Line:
    is_baseline = candidate is baseline
    sizes = candidate.get("bytes") or {}
    total = sizes.get("total")
    interval = _interval(candidate.get("difference_ci95"))
    verdict, tone = ("baseline", "baseline") if is_baseline else _verdict(candidate, interval)
    latency = candidate.get("latency_ms") or {}
    codec, resolved = candidate.get("codec"), candidate.get("resolved_codec")
    cells = {
        "tokenizer": _text(candidate.get("tokenizer")),
        "codec": _text(codec),
        "distill": _text(candidate.get("distill")),
        "resolved": DASH if resolved == codec else _text(resolved),
        "rows": whole(candidate.get("rows")),
        "dim": whole(candidate.get("dim")),
        "size": megabytes(total),
        "ratio": times_less(candidate.get("compression_ratio"), "larger"),
        "accuracy": fraction(candidate.get("accuracy")),
        "difference": signed(candidate.get("difference")),
        "interval": DASH if interval is None else f"{signed(interval[0])} to {signed(interval[1])}",
        "p": p_value(candidate.get("mcnemar_p")),
        "macro_f1": fraction(candidate.get("macro_f1")),
        "log_loss": divergence(candidate.get("log_loss")),
        "calibration": fraction(candidate.get("calibration_error")),
        "dev": fraction(candidate.get("dev_accuracy")),
        "unknown": fraction(candidate.get("unknown_rate")),
        "agreement": fraction(candidate.get("agreement")),
        "kl": divergence(candidate.get("kl")),
        "snr": measured(candidate.get("snr_db"), "dB"),
        "cosine": fraction(candidate.get("mean_cosine")),
        "read_snr": measured(candidate.get("read_snr_db"), "dB"),
        "read_cosine": fraction(candidate.get("read_cosine")),
        "epoch": measured(candidate.get("epoch_seconds"), "s"),
        "epoch_ratio": times_less(_epoch_ratio(candidate, baseline), "longer"),
        "load": measured(candidate.get("load_seconds"), "s"),
        "memory": measured(candidate.get("rss_mb"), "MB"),
        "p50": measured(latency.get("p50"), "ms"),
        "p99": measured(latency.get("p99"), "ms"),
    }
    cells["verdict"] = verdict
    cells |= {part: megabytes(sizes.get(part)) for part in PARTS}
    return Line(
        name=plain(candidate["name"]),
        cells=cells,
        verdict=verdict,
        tone=tone,
        sentence="" if is_baseline else _sentence(candidate, baseline, interval, verdict),
        notes=_notes(candidate),
        is_baseline=is_baseline,
        chosen=bool(candidate.get("chosen")),
        megabytes=None if total is None else total / 1e6,
        accuracy=candidate.get("accuracy"),
        interval=_around_baseline(baseline.get("accuracy"), interval),
        parts={part: sizes[part] for part in PARTS if sizes.get(part) is not None},
    )


def _verdict(candidate: Mapping[str, Any], interval: tuple[float, float] | None) -> tuple[str, str]:
    """Say what the interval says: a loss as plainly as a gain, and no more than it shows."""
    if candidate.get("difference") is None or interval is None:
        return DASH, "unknown"
    low, high = interval
    if high < 0:
        return "worse", "worse"
    if low > 0:
        return "better", "better"
    return "no difference shown", "even"


def _sentence(
    candidate: Mapping[str, Any],
    baseline: Mapping[str, Any],
    interval: tuple[float, float] | None,
    verdict: str,
) -> str:
    clauses = []
    before = (baseline.get("bytes") or {}).get("total")
    after = (candidate.get("bytes") or {}).get("total")
    if before and after:
        how = size_change(before, after)
        clauses.append(f"is {how}: {megabytes(before)} -> {megabytes(after)}")
    accuracies = baseline.get("accuracy"), candidate.get("accuracy")
    if None not in accuracies:
        clause = f"accuracy {fraction(accuracies[0])} -> {fraction(accuracies[1])}"
        if candidate.get("difference") is not None and interval is not None:
            clause += (
                f" ({signed(candidate['difference'])}, 95 % interval {signed(interval[0])} to "
                f"{signed(interval[1])}: {verdict})"
            )
        clauses.append(clause)
        alike = fraction(candidate.get("agreement"))
        if alike != DASH:
            clauses.append(f"agreement {alike}, KL {divergence(candidate.get('kl'))} nats")
    elif candidate.get("snr_db") is not None:
        clauses.append(f"table SNR {measured(candidate['snr_db'], 'dB')}")
    elif candidate.get("read_snr_db") is not None:
        clauses.append(f"SNR as read {measured(candidate['read_snr_db'], 'dB')}")
    return "; ".join(clauses) or "has no figures to compare"


def _epoch_ratio(candidate: Mapping[str, Any], baseline: Mapping[str, Any]) -> float | None:
    own, base = candidate.get("epoch_seconds"), baseline.get("epoch_seconds")
    return base / own if own and base else None


def _interval(value: Any) -> tuple[float, float] | None:
    return None if value is None else (float(value[0]), float(value[1]))


def _around_baseline(
    accuracy: float | None, interval: tuple[float, float] | None
) -> tuple[float, float] | None:
    if accuracy is None or interval is None:
        return None
    return accuracy + interval[0], accuracy + interval[1]


def _notes(holder: Mapping[str, Any]) -> tuple[str, ...]:
    notes = holder.get("notes") or ()
    return (plain(notes),) if isinstance(notes, str) else tuple(plain(note) for note in notes)


def _facts(value: Any) -> tuple[tuple[str, str], ...]:
    """Flatten a dictionary of facts, or one fact, into pairs."""
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        return (("name", plain(value)),)
    return tuple((plain(key).replace("_", " "), _text(fact)) for key, fact in value.items())


def _text(value: Any) -> str:
    if value is None:
        return DASH
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(key)} {_text(fact)}" for key, fact in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(fact) for fact in value)
    return plain(value)
