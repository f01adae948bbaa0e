"""Reads texts and labelled examples from disk: streamed, with UTF-8 checked.

Each line is one text. Lines end at LF or CR LF and nowhere else: NEL, U+2028 and NUL are ordinary
characters of the text. A byte-order mark at the start of a file is dropped. Files are opened, and
decompressed, in `streams`. Nothing is tokenized here.
"""

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from embzip.errors import InputError
from embzip.files.places import TEXTS
from embzip.files.streams import opened
from embzip.labels import LabelCheck

Errors = Literal["strict", "replace"]
Paths = str | Path | Sequence[str | Path]

# A file looks labelled if each of its first lines has one tab, and few distinct words before it.
_LOOKED_AT, _FEWEST = 1000, 20
_LINES_A_LABEL = 4
_FASTTEXT = "__label__"
_LONGEST = 1 << 28  # bytes of a line; what has none that end is no text


@dataclass(frozen=True)
class Example:
    """One labelled text."""

    text: str
    label: str


def paths_of(paths: Paths) -> list[str | Path]:
    """Return one path, or several, as a list.

    >>> paths_of("a.txt")
    ['a.txt']
    """
    return [paths] if isinstance(paths, str | Path) else list(paths)


def read_texts(paths: Paths, *, labelled: bool = False, errors: Errors = "strict") -> Iterator[str]:
    """Yield the texts of files, one per line, without line ends.

    Parameters
    ----------
    paths
        One file or several; `-` is standard input.
    labelled
        Whether lines are `label<TAB>text`; only the text is yielded. Empty lines are kept.
    errors
        `strict` refuses invalid UTF-8; `replace` replaces it by U+FFFD, and warns at the end of
        the file how often.

    Warns
    -----
    UserWarning
        At the end of a file that looks labelled although `labelled` is false.

    Raises
    ------
    MissingFileError
        If a file does not exist or is a directory.
    InputError
        For invalid UTF-8, UTF-16, a line of more than 256 MB, what is no text file or pipe, or a
        labelled line without a tab. The message names file, line and offset.
    """
    for path in paths_of(paths):
        if labelled:
            for example in _labelled(path, errors):
                yield "" if example is None else example.text
        else:
            yield from _unlabelled(path, errors)


def read_examples(
    paths: Paths, *, errors: Errors = "strict", checked: bool = False
) -> list[Example]:
    """Read labelled examples, one `label<TAB>text` per line; empty lines are skipped.

    White space around a label is no part of it.

    Parameters
    ----------
    paths
        One file or several; `-` is standard input.
    errors
        As in `read_texts`.
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
        For a line without a tab, an empty label, invalid UTF-8, or files without any example.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "train.tsv")
    >>> _ = path.write_text("sport\\tthree goals in ten minutes\\n")
    >>> read_examples(path)
    [Example(text='three goals in ten minutes', label='sport')]
    """
    examples = [
        example
        for path in paths_of(paths)
        for example in _labelled(path, errors, checked=checked)
        if example is not None
    ]
    if not examples:
        raise InputError(
            f"{corpus_name(paths)}: expected lines label<TAB>text, found only empty lines or none"
        )
    return examples


def split_examples(
    examples: Sequence[Example], fraction: float = 0.1
) -> tuple[list[Example], list[Example]]:
    """Split examples into (rest, held out) by a fixed hash of each text.

    A text always falls on the same side, whatever the other examples are. So copies of a text are
    never on both sides.
    """
    from hashlib import sha256  # imported here: it loads OpenSSL, which serving does not need

    bound = int(fraction * 2**32)
    kept: list[Example] = []
    held_out: list[Example] = []
    for example in examples:
        hashed = sha256(example.text.encode("utf-8", "surrogatepass")).digest()
        (held_out if int.from_bytes(hashed[:4], "big") < bound else kept).append(example)
    return kept, held_out


def check_training_labels(examples: Iterable[Example], where: str) -> tuple[str, ...]:
    """Return the sorted labels of training data, or raise if there are fewer than two.

    Raises
    ------
    InputError
        If there are fewer than two labels.
    """
    labels = tuple(sorted({example.label for example in examples}))
    if len(labels) < 2:
        raise InputError(
            f"{where}: training needs at least two different labels, found "
            + (f"only {labels[0]!r}" if labels else "none")
        )
    return labels


def _labelled(
    path: str | Path, errors: Errors, *, checked: bool = False
) -> Iterator[Example | None]:
    """Yield the example of each line, None of an empty one, and warn of odd labels at the end."""
    check = LabelCheck()
    for number, line in _lines(path, errors):
        if not line.strip():
            yield None
            continue
        label, tab, text = line.partition("\t")
        if not tab:
            raise InputError(
                f"{path}, line {number}: expected label<TAB>text, found no tab in {line[:40]!r}"
            )
        label = label.strip()
        if not label:
            raise InputError(
                f"{path}, line {number}: expected label<TAB>text, found an empty label"
            )
        check.add(number, label, text)
        yield Example(text=text, label=label)
    odd = None if checked else check.oddity()
    if odd is not None:
        warnings.warn(f"{path}: {odd}", stacklevel=3)


def _unlabelled(path: str | Path, errors: Errors) -> Iterator[str]:
    """Yield each line, and warn at the end if the lines look labelled."""
    begins: Counter[str] = Counter()
    fasttext = True
    for number, line in _lines(path, errors):
        if number <= _LOOKED_AT and line.strip():
            begins[line.partition("\t")[0] if line.count("\t") == 1 else ""] += 1
            fasttext = fasttext and line.startswith(_FASTTEXT)
        yield line
    if begins and fasttext:
        warnings.warn(
            f"{path}: lines begin with {_FASTTEXT}, and it was read as part of the text: write "
            "label<TAB>text, and pass --labelled if the command has that option",
            stacklevel=3,
        )
    elif "" not in begins and begins.total() >= max(_FEWEST, _LINES_A_LABEL * len(begins)):
        warnings.warn(
            f"{path}: lines begin with one of {len(begins)} words and a tab, such as "
            f"{next(iter(begins))[:40]!r}; they were read as part of the text. If they are "
            "labels, remove them, or pass --labelled if the command has that option",
            stacklevel=3,
        )


def corpus_name(paths: Paths) -> str:
    """Return the name of a corpus in messages.

    >>> corpus_name(["a.txt", "b.txt"])
    'a.txt, b.txt'
    """
    return ", ".join(str(path) for path in paths_of(paths))


def _lines(path: str | Path, errors: Errors) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) for each line of one file."""
    offset = replaced = 0
    first = ""
    if str(path) != "-" and os.path.isfile(path):
        TEXTS.kind_of(path)
    with opened(path) as file:
        for number, raw in enumerate(iter(partial(file.readline, _LONGEST), b""), start=1):
            line = raw
            if number == 1:
                _refuse_utf16(path, line)
                line = line.removeprefix(b"\xef\xbb\xbf")
            if len(raw) == _LONGEST and not raw.endswith(b"\n"):
                raise InputError(
                    f"{path}, line {number}, offset {offset}: a text must end within "
                    f"{_LONGEST >> 20} MB: break the line"
                )
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                at = offset + len(raw) - len(line) + error.start
                place = f"line {number}, offset {at}"
                if errors == "strict":
                    raise InputError(
                        f"{path}, {place}: expected UTF-8, found byte "
                        f"0x{line[error.start]:02x} ({error.reason}): convert the file, or "
                        "pass --errors replace"
                    ) from error
                text = line.decode("utf-8", "replace")
                # The text itself may contain U+FFFD; ignoring errors leaves only those.
                replaced += text.count("\ufffd")
                replaced -= line.decode("utf-8", "ignore").count("\ufffd")
                first = first or place
            offset += len(raw)
            yield number, text.removesuffix("\n").removesuffix("\r")
    if replaced:
        warnings.warn(
            f"{path}: {replaced} invalid UTF-8 sequences were replaced by U+FFFD, the first in "
            f"{first}",
            stacklevel=3,
        )


def _refuse_utf16(path: str | Path, head: bytes) -> None:
    # UTF-16 without a byte-order mark has NUL in every other byte of Latin text. A NUL elsewhere
    # is allowed.
    even, odd = head[0:200:2], head[1:200:2]
    shares = sorted(side.count(0) / max(1, len(side)) for side in (even, odd))
    alternating = len(head) >= 8 and shares[0] < 0.1 and shares[1] > 0.7
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or alternating:
        raise InputError(
            f"{path}, line 1, offset 0: expected UTF-8, but this looks like UTF-16: "
            "convert it with `iconv -f UTF-16 -t UTF-8`"
        )
