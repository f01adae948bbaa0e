"""A record as Markdown: sentences, tables, notes. Missing values are a dash."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from embzip.report.figures import plain
from embzip.report.tables import Table, detail_tables, make_tables
from embzip.report.view import View, make_view

# What would otherwise be markup: a codec holds '|', which would end a cell.
_SPECIAL = re.compile(r"([\\`*_\[\]<|#~&])")


def to_markdown(record: Mapping[str, Any]) -> str:
    """Return a record as Markdown with tables in GitHub's style.

    Raises
    ------
    InputError
        For something that is not a record.
    """
    view = make_view(record)
    blocks = ["# Before and after", *_summary(view)]
    for table in (*make_tables(view), *detail_tables(view)):
        blocks += [f"## {table.title}", _table(table)]
    if view.notes:
        blocks += ["## Notes", "\n".join(f"- {escaped(note)}" for note in view.notes)]
    facts = "; ".join(f"{name} {value}" for name, value in (*view.corpus, *view.environment))
    return "\n\n".join([*blocks, escaped(facts)]) + "\n"


def _summary(view: View) -> list[str]:
    sentences = [
        f"- **{escaped(line.name)}**{' (chosen on dev)' if line.chosen else ''} "
        f"{escaped(line.sentence)}."
        for line in view.lines
        if line.sentence
    ]
    about = f"Compared with **{escaped(view.baseline)}**:"
    choice = [escaped(view.choice)] if view.choice else []
    return [about, "\n".join(sentences), *choice] if sentences else choice


def _table(table: Table) -> str:
    rows = [[line.name, *(line.cells[c.key] for c in table.columns)] for line in table.lines]
    return table_of(
        ["", *(column.heading for column in table.columns)],
        rows,
        numeric=[column.numeric for column in table.columns],
    )


def table_of(
    heading: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: bool | Sequence[bool] = True
) -> str:
    """Return a table of texts, which are escaped; the first column names the row.

    Parameters
    ----------
    numeric
        Whether the further columns hold numbers, or which of them do.
    """
    if isinstance(numeric, bool):
        numeric = [numeric] * (len(heading) - 1)
    lines = [
        heading,
        ["---", *("---:" if right else "---" for right in numeric)],
        *([escaped(cell) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Return text in which nothing is markup; lines become one."""
    return _SPECIAL.sub(r"\\\1", plain(text))
