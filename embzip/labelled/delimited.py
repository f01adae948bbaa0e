"""Rows of CSV and TSV: which character stands between fields, and what quotes mean.

CSV is read by Python's own reader; a quoted field may hold line ends. Between tabs, quotes belong
to the text unless the whole field stands in them.
"""

import csv
from collections.abc import Iterable, Iterator

from embzip.errors import InputError

_SEPARATORS = "\t,;|"


def separator_of(line: str) -> str | None:
    """Return what separates the fields of a line: a tab, or what stands in it most; None for none.

    >>> separator_of("label\\ttext, if any"), separator_of("label;text"), separator_of("text")
    ('\\t', ';', None)
    """
    if "\t" in line:
        return "\t"
    found = max(_SEPARATORS, key=line.count)
    return found if found in line else None


def fields_of(line: str, separator: str) -> list[str]:
    """Return the fields of one line that stands alone, such as a header.

    >>> fields_of('"a, b",c', ",")
    ['a, b', 'c']
    """
    if separator == "\t":
        return [_unquoted(field) for field in line.split("\t")]
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])


def delimited_rows(
    lines: Iterable[tuple[int, str]], separator: str, where: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the (last) line and the fields of each row; no fields of an empty line.

    Raises
    ------
    InputError
        For quotes that do not end; the message names the line.
    """
    if separator == "\t":
        for number, line in lines:
            yield number, fields_of(line, separator) if line.strip() else []
        return
    reader = csv.reader(
        (f"{line}\n" for _, line in lines),
        delimiter=separator,
        skipinitialspace=True,
        strict=True,
    )
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{where}, line {reader.line_num}: cannot be read as CSV ({error}): quotes within "
                "a quoted field stand twice"
            ) from error
        yield reader.line_num, row if any(field.strip() for field in row) else []


def _unquoted(field: str) -> str:
    inner = field[1:-1]
    quoted = len(field) > 1 and field[0] == field[-1] == '"'
    if quoted and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return field
