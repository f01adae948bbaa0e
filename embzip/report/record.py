"""What a record is: the keys of report.json, and a check of them. Nothing is formatted here.

    baseline        the name of the candidate that the others are compared with
    candidates      a list, baseline first; of each
        name, tokenizer, codec, rows, dim
        bytes               vocabulary, embedding, classifier, header, total: whole artefact
        compression_ratio   the baseline's total / this total
        accuracy, macro_f1, unknown_rate        fractions, on test
        log_loss, calibration_error             of its probabilities there: nats, a fraction
        difference, difference_ci95, mcnemar_p  against the baseline; null for the baseline
        epoch_seconds       a training epoch
        load_seconds, rss_mb, latency_ms        p50 and p99 of one text, in a fresh process
      and where they are known
        dev_accuracy, seconds
        classes             of each label: label, precision, recall, f1, support
        confusions          the pairs of labels confused most: expected, predicted, rows
        coverage            threshold, answered, accuracy: answers from that probability on
        agreement, kl               with the baseline: share of equal labels, nats
        snr_db, mean_cosine         of the table against the baseline's, in the same basis
        read_snr_db, read_cosine    of what the layers compute from each row of the table
        chosen              true for the one candidate that was chosen on dev
        resolved_codec      the chain that the codec became on this table
        distill             the spec of a student, which learned a larger classifier's answers
        tune, pack, notes
    choice          the rule by which one of them was chosen, in words
    controls        a list with the same keys: measured for comparison, never chosen
    corpus, environment     facts by name
    seed, notes

Any value but a name may be null or missing: it was not measured. Other keys are kept and ignored.
"""

import math
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from embzip.embz.inspecting import inspect_embz
from embzip.errors import InputError
from embzip.evaluation.serving import SERVING_THREADS
from embzip.files.records import shown
from embzip.report.figures import listed

Record = dict[str, Any]

_LARGE = 1e15
_FRACTION, _CHANGE, _AMOUNT, _ANY = (0, 1), (-1, 1), (0, _LARGE), (-_LARGE, _LARGE)
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "rows": _AMOUNT,
    "dim": _AMOUNT,
    "compression_ratio": _AMOUNT,
    "accuracy": _FRACTION,
    "macro_f1": _FRACTION,
    "log_loss": _AMOUNT,
    "calibration_error": _FRACTION,
    "unknown_rate": _FRACTION,
    "difference": _CHANGE,
    "mcnemar_p": _FRACTION,
    "epoch_seconds": _AMOUNT,
    "epoch_ratio": _AMOUNT,
    "load_seconds": _AMOUNT,
    "rss_mb": _AMOUNT,
    "dev_accuracy": _FRACTION,
    "agreement": _FRACTION,
    "kl": _ANY,
    "snr_db": _ANY,
    "mean_cosine": (-1.01, 1.01),  # sums of float32 may round
    "read_snr_db": _ANY,
    "read_cosine": (-1.01, 1.01),
    "seconds": _AMOUNT,
}
_DETAILS: Mapping[tuple[str, str], Mapping[str, tuple[float, float]]] = {
    ("classes", "label"): {
        "precision": _FRACTION,
        "recall": _FRACTION,
        "f1": _FRACTION,
        "support": _AMOUNT,
    },
    ("coverage", "threshold"): {
        "threshold": _FRACTION,
        "answered": _FRACTION,
        "accuracy": _FRACTION,
    },
}
_TEXTS = ("tokenizer", "codec", "resolved_codec", "distill")


def check_record(record: Any, where: str = "record") -> Record:
    """Return `record`, or raise `InputError` naming the candidate and the key that is wrong."""
    if not isinstance(record, dict) or not isinstance(record.get("candidates"), list):
        raise InputError(f"{where}: expected a report with a list of candidates")
    names = [_check(candidate, f"{where}, candidate") for candidate in record["candidates"]]
    if len(set(names)) != len(names):
        raise InputError(f"{where}: names of candidates must be distinct, received {shown(names)}")
    if record.get("baseline") not in names:
        raise InputError(
            f"{where}: baseline must be the name of a candidate, one of {shown(names)}, "
            f"received {shown(record.get('baseline'))}"
        )
    _check_kind(record, "choice", str, where)
    _check_kind(record, "seed", int, where)
    _check_notes(record, where)
    for key in ("corpus", "environment"):
        if not isinstance(record.get(key), str):
            _check_kind(record, key, dict, where)
    _check_kind(record, "controls", list, where)
    for control in record.get("controls") or ():
        _check(control, f"{where}, control")
    return record


def json_ready(value: Any) -> Any:
    """Return a record with plain numbers and lists; what is not finite becomes null.

    >>> json_ready({"snr_db": float("inf"), "difference_ci95": (-1.0, 1.0)})
    {'snr_db': None, 'difference_ci95': [-1.0, 1.0]}
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def tested(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a candidate's record holds of an evaluation, given as JSON.

    The number of test rows is left out, as `rows` of a candidate are those of its table; labels
    that training never saw become a note.
    """
    kept = {key: value for key, value in evaluation.items() if "unseen" not in key}
    rows = kept.pop("rows")
    if evaluation["unseen_rows"]:
        kept["notes"] = [
            f"{evaluation['unseen_rows']:,} of {rows:,} test rows carry labels unseen in training, "
            f"counted as errors: {listed(evaluation['unseen_labels'])}"
        ]
    return kept


def facts_of(path: str | Path) -> dict[str, Any]:
    """Return what a report says of a .embz file: codec, rows, dim, tokenizer, heads, bytes."""
    found = inspect_embz(path)
    held = found.bytes
    parts = {"classifier": held["other_variables"]}
    parts |= {part: held[part] for part in ("vocabulary", "embedding", "header", "total")}
    return {**found.own, "bytes": parts}


def environment() -> dict[str, Any]:
    """Return what the numbers of a report depend on beside the data."""
    return {
        "embzip": embzip_version(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "serving_threads": SERVING_THREADS,
    }


def embzip_version() -> str:
    """Return the version of the installed embzip, or `unknown` where only its source is there."""
    try:
        return version("embzip")
    except PackageNotFoundError:
        return "unknown"


def _check(candidate: Any, where: str) -> str:
    if not isinstance(candidate, dict) or not isinstance(candidate.get("name"), str):
        raise InputError(f"{where}: expected an object with a name, received {shown(candidate)}")
    name: str = candidate["name"]
    where = f"{where} {shown(name)}"
    for key, limits in _NUMBERS.items():
        _check_number(candidate.get(key), where, key, limits)
    for key in _TEXTS:
        _check_kind(candidate, key, str, where)
    _check_notes(candidate, where)
    for key in ("bytes", "latency_ms"):
        parts = candidate.get(key)
        if parts is not None and not isinstance(parts, dict):
            raise InputError(f"{where}: {key} must be an object or null, received {shown(parts)}")
        for part, value in (parts or {}).items():
            _check_number(value, where, f"{key}.{part}", _AMOUNT)
    for (part, of), fields in _DETAILS.items():
        _check_details(candidate.get(part), f"{where}: {part}", of, fields)
    interval = candidate.get("difference_ci95")
    if interval is not None:
        if not isinstance(interval, list | tuple) or len(interval) != 2:
            raise InputError(
                f"{where}: difference_ci95 must be [low, high] or null, received {shown(interval)}"
            )
        for value in interval:
            _check_number(value, where, "difference_ci95", _CHANGE, null=False)
    return name


def _check_details(details: Any, where: str, key: str, fields: Mapping[str, Any]) -> None:
    """Check a list of objects, each with its own `key`."""
    if details is None:
        return
    if not isinstance(details, list | tuple) or not all(isinstance(d, dict) for d in details):
        raise InputError(f"{where} must be a list of objects or null, received {shown(details)}")
    keys = [each.get(key) for each in details]
    kinds = {type(name) for name in keys}
    if kinds - ({str} if key == "label" else {int, float}) or len(set(keys)) < len(keys):
        raise InputError(f"{where} must each have a {key} of its own, received {shown(keys)}")
    for each in details:
        for name, limits in fields.items():
            _check_number(each.get(name), where, name, limits)


def _check_number(
    value: Any, where: str, key: str, limits: tuple[float, float], *, null: bool = True
) -> None:
    if value is None and null:
        return
    low, high = limits
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # NaN is not
        raise InputError(
            f"{where}: {key} must be a finite number in {low:g}..{high:g}, or null, received "
            f"{shown(value)}"
        )


def _check_kind(holder: Mapping[str, Any], key: str, kind: type, where: str) -> None:
    value = holder.get(key)
    if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
        return
    names = {str: "text", int: "a whole number", list: "a list", dict: "an object"}
    raise InputError(f"{where}: {key} must be {names[kind]} or null, received {shown(value)}")


def _check_notes(holder: Mapping[str, Any], where: str) -> None:
    notes = holder.get("notes")
    listed = [notes] if notes is None or isinstance(notes, str) else notes
    if not isinstance(listed, list | tuple) or not all(
        note is None or isinstance(note, str) for note in listed
    ):
        raise InputError(f"{where}: notes must be texts or null, received {shown(notes)}")
