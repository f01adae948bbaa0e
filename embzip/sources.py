"""Where texts come from: files and URLs, or texts in memory; and what plain files look like.

Nothing is opened here but for the lines that a caller hands over.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from embzip.files.locations import files_at
from embzip.labelled.rows import FASTTEXT
from embzip.labelled.texts import Texts

# A file looks labelled if each of its first lines has one tab, and few distinct words before it.
LOOKED_AT, _FEWEST = 1000, 20
_LINES_A_LABEL = 4


Paths = str | Path | Sequence[str | Path]
Corpus = Paths | Texts
Labelled = bool | Paths  # which files of a corpus are labelled: all, none, or these


def paths_of(corpus: Corpus) -> list[str | Path]:
    """Return one path, or several, as a list; none of texts in memory.

    >>> paths_of("a.txt")
    ['a.txt']
    """
    if isinstance(corpus, Texts):
        return []
    return [corpus] if isinstance(corpus, str | Path) else list(corpus)


def files_of(corpus: Corpus) -> list[str | Path]:
    """Return the files of a corpus in the order of reading; those of a pattern are sorted.

    Raises
    ------
    MissingFileError
        Where a pattern matches no file.
    """
    return [file for path in paths_of(corpus) for file in files_at(path)]


def corpus_name(corpus: Corpus) -> str:
    """Return the name of a corpus in messages.

    >>> corpus_name(["a.txt", "b.txt"])
    'a.txt, b.txt'
    """
    if isinstance(corpus, Texts):
        return str(corpus)
    return ", ".join(str(path) for path in paths_of(corpus))


def in_short(names: Sequence[str | Path]) -> str:
    """Return the first name of several, and how many more there are.

    >>> in_short(["a.tsv"]), in_short(["a.tsv", "b.tsv", "c.tsv"])
    ('a.tsv', 'a.tsv and 2 more')
    """
    more = len(names) - 1
    return f"{names[0]} and {more:,} more" if more else str(names[0])


def plain_lines(path: str | Path, lines: Iterable[tuple[int, str]]) -> Iterator[str]:
    """Yield each line, and warn at the end if the lines look labelled."""
    begins: Counter[str] = Counter()
    fasttext = True
    for number, line in lines:
        if number <= LOOKED_AT and line.strip():
            begins[line.partition("\t")[0] if line.count("\t") == 1 else ""] += 1
            fasttext = fasttext and line.startswith(FASTTEXT)
        yield line
    if begins and fasttext:
        warnings.warn(
            f"{path}: lines begin with {FASTTEXT}, and it was read as part of the text: name the "
            "file by --labelled if the command has that option",
            stacklevel=3,
        )
    elif "" not in begins and begins.total() >= max(_FEWEST, _LINES_A_LABEL * len(begins)):
        warnings.warn(
            f"{path}: lines begin with one of {len(begins)} words and a tab, such as "
            f"{next(iter(begins))[:40]!r}; they were read as part of the text. If they are "
            "labels, remove them, or name the file by --labelled if the command has that option",
            stacklevel=3,
        )
