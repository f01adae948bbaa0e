"""The largest sizes that a file, a recipe or an option may state, each once.

A number costs its writer ten bytes and its reader gigabytes, so every size that stands in a record
is compared with these before anything is allocated. The writer refuses what the reader would.
"""

from collections.abc import Mapping
from numbers import Integral

from embzip.errors import EmbzipError, InputError

MOST_HEADER = 1 << 23  # bytes of a .embz file before its tensors
MOST_RECORD = 1 << 22  # bytes of the JSON of a classifier, with its labels
MOST_NUMBERS = 1 << 28  # of one head: 1 GB in float32
MOST_TEXT = 1 << 24  # bytes of a vocabulary, where 256 a token are fewer
MOST_TOKEN = 1 << 20  # bytes of one token
_TOKEN_TEXT = 256
LARGEST_WEIGHT = 2.0**63  # in magnitude: products of larger ones overflow float32

MOST: Mapping[str, int] = {
    "rows": 2**31 - 1,  # ids are int32
    "dim": 1 << 16,
    "columns": (1 << 16) + 1,  # dim and the indicator
    "max_length": 1 << 16,
    "margin": 1 << 10,
    "windows": 1 << 10,  # each, in tokens
    "number of windows": 1 << 6,
    "filters": 1 << 16,
    "width": 1 << 16,
    "hidden": 1 << 16,
    "heads": 1 << 10,
    "layers": 1 << 6,
    "labels": 1 << 16,
    "classifiers": 1 << 10,  # of a kit
    "epochs": 1 << 16,
    "rounded_epochs": 1 << 16,
    "patience": 1 << 16,
    "batch_size": 1 << 16,
    "copies": 1 << 10,
    "folds": 1 << 10,
    "vocab": 1 << 24,
    "max_vocab": 1 << 24,
    "min_count": 2**31 - 1,
    "window": 1 << 10,  # of vectors
    "shift": 1 << 10,
    "negative": 1 << 10,
    "workers": 1 << 10,
    "shards": 1 << 12,  # of a table
}


def check_size(
    name: str, number: int, *, least: int = 1, error: type[EmbzipError] = InputError
) -> None:
    """Raise `error` for what is no whole number from `least` to the limit of that name.

    >>> check_size("filters", 2_000_000_000)
    Traceback (most recent call last):
    embzip.errors.InputError: filters must lie in 1..65536, received 2000000000
    """
    if not isinstance(number, Integral):
        raise error(f"{name} must be a whole number, received {number!r}")
    if not least <= number <= MOST[name]:
        raise error(f"{name} must lie in {least}..{MOST[name]}, received {number}")


def text_limit(tokens: int) -> int:
    """Return the most bytes that so many tokens may take: 256 a token, or 16 MB.

    >>> text_limit(10), text_limit(1_000_000)
    (16777216, 256000000)
    """
    return max(MOST_TEXT, _TOKEN_TEXT * tokens)
