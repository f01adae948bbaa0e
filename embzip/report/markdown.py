"""A record as Markdown: sentences, tables, notes. Missing values are a dash."""

import re
from collections.abc import Mapping
from typing import Any

from embzip.report.details import Detail
from embzip.report.tables import Table, detail_tables, make_tables
from embzip.report.view import Line, View, make_view

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
        blocks += ["## Notes", "\n".join(f"- {_escaped(note)}" for note in view.notes)]
    facts = "; ".join(f"{name} {value}" for name, value in (*view.corpus, *view.environment))
    return "\n\n".join([*blocks, _escaped(facts)]) + "\n"


def _summary(view: View) -> list[str]:
    sentences = [
        f"- **{_escaped(line.name)}**{' (chosen on dev)' if line.chosen else ''} "
        f"{_escaped(line.sentence)}."
        for line in view.lines
        if line.sentence
    ]
    about = f"Compared with **{_escaped(view.baseline)}**:"
    choice = [_escaped(view.choice)] if view.choice else []
    return [about, "\n".join(sentences), *choice] if sentences else choice


def _table(table: Table) -> str:
    rows = [
        ["", *(column.heading for column in table.columns)],
        ["---", *("---:" if column.numeric else "---" for column in table.columns)],
        *(_row(table, line) for line in table.lines),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(table: Table, line: Line | Detail) -> list[str]:
    return [_escaped(text) for text in (line.name, *(line.cells[c.key] for c in table.columns))]


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
