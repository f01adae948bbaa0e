"""Labelled texts of any file: which kind it is, and its rows as (number, label, text).

    label<TAB>text                  without quotes and header; the rest of a line is text
    __label__name text              fastText's
    CSV, TSV                        with a header, or columns by number
    {"label": ..., "text": ...}     JSON lines
    Parquet

A file is told by its first line. Columns that are not named are called `label` and `text`.
"""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from embzip.errors import EmbzipError, InputError
from embzip.files.lines import Errors, lines_of
from embzip.files.names import is_url
from embzip.files.records import parse_json
from embzip.files.remote import head_of
from embzip.labelled.columns import DEFAULT, Columns, label_of, text_of
from embzip.labelled.delimited import delimited_rows, fields_of, separator_of
from embzip.labelled.parquet import MAGIC, parquet_rows

FASTTEXT = "__label__"
Row = tuple[int, str, str]
_Lines = Iterator[tuple[int, str]]
_SAY_COLUMNS = (
    "; if this is CSV, name its columns by --label-column and --text-column "
    "(columns=Columns(label=, text=))"
)


def labelled_rows(
    path: str | Path, errors: Errors, columns: Columns | None = None
) -> Iterator[Row | None]:
    """Yield (number from 1, label, text) of each row, None of an empty one.

    Raises
    ------
    InputError
        For a row without a label or a text, or with several labels; for columns that are not there.
        The message names the line.
    """
    for number, label, text in _cells(path, errors, columns):
        if number == 0:
            yield None
            continue
        where = f"{path}, line {number}"
        try:
            found, said = label_of(label), text_of(text)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        if isinstance(found, list):
            raise InputError(
                f"{where}: expected one label, found {len(found)}: keep one of them in each row"
            )
        if not found:
            raise InputError(f"{where}: expected label<TAB>text, found an empty label")
        yield number, found, said


def _cells(
    path: str | Path, errors: Errors, columns: Columns | None
) -> Iterator[tuple[int, object, object]]:
    """Yield what stands for number, label and text; 0 is the number of an empty row."""
    if _is_parquet(path):
        yield from parquet_rows(path, columns or DEFAULT)
        return
    lines = lines_of(path, errors)
    begin = []
    for each in lines:
        begin.append(each)
        if each[1].strip():
            break
    first = begin[-1][1] if begin else ""
    whole = chain(begin, lines)
    separator = separator_of(first)
    if first.startswith("{") and _is_object(first):
        yield from _json_rows(whole, columns or DEFAULT, path)
    elif columns is None and first.startswith(FASTTEXT):
        yield from _fasttext_rows(whole, path)
    elif columns is not None or _has_header(first, separator):
        yield from _table_rows(whole, separator or ",", columns or DEFAULT, path)
    else:
        yield from _plain_rows(whole, path)


def _plain_rows(lines: _Lines, path: str | Path) -> Iterator[tuple[int, str, str]]:
    for number, line in lines:
        if not line.strip():
            yield 0, "", ""
            continue
        label, tab, text = line.partition("\t")
        if not tab:
            csv = _SAY_COLUMNS if separator_of(line) else ""
            raise InputError(
                f"{path}, line {number}: expected label<TAB>text, found no tab in {line[:40]!r}"
                f"{csv}"
            )
        yield number, label, text


def _fasttext_rows(lines: _Lines, path: str | Path) -> Iterator[tuple[int, str, str]]:
    rows = several = 0
    where, found = "", ""
    for number, line in lines:
        words = line.split()
        labels = [word for word in words if word.startswith(FASTTEXT)]
        rows += bool(words)
        if len(labels) == 1 and not several:
            label = labels[0]
            text = line.partition(label)
            yield number, label.removeprefix(FASTTEXT), (text[0] + text[2].lstrip()).strip()
        elif len(labels) > 1:
            several += 1
            where = where or f"{path}, line {number}"
            found = found or ", ".join(labels[:3])
        elif not words:
            yield 0, "", ""
        elif not labels:
            raise InputError(
                f"{path}, line {number}: expected {FASTTEXT}NAME before the text, found "
                f"{line[:40]!r}"
            )
    if several:
        raise InputError(
            f"{where}: expected one label a text, found several, such as {found}; {several:,} of "
            f"{rows:,} texts have more than one: keep one of them in each line"
        )


def _table_rows(
    lines: _Lines, separator: str, columns: Columns, path: str | Path
) -> Iterator[tuple[int, str, str]]:
    places: tuple[int, int] | None = None
    for number, fields in delimited_rows(lines, separator, str(path)):
        if not fields:
            if places is not None:
                yield 0, "", ""
            continue
        if places is None:
            names = [field.strip() for field in fields]
            places = columns.places_in(names, f"{path}, line {number}")
            if columns.named:
                continue
        label, text = places
        if max(places) >= len(fields):
            raise InputError(
                f"{path}, line {number}: expected at least {max(places) + 1} columns, found "
                f"{len(fields)}"
            )
        yield number, fields[label], fields[text]


def _json_rows(
    lines: _Lines, columns: Columns, path: str | Path
) -> Iterator[tuple[int, object, object]]:
    for number, line in lines:
        if not line.strip():
            yield 0, "", ""
            continue
        where = f"{path}, line {number}"
        record = parse_json(line, where, error=InputError)
        if not isinstance(record, dict):
            raise InputError(f"{where}: expected an object of JSON, found {line[:40]!r}")
        names = list(record)
        label, text = (names[place] for place in columns.places_in(names, where))
        yield number, record[label], record[text]


def _is_parquet(path: str | Path) -> bool:
    if str(path) == "-" or not (is_url(path) or os.path.isfile(path)):
        return False
    return head_of(path, len(MAGIC)) == MAGIC


def _is_object(line: str) -> bool:
    try:
        return isinstance(parse_json(line, "line"), dict)
    except EmbzipError:
        return False


def _has_header(line: str, separator: str | None) -> bool:
    """Say whether a line that has no tab names the columns `label` and `text`."""
    if separator is None or separator == "\t":
        return False
    return {DEFAULT.label, DEFAULT.text} <= {name.strip() for name in fields_of(line, separator)}
