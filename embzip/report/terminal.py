"""A record as tables for a terminal of 80 columns or more. Missing values are a dash."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from embzip.report.tables import Table, make_tables
from embzip.report.view import View, make_view

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

_STYLES = {"better": "green", "worse": "red"}
# The sentences above the tables say these already.
_LEFT_OUT = {"verdict", "dev"}


def render_terminal(record: Mapping[str, Any]) -> "Group":
    """Return a record as a renderable: `rich.print(render_terminal(record))`.

    Raises
    ------
    InputError
        For something that is not a record.
    """
    # Imported here: `import embzip` stays fast, and most users of it print nothing.
    from rich.console import Group
    from rich.text import Text

    view = make_view(record)
    return Group(
        *_summary(view),
        *([Text(view.choice)] if view.choice else []),
        *(part for table in make_tables(view) for part in (Text(), _table(table))),
        *(Text(f"Note: {note}") for note in view.notes),
    )


def _summary(view: View) -> "list[Text]":
    from rich.text import Text

    return [
        Text.assemble(
            (line.name, "bold"),
            " (chosen on dev) " if line.chosen else " ",
            (line.sentence, _STYLES.get(line.tone, "")),
        )
        for line in view.lines
        if line.sentence
    ]


def _table(table: Table) -> "RichTable":
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    columns = [column for column in table.columns if column.key not in _LEFT_OUT]
    shown = RichTable(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    shown.add_column("", overflow="fold", min_width=8)
    for column in columns:
        shown.add_column(
            column.short,
            justify="right" if column.numeric else "left",
            no_wrap=column.numeric,
            overflow="fold",
        )
    for line in table.lines:
        # Text, not str: a name such as [red] is no markup.
        shown.add_row(
            Text(line.name, "bold" if line.chosen else ""),
            *(Text(line.cells[column.key]) for column in columns),
        )
    return shown
