"""Reads counts of tokens from a file: a words file, or plain `token<TAB>count` lines."""

import os
import re
from pathlib import Path

from embzip.corpus import read_texts
from embzip.errors import InputError
from embzip.files.locations import file_at
from embzip.files.names import is_url
from embzip.files.places import COUNTS
from embzip.files.streams import opened
from embzip.tokenizers.words import parse_words

_COUNT = re.compile("[0-9]{1,18}")  # 18 digits fit 64 bits


def read_counts(path: str | Path) -> dict[str, int]:
    """Read how often tokens occur in a corpus.

    Parameters
    ----------
    path
        `token<TAB>count` lines in UTF-8, in any order, or a file that `build_words` wrote; or a
        URL.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    InputError
        For any other line, a token that occurs twice, an empty file, or a words file without
        counts. The message names the line.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "counts.tsv")
    >>> _ = path.write_text("sea\\t12\\nship\\t3\\n")
    >>> read_counts(path)
    {'sea': 12, 'ship': 3}
    """
    path = file_at(path)
    if (is_url(path) or os.path.isfile(path)) and COUNTS.kind_of(path) == "words":
        return _of_words_file(path)
    counts: dict[str, int] = {}
    for number, line in enumerate(read_texts(path), start=1):
        if number == 1 and line.startswith("{") and "\t" not in line:  # compressed
            return _of_words_file(path)
        token, _, digits = line.partition("\t")
        if not (token and _COUNT.fullmatch(digits)):
            raise InputError(
                f"{path}, line {number}: expected token<TAB>count, found {line[:80]!r}"
            )
        if token in counts:
            raise InputError(
                f"{path}, line {number}: tokens must be distinct, and {token!r} is also in an "
                "earlier line: remove one of them"
            )
        counts[token] = int(digits)
    if not counts:
        raise InputError(f"{path}: expected token<TAB>count lines, found none")
    return counts


def _of_words_file(path: str | Path) -> dict[str, int]:
    with opened(path) as file:
        tokenizer = parse_words(file.read(), str(path))
    if tokenizer.counts is None:
        raise InputError(
            f"{path}: this words file contains no counts: build it again from the corpus"
        )
    first = len(tokenizer.vocabulary.special_ids)
    return dict(
        zip(list(tokenizer.vocabulary)[first:], tokenizer.counts[first:].tolist(), strict=True)
    )
