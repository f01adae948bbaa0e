"""Makes a record of two existing files, and reads and writes the three files of a report."""

import json
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from embzip.classifier import Classifier, load_classifier
from embzip.corpus import Example, read_examples
from embzip.embz.format import load
from embzip.embz.inspecting import inspect_embz
from embzip.errors import InputError, OutputError
from embzip.evaluation.accuracy import evaluate
from embzip.evaluation.nearness import OTHER_BASIS, nearness
from embzip.evaluation.serving import SERVING_THREADS, measure_serving
from embzip.files import existing_file, write_bytes
from embzip.report.html import to_html
from embzip.report.markdown import to_markdown
from embzip.report.record import Record, check_record, json_ready

REPORT_FILES = ("report.json", "report.md", "report.html")
_SHORT_TEXT = "a short text of some ten words to measure latency with"
_MEASURED_TEXTS = 100


def compare(
    before: Classifier | str | Path,
    after: Classifier | str | Path,
    *,
    test: Sequence[Example] | str | Path | None = None,
    texts: Sequence[str] | None = None,
    measure: bool = True,
    seed: int = 0,
) -> Record:
    """Compare two .embz files: sizes, quality on a test set, what serving them costs.

    Parameters
    ----------
    before, after
        The baseline and the file compared with it; embeddings or classifiers. What only a
        classifier has, accuracy and latency among it, is null for an embedding. A `Classifier`
        in memory is measured as the file it would be saved as.
    test
        Examples, or the path of a labelled file.
    texts
        What latency is measured on; the first texts of the test, or one fixed short text.
    measure
        Whether load time, memory and latency are taken, which needs a few seconds a file.
    seed
        Of the bootstrap.

    Returns
    -------
    The record of a report: `to_markdown`, `to_html` and `write_report` take it.

    Raises
    ------
    MissingFileError, FileFormatError
        For a file that is not there, or is damaged.
    InputError
        For a test set without rows.
    """
    if isinstance(before, Classifier) or isinstance(after, Classifier):
        with tempfile.TemporaryDirectory(prefix="embzip-") as folder:
            return compare(
                _saved(before, Path(folder, "before.embz")),
                _saved(after, Path(folder, "after.embz")),
                test=test,
                texts=texts,
                measure=measure,
                seed=seed,
            )
    paths = Path(before), Path(after)
    inspected = [facts_of(path) for path in paths]
    examples = read_examples(test) if isinstance(test, str | Path) else test
    if texts is None:
        texts = [example.text for example in (examples or ())[:_MEASURED_TEXTS]] or [_SHORT_TEXT]
    candidates = [
        _candidate(name, facts, inspected[0])
        for name, facts in zip(_names(*paths), inspected, strict=True)
    ]
    classifiers = [
        load_classifier(path) if facts["heads"] else None
        for path, facts in zip(paths, inspected, strict=True)
    ]
    notes = _comparison_notes(classifiers)
    if examples is not None:
        _evaluate(candidates, classifiers, examples, seed)
    near = nearness(
        *(load(path) if c is None else c for path, c in zip(paths, classifiers, strict=True))
    )
    kept = asdict(near)
    if not kept.pop("comparable"):
        notes.append(OTHER_BASIS)
    candidates[1] |= {key: value for key, value in kept.items() if value is not None}
    if measure:
        for candidate, path, classifier in zip(candidates, paths, classifiers, strict=True):
            if classifier is not None:
                candidate |= measure_serving(path, texts).to_json()
    named = {"test": str(test)} if isinstance(test, str | Path) else {}
    record = {
        "baseline": candidates[0]["name"],
        "candidates": candidates,
        "corpus": None if examples is None else {**named, "test_rows": len(examples)},
        "environment": environment(),
        "seed": seed,
        "notes": notes,
    }
    return check_record(json_ready(record))


def facts_of(path: str | Path) -> dict[str, Any]:
    """Return what a report says of a .embz file: codec, rows, dim, tokenizer, heads, bytes."""
    found = inspect_embz(path)
    held = found.bytes
    parts = {"classifier": held["other_variables"]}
    parts |= {part: held[part] for part in ("vocabulary", "embedding", "header", "total")}
    return {**found.own, "bytes": parts}


def environment() -> dict[str, Any]:
    """Return what the numbers of a report depend on beside the data."""
    try:
        own = version("embzip")
    except PackageNotFoundError:  # imported from a folder that was never installed
        own = "unknown"
    return {
        "embzip": own,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "serving_threads": SERVING_THREADS,
    }


def read_record(path: str | Path) -> Record:
    """Read a report.json, or the one in a folder.

    Raises
    ------
    MissingFileError
        Where there is none.
    InputError
        For a file that is no report.
    """
    path = Path(path)
    path = existing_file(path / REPORT_FILES[0] if path.is_dir() else path)
    try:
        record = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: expected a report in JSON: {error}") from error
    return check_record(record, str(path))


def write_report(record: Record, directory: str | Path) -> list[Path]:
    """Write report.json, report.md and report.html into a folder, which is made if needed.

    All three are made before the first is written, and each replaces its older self at once.

    Returns
    -------
    The paths, in that order.

    Raises
    ------
    MissingPackageError
        Without jinja2 or matplotlib, which the page needs.
    OutputError
        Where the folder cannot be written.
    """
    record = check_record(json_ready(record))
    contents = [render(record) for render in RENDERERS.values()]
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{directory}: cannot make this folder: {error.strerror}") from error
    paths = [directory / name for name in REPORT_FILES]
    for path, content in zip(paths, contents, strict=True):
        # A lone surrogate, from a file name that is no UTF-8, becomes the escape that JSON reads.
        write_bytes(path, content.encode("utf-8", "backslashreplace"))
    return paths


def renderer(path: str | Path) -> Callable[[Record], str]:
    """Return what makes the text of a report's file, by the end of its name.

    Raises
    ------
    OutputError
        For a name that ends in none of .json, .md and .html.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in RENDERERS:
        raise OutputError(
            f"{path}: a report's file ends in {', '.join(RENDERERS)}, received {suffix or 'none'!r}"
        )
    return RENDERERS[suffix]


def to_json(record: Record) -> str:
    """Return a record as the text of report.json."""
    ready = check_record(json_ready(record))
    return json.dumps(ready, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


RENDERERS: dict[str, Callable[[Record], str]] = {
    ".json": to_json,
    ".md": to_markdown,
    ".html": to_html,
}


def _saved(model: Classifier | str | Path, path: Path) -> str | Path:
    if not isinstance(model, Classifier):
        return model
    model.save(path)
    return path


def _names(before: Path, after: Path) -> tuple[str, str]:
    """Return the shortest names that tell two files apart."""
    if before.name != after.name:
        return before.name, after.name
    if before != after:
        return str(before), str(after)
    return f"{before.name} (before)", f"{after.name} (after)"


def _candidate(name: str, facts: dict[str, Any], baseline: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "tokenizer": facts["tokenizer"],
        "codec": facts["codec"],
        "rows": facts["rows"],
        "dim": facts["dim"],
        "bytes": facts["bytes"],
        "compression_ratio": baseline["bytes"]["total"] / facts["bytes"]["total"],
        **dict.fromkeys(
            ("accuracy", "macro_f1", "unknown_rate", "difference", "difference_ci95", "mcnemar_p")
        ),
        **dict.fromkeys(("epoch_seconds", "load_seconds", "rss_mb")),
        "latency_ms": {"p50": None, "p99": None},
    }


def _evaluate(
    candidates: list[dict[str, Any]],
    classifiers: Sequence[Classifier | None],
    examples: Sequence[Example],
    seed: int,
) -> None:
    baseline = classifiers[0]
    for candidate, classifier in zip(candidates, classifiers, strict=True):
        if classifier is None:
            continue
        against = None if classifier is baseline else baseline
        evaluation = evaluate(classifier, examples, against=against, seed=seed)
        found = evaluation.to_json()
        if evaluation.unseen_rows:
            candidate["notes"] = [
                f"{evaluation.unseen_rows:,} of {evaluation.rows:,} test rows carry labels unseen "
                f"in training, counted as errors: {', '.join(evaluation.unseen_labels)}"
            ]
        for key in ("rows", "unseen_labels", "unseen_rows", "against_unseen_labels"):
            del found[key]  # `rows` of a candidate are those of its table
        candidate |= found


def _comparison_notes(classifiers: Sequence[Classifier | None]) -> list[str]:
    kinds = ["an embedding" if c is None else "an embedding and a classifier" for c in classifiers]
    if kinds[0] == kinds[1]:
        return []
    return [
        f"Before holds {kinds[0]}, after {kinds[1]}: "
        "the compression ratio compares whole files, so unlike things."
    ]
