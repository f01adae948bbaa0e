"""Writes examples and texts as lines, which are read again as they were."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from embzip.errors import InputError
from embzip.files.writing import atomic_write
from embzip.labelled.examples import Example
from embzip.labelled.rows import FASTTEXT


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    r"""Write `label<TAB>text` lines.

    Raises
    ------
    InputError
        For what such a line cannot hold: a label with a tab, or one that begins as fastText's lines
        do, or with a byte order mark; half a character.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.tsv"
    >>> write_examples(path, [Example(text="a goal", label="sport")])
    >>> path.read_text()
    'sport\ta goal\n'
    """
    write_lines(path, _lines(examples))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines in UTF-8; raises InputError for half a character."""
    with atomic_write(path) as file:
        for line in lines:
            try:
                file.write(f"{line}\n".encode())
            except UnicodeEncodeError as error:
                raise InputError(
                    f"a text must consist of whole characters, found the surrogate "
                    f"{line[error.start]!r} in {line[:40]!r}: replace it"
                ) from error


def _lines(examples: Iterable[Example]) -> Iterator[str]:
    for example in examples:
        if "\t" in example.label or example.label.startswith((FASTTEXT, "\ufeff")):
            raise InputError(
                f"a label must not have a tab, or begin with {FASTTEXT} or a byte order mark, "
                f"found {example.label!r}: rename it"
            )
        yield f"{example.label}\t{example.text}"
