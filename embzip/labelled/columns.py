"""Which columns of a table hold label and text, and what may stand in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from embzip.choices import unknown
from embzip.errors import InputError, SpecError

_BREAK = re.compile(r"[\r\n]+")


@dataclass(frozen=True)
class Columns:
    """The columns of a labelled file that are read: by name, or by number from 1.

    A table of CSV or TSV has a header where one of them is a name. JSON lines and Parquet have
    names only.

    Attributes
    ----------
    label, text
        The columns.

    Raises
    ------
    SpecError
        For a number below 1, or the same column twice.

    Examples
    --------
    >>> Columns(label="topic", text="body")
    Columns(label='topic', text='body')
    """

    label: str | int = "label"
    text: str | int = "text"

    def __post_init__(self) -> None:
        for name in (self.label, self.text):
            if isinstance(name, int) and name < 1:
                raise SpecError(f"columns are counted from 1, received {name}")
        if self.label == self.text:
            raise SpecError(
                f"label and text must stand in two columns, received {self.label!r} for both"
            )

    @property
    def named(self) -> bool:
        """Whether one of them is a name, so that a table needs a header."""
        return isinstance(self.label, str) or isinstance(self.text, str)

    def places_in(self, names: Sequence[str], where: str) -> tuple[int, int]:
        """Return the places, from 0, of label and text among the columns of a file.

        Raises
        ------
        InputError
            For a column that is not there; the message lists what there is.
        """
        label, text = (_place(column, names, where) for column in (self.label, self.text))
        return label, text


DEFAULT = Columns()


def label_of(value: object) -> str | list[str]:
    """Return a label as text, a list of several labels, or an empty text for none.

    >>> label_of(" sport "), label_of(3), label_of(["a", "b"]), label_of(None)
    ('sport', '3', ['a', 'b'], '')
    """
    if isinstance(value, list | tuple):
        found = [str(each).strip() for each in value]
        return found[0] if len(found) == 1 else found
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return _BREAK.sub(" ", str(value)).strip()
    if value is None:
        return ""
    raise InputError(f"a label must be text or a whole number, found {type(value).__name__}")


def text_of(value: object) -> str:
    r"""Return a text as one line.

    >>> text_of("two\nlines")
    'two lines'
    """
    if not isinstance(value, str):
        found = "none" if value is None else type(value).__name__
        raise InputError(f"a text must be a string, found {found}")
    return _BREAK.sub(" ", value)


def _place(column: str | int, names: Sequence[str], where: str) -> int:
    if isinstance(column, int):
        if column <= len(names):
            return column - 1
        raise InputError(f"{where}: expected at least {column} columns, found {len(names)}")
    if column in names:
        return names.index(column)
    raise InputError(
        f"{where}: {unknown(column, names, 'column')}: name the columns by --label-column and "
        "--text-column (columns=Columns(label=, text=))"
    )
