"""The three files of a report: read, rendered, written."""

import json
from collections.abc import Callable
from pathlib import Path

from embzip.errors import InputError, OutputError
from embzip.files.places import REPORT
from embzip.files.records import parse_json
from embzip.files.writing import write_bytes
from embzip.report.html import to_html
from embzip.report.markdown import to_markdown
from embzip.report.record import Record, check_record, json_ready

REPORT_FILES = ("report.json", "report.md", "report.html")


def read_record(path: str | Path) -> Record:
    """Read a report.json, or the one in a folder.

    Raises
    ------
    MissingFileError
        Where there is none.
    InputError
        For a file that is not a report.
    """
    path = Path(path)
    path = path / REPORT_FILES[0] if path.is_dir() else path
    REPORT.kind_of(path)
    record = parse_json(path.read_bytes(), f"{path}: a report", error=InputError)
    return check_record(record, str(path))


def write_report(record: Record, directory: str | Path) -> list[Path]:
    """Write report.json, report.md and report.html into a folder, which is made if needed.

    All three are made before the first is written, and each replaces an older one at once.

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
        raise OutputError(
            f"{directory}: cannot make this folder: {error.strerror}: name another one"
        ) from error
    paths = [directory / name for name in REPORT_FILES]
    for path, content in zip(paths, contents, strict=True):
        # A lone surrogate, from a file name that is not UTF-8, becomes the escape that JSON reads.
        write_bytes(path, content.encode("utf-8", "backslashreplace"))
    return paths


def renderer(path: str | Path) -> Callable[[Record], str]:
    """Return the function that makes a report's file, chosen by the end of the file's name.

    Raises
    ------
    OutputError
        For a name that ends in none of .json, .md and .html.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in RENDERERS:
        raise OutputError(
            f"{path}: a report's file ends in {', '.join(RENDERERS)}, found {suffix or 'no suffix'}"
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
