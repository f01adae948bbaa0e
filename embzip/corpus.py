"""Texts and labelled examples: read from disk, streamed, and checked.

What a row is in each kind of file, `labelled` knows. Nothing is tokenized here.
"""

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from embzip.errors import InputError
from embzip.files.line_parts import FilePart, LinePart, parts_of
from embzip.files.lines import Errors, lines_of
from embzip.labelled.columns import Columns
from embzip.labelled.examples import Example as Example
from embzip.labelled.rows import labelled_rows
from embzip.labelled.texts import Texts
from embzip.labels import LabelCheck
from embzip.sources import LOOKED_AT, Corpus, Labelled, Paths, corpus_name, files_of, plain_lines


def read_texts(
    paths: Corpus,
    *,
    labelled: Labelled = False,
    errors: Errors = "strict",
    columns: Columns | None = None,
) -> "CorpusTexts":
    """Return the texts of files, one per line, without line ends; or texts in memory.

    They are read as they are asked for, and faults are found then.

    Parameters
    ----------
    paths
        One file or several; `-` is standard input. Or `Texts`. A name may be a pattern, such as
        `corpus/*.txt.gz`, whose files are read in sorted order, or a URL of fsspec.
    labelled
        Which of them are labelled, as `read_examples` reads them, so that only the text is yielded:
        all (True), none, or those named here, as they are named in `paths`. Empty lines are kept.
    columns
        Where label and text stand in labelled files, as in `read_examples`.
    errors
        `strict` refuses invalid UTF-8; `replace` replaces it by U+FFFD, and warns at the end of
        the file how often.

    Warns
    -----
    UserWarning
        At the end of a file that looks labelled and is read as plain text.

    Raises
    ------
    MissingFileError
        If a file does not exist or is a directory.
    InputError
        For invalid UTF-8, UTF-16, a line of more than 256 MB, what is no text file or pipe, or a
        labelled line without a tab. The message names file, line and offset. For a labelled file
        that is not among `paths`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> plain, train = folder / "plain.txt", folder / "train.tsv"
    >>> _ = plain.write_text("rain in the north\\n"), train.write_text("sport\\tthree goals\\n")
    >>> list(read_texts([plain, train], labelled=train))
    ['rain in the north', 'three goals']
    """
    return CorpusTexts(paths, labelled, errors, columns)


@dataclass(frozen=True)
class CorpusTexts:
    """The texts of a corpus, as `read_texts` makes them; read each time they are asked for.

    What a pattern matches is looked up once: each reading is of the same files.
    """

    paths: Corpus
    labelled: Labelled
    errors: Errors
    columns: Columns | None

    def __iter__(self) -> Iterator[str]:
        if isinstance(self.paths, Texts):
            yield from self.paths
        for path, labelled in self._files:
            yield from self._texts(path, labelled)

    def parts(self) -> Iterator[Iterable[str] | LinePart | FilePart]:
        """Yield texts, and parts of files that are not read yet, in order."""
        if isinstance(self.paths, Texts):
            yield self.paths
        files = self._files
        for path, labelled in files:
            # Labels are judged, and what was replaced is counted, in the order of a whole file.
            whole = labelled or self.errors != "strict"
            parts = None if whole else parts_of(path, alone=len(files) == 1)
            if parts is None:
                yield self._texts(path, labelled)
                continue
            head = islice(lines_of(path, self.errors), LOOKED_AT)
            # Says what is no text, and warns where lines look labelled.
            deque(plain_lines(path, head), maxlen=0)
            yield from parts

    @cached_property
    def _files(self) -> list[tuple[str | Path, bool]]:
        files = files_of(self.paths)
        with_labels = _labelled_of(files, self.labelled)
        return [(path, str(path) in with_labels) for path in files]

    def _texts(self, path: str | Path, labelled: bool) -> Iterator[str]:
        if labelled:
            for example in _labelled(path, self.errors, self.columns):
                yield "" if example is None else example.text
        else:
            yield from plain_lines(path, lines_of(path, self.errors))


def read_examples(
    paths: Paths,
    *,
    errors: Errors = "strict",
    columns: Columns | None = None,
    checked: bool = False,
) -> list[Example]:
    """Read labelled examples; empty lines are skipped.

    A file is told by its content: `label<TAB>text` lines, fastText's `__label__name text`, CSV or
    TSV with a header, JSON lines, or Parquet (with pyarrow); all but the last also compressed.
    White space around a label is no part of it. A line end within a text becomes a blank.

    Parameters
    ----------
    paths
        One file or several, patterns and URLs, as in `read_texts`; `-` is standard input.
    errors
        As in `read_texts`.
    columns
        Where label and text stand, by name or number: of CSV, TSV, JSON lines and Parquet. By
        default, in columns called `label` and `text`; a TSV file then has no header.
    checked
        Whether these files were written from examples that were read, and warned of, already.

    Warns
    -----
    UserWarning
        Once a file, with a row: for a label that one row has, a first row that looks like a header,
        more than half of the rows with a label of their own, and labels longer than the texts.

    Raises
    ------
    MissingFileError
        If a file does not exist or is a directory.
    InputError
        For a line without a tab, an empty label, several labels of one text, a column that is not
        there, invalid UTF-8, or files without any example.
    MissingPackageError
        For Parquet without pyarrow.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "train.tsv")
    >>> _ = path.write_text("sport\\tthree goals in ten minutes\\n")
    >>> read_examples(path)
    [Example(label='sport', text='three goals in ten minutes')]
    >>> _ = path.write_text('body,topic\\n"three goals, no more",sport\\n')
    >>> read_examples(path, columns=Columns(label="topic", text="body"))
    [Example(label='sport', text='three goals, no more')]
    """
    examples = [
        example
        for path in files_of(paths)
        for example in _labelled(path, errors, columns, checked=checked)
        if example is not None
    ]
    if not examples:
        raise InputError(
            f"{corpus_name(paths)}: expected lines label<TAB>text, found only empty lines or none"
        )
    return examples


def _labelled_of(files: Sequence[str | Path], labelled: Labelled) -> set[str]:
    """Return the names of the files that are labelled."""
    names = {str(path) for path in files}
    if isinstance(labelled, bool):
        return names if labelled else set()
    chosen = {str(path) for path in files_of(labelled)}
    for name in sorted(chosen - names):
        raise InputError(
            f"{name}: a labelled file must be one of the corpus, which is "
            f"{corpus_name(files[:9])}: add it there"
        )
    return chosen


def _labelled(
    path: str | Path, errors: Errors, columns: Columns | None, *, checked: bool = False
) -> Iterator[Example | None]:
    """Yield the example of each row, None of an empty one, and warn of odd labels at the end."""
    check = LabelCheck()
    for row in labelled_rows(path, errors, columns):
        if row is None:
            yield None
            continue
        check.add(*row)
        yield Example(label=row[1], text=row[2])
    odd = None if checked else check.oddity()
    if odd is not None:
        warnings.warn(f"{path}: {odd}", stacklevel=3)
