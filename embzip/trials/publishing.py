"""The files of a search that a user looks at: always the best so far, each replaced at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embzip.classifier.loading import read
from embzip.errors import OutputError, UnsupportedModelError
from embzip.files.writing import atomic_write, write_bytes
from embzip.pipeline.steps import write_json
from embzip.portable.exporting import export_source, facts_of
from embzip.report.record import json_ready
from embzip.report.searching import search_page

MODEL, EXPORTED, FRONT, PAGE = "best.embz", "best.tflite", "front.json", "report.html"
TRY = "try.html"


def publish(directory: Path, record: Mapping[str, Any], model: Path, exported: Path) -> None:
    """Write the best model so far, its exports, the record, and its page."""
    ready = json_ready(record)
    page = search_page(ready)
    copy(model, directory / MODEL)
    _write_try(model, directory / TRY, ready["sentence"])
    copy(exported, directory / EXPORTED)
    write_json(directory / FRONT, ready)
    write_bytes(directory / PAGE, page.encode("utf-8", "backslashreplace"))


def _write_try(model: Path, target: Path, sentence: str) -> None:
    """Write the page that answers what one types, where a page can compute the model."""
    facts = {**facts_of(model), "found": sentence}
    try:
        export_source(read(model), target, to="html", title="The best so far", facts=facts)
    except UnsupportedModelError:
        target.unlink(missing_ok=True)  # that of a model before


def copy(source: Path, target: Path) -> None:
    """Copy a file to one that is a user's to keep, unless that holds the same."""
    try:
        content = source.read_bytes()
        if target.is_file() and target.read_bytes() == content:
            return
    except OSError as error:
        raise OutputError(f"{source}: cannot be read: {error.strerror}") from error
    with atomic_write(target) as file:
        file.write(content)
