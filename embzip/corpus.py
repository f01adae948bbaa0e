"""Texts and labelled examples from disk: streamed, checked UTF-8.

A text is one line. Lines end at LF or CR LF and nowhere else: NEL, U+2028 and NUL are characters
of the text like any other. A byte-order mark at the start of a file is dropped. Files ending in
.gz or .xz are decompressed on the way. Tokenizing is not done here.
"""

import gzip
import lzma
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from embzip.errors import InputError
from embzip.files import existing_file

Errors = Literal["strict", "replace"]
Paths = str | Path | Sequence[str | Path]

# A file looks labelled where its first lines have one tab each, and few words before it.
_LOOKED_AT, _FEWEST = 1000, 20
_LINES_A_LABEL = 4


@dataclass(frozen=True)
class Example:
    """One labelled text."""

    text: str
    label: str


def paths_of(paths: Paths) -> list[str | Path]:
    """Return one path or several as a list.

    >>> paths_of("a.txt")
    ['a.txt']
    """
    return [paths] if isinstance(paths, str | Path) else list(paths)


def read_texts(paths: Paths, *, labelled: bool = False, errors: Errors = "strict") -> Iterator[str]:
    """Yield the texts of files, one a line, without their line ends.

    Parameters
    ----------
    paths
        One file or several; `-` is standard input.
    labelled
        Whether lines are `label<TAB>text`, of which the text is wanted; empty ones stay.
    errors
        `strict` refuses invalid UTF-8; `replace` puts U+FFFD in its place, and warns at the end
        of the file how often it did.

    Warns
    -----
    UserWarning
        At the end of a file that looks labelled, and was not said to be.

    Raises
    ------
    MissingFileError
        For a file that is not there, or a directory.
    InputError
        For invalid UTF-8, UTF-16 or a labelled line without a tab; names file, line and offset.
    """
    for path in paths_of(paths):
        begins: Counter[str] = Counter()
        for number, line in _lines(path, errors):
            if not labelled and number <= _LOOKED_AT and line.strip():
                begins[line.partition("\t")[0] if line.count("\t") == 1 else ""] += 1
            yield _split_label(path, number, line).text if labelled and line.strip() else line
        if "" not in begins and begins.total() >= max(_FEWEST, _LINES_A_LABEL * len(begins)):
            warnings.warn(
                f"{path}: lines begin with one of {len(begins)} words and a tab, such as "
                f"{next(iter(begins))[:40]!r}, and were read as part of the text: if these are "
                "labels, cut them off, or pass --labelled where the command takes it",
                stacklevel=2,
            )


def read_examples(paths: Paths, *, errors: Errors = "strict") -> list[Example]:
    """Read labelled examples, `label<TAB>text` a line; empty lines are passed over.

    Raises
    ------
    MissingFileError
        For a file that is not there, or a directory.
    InputError
        For a line without a tab, an empty label, invalid UTF-8, or no example at all.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "train.tsv")
    >>> _ = path.write_text("sport\\tthree goals in ten minutes\\n")
    >>> read_examples(path)
    [Example(text='three goals in ten minutes', label='sport')]
    """
    examples = [
        _split_label(path, number, line)
        for path in paths_of(paths)
        for number, line in _lines(path, errors)
        if line.strip()
    ]
    if not examples:
        raise InputError(f"{corpus_name(paths)}: expected labelled lines, found none")
    return examples


def split_examples(
    examples: Sequence[Example], fraction: float = 0.1
) -> tuple[list[Example], list[Example]]:
    """Split examples into (rest, held out) by a fixed hash of each text.

    The same text always falls on the same side, whatever stands around it, so copies of a text
    never stand on both.
    """
    from hashlib import sha256  # OpenSSL comes along: serving does without

    bound = int(fraction * 2**32)
    kept: list[Example] = []
    held_out: list[Example] = []
    for example in examples:
        hashed = sha256(example.text.encode("utf-8", "surrogatepass")).digest()
        (held_out if int.from_bytes(hashed[:4], "big") < bound else kept).append(example)
    return kept, held_out


def check_training_labels(examples: Iterable[Example], where: str) -> tuple[str, ...]:
    """Return the sorted labels of training data, refusing data no classifier can learn from.

    Raises
    ------
    InputError
        Where there is only one label.
    """
    labels = tuple(sorted({example.label for example in examples}))
    if len(labels) < 2:
        raise InputError(
            f"{where}: expected at least two labels to tell apart, found "
            + (f"only {labels[0]!r}" if labels else "none")
        )
    return labels


def _split_label(path: str | Path, number: int, line: str) -> Example:
    label, tab, text = line.partition("\t")
    if not tab:
        raise InputError(
            f"{path}, line {number}: expected label<TAB>text, found no tab in {line[:40]!r}"
        )
    if not label.strip():
        raise InputError(f"{path}, line {number}: expected label<TAB>text, found an empty label")
    return Example(text=text, label=label)


def corpus_name(paths: Paths) -> str:
    """Return how a corpus is named in messages.

    >>> corpus_name(["a.txt", "b.txt"])
    'a.txt, b.txt'
    """
    return ", ".join(str(path) for path in paths_of(paths))


@contextmanager
def _opened(path: str | Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    path = existing_file(path)
    if path.suffix == ".xz":
        with lzma.open(path) as file:
            yield file
    elif path.suffix == ".gz":
        with gzip.open(path) as zipped:
            yield zipped  # type: ignore[misc]  # GzipFile reads bytes but is not typed as IO[bytes]
    else:
        with path.open("rb") as plain:
            yield plain


def _lines(path: str | Path, errors: Errors) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) for each line of one file."""
    offset = replaced = 0
    first = ""
    with _opened(path) as file:
        try:
            for number, raw in enumerate(file, start=1):
                line = raw
                if number == 1:
                    _refuse_utf16(path, line)
                    line = line.removeprefix(b"\xef\xbb\xbf")
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
                    # U+FFFD may also stand in the text itself; ignoring errors leaves only those.
                    replaced += text.count("\ufffd")
                    replaced -= line.decode("utf-8", "ignore").count("\ufffd")
                    first = first or place
                offset += len(raw)
                yield number, text.removesuffix("\n").removesuffix("\r")
        except (lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
            raise InputError(f"{path}: cannot be decompressed: {error}") from error
    if replaced:
        warnings.warn(
            f"{path}: {replaced} invalid UTF-8 sequences were replaced by U+FFFD, the first in "
            f"{first}",
            stacklevel=3,
        )


def _refuse_utf16(path: str | Path, head: bytes) -> None:
    # Without a mark, UTF-16 shows as NUL in every other byte of Latin text; NUL alone is allowed.
    even, odd = head[0:200:2], head[1:200:2]
    shares = sorted(side.count(0) / max(1, len(side)) for side in (even, odd))
    alternating = len(head) >= 8 and shares[0] < 0.1 and shares[1] > 0.7
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or alternating:
        raise InputError(
            f"{path}, line 1, offset 0: expected UTF-8, but this looks like UTF-16: "
            "convert it with `iconv -f UTF-16 -t UTF-8`"
        )
