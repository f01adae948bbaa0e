"""Makes the record of two existing files, before and after."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from embzip.artefacts import inspect, is_foreign, open_classifier
from embzip.classifier import Classifier, load_classifier
from embzip.corpus import Example, read_examples
from embzip.embz.format import load
from embzip.evaluation.accuracy import evaluate
from embzip.evaluation.nearness import OTHER_BASIS, nearness
from embzip.evaluation.serving import measure_serving
from embzip.files.writing import temporary_folder
from embzip.prediction import TextClassifier
from embzip.report.record import Record, check_record, environment, facts_of, json_ready, tested
from embzip.tokenizers.base import Tokenizer

_SHORT_TEXT = "a short text of some ten words to measure latency with"
_MEASURED_TEXTS = 100
_UNMEASURED = (
    "Load time, memory and latency are measured of .embz files, and not of models of Keras and "
    "TensorFlow."
)


def compare(
    before: Classifier | str | Path,
    after: Classifier | str | Path,
    *,
    test: Sequence[Example] | str | Path | None = None,
    texts: Sequence[str] | None = None,
    labels: Sequence[str] | str | Path | None = None,
    tokenizer: Tokenizer | str | Path | None = None,
    max_length: int | None = None,
    measure: bool = True,
    seed: int = 0,
) -> Record:
    """Compare two files: sizes, quality on a test set, and of .embz files what serving them costs.

    Parameters
    ----------
    before, after
        The baseline and the file compared with it; embeddings or classifiers. Accuracy, latency
        and whatever else only a classifier has is null for an embedding. A `Classifier` in memory
        is saved to a temporary file first. Models of Keras and TensorFlow too.
    test
        Examples, or the path of a labelled file.
    texts
        What latency is measured on; the first texts of the test, or one fixed short text.
    labels, tokenizer, max_length
        Of a model of Keras or TensorFlow, for a test: as in `embzip.foreign.load_text_model`.
    measure
        Whether to take load time, memory and latency, for which a file needs a few seconds.
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
        with temporary_folder() as folder:
            return compare(
                _saved(before, folder / "before.embz"),
                _saved(after, folder / "after.embz"),
                test=test,
                texts=texts,
                labels=labels,
                tokenizer=tokenizer,
                max_length=max_length,
                measure=measure,
                seed=seed,
            )
    paths = Path(before), Path(after)
    foreign = [is_foreign(path) for path in paths]
    inspected = [
        _foreign_facts(path) if other else facts_of(path)
        for path, other in zip(paths, foreign, strict=True)
    ]
    examples = read_examples(test) if isinstance(test, str | Path) else test
    if texts is None:
        texts = [example.text for example in (examples or ())[:_MEASURED_TEXTS]] or [_SHORT_TEXT]
    candidates = [
        _candidate(name, facts, inspected[0])
        for name, facts in zip(_names(*paths), inspected, strict=True)
    ]
    ours = [
        load_classifier(path) if facts["heads"] and not other else None
        for path, facts, other in zip(paths, inspected, foreign, strict=True)
    ]
    notes = _comparison_notes(inspected)
    if not any(foreign):
        near = nearness(
            *(load(path) if c is None else c for path, c in zip(paths, ours, strict=True))
        )
        kept = asdict(near)
        if not kept.pop("comparable"):
            notes.append(OTHER_BASIS)
        candidates[1] |= {key: value for key, value in kept.items() if value is not None}
    elif measure:
        notes.append(_UNMEASURED)
    if examples is not None:
        asked = [
            open_classifier(path, labels=labels, tokenizer=tokenizer, max_length=max_length)
            if other
            else own
            for path, own, other in zip(paths, ours, foreign, strict=True)
        ]
        _evaluate(candidates, asked, examples, seed)
    if measure:
        for candidate, path, classifier in zip(candidates, paths, ours, strict=True):
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


def _foreign_facts(path: Path) -> dict[str, Any]:
    """Return what `facts_of` does, of a model of Keras or TensorFlow."""
    held = inspect(path).bytes
    parts = {part: held[part] for part in ("vocabulary", "embedding", "header")}
    parts |= {"classifier": held["total"] - sum(parts.values()), "total": held["total"]}
    return {**dict.fromkeys(("tokenizer", "codec", "rows", "dim")), "heads": 1, "bytes": parts}


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
            ("accuracy", "macro_f1", "log_loss", "calibration_error", "unknown_rate", "difference")
        ),
        **dict.fromkeys(("difference_ci95", "mcnemar_p")),
        **dict.fromkeys(("epoch_seconds", "load_seconds", "rss_mb")),
        "latency_ms": {"p50": None, "p99": None},
    }


def _evaluate(
    candidates: list[dict[str, Any]],
    classifiers: Sequence[TextClassifier | None],
    examples: Sequence[Example],
    seed: int,
) -> None:
    baseline = classifiers[0]
    for candidate, classifier in zip(candidates, classifiers, strict=True):
        if classifier is None:
            continue
        against = None if classifier is baseline else baseline
        evaluation = evaluate(classifier, examples, against=against, seed=seed)
        candidate |= tested(evaluation.to_json())


def _comparison_notes(inspected: Sequence[dict[str, Any]]) -> list[str]:
    kinds = [
        "an embedding and a classifier" if facts["heads"] else "an embedding" for facts in inspected
    ]
    if kinds[0] == kinds[1]:
        return []
    return [
        f"The file before holds {kinds[0]}, the one after {kinds[1]}: "
        "the compression ratio is that of whole files, and so compares unlike things."
    ]
