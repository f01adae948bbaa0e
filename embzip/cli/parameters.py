"""The parameters that several commands have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, Token

from embzip.cli.choices import CHOICE


class UsageError(Exception):
    """Options that do not go together: wrong usage, which ends with exit code 2."""


def _whole(_: type, tokens: Sequence[Token]) -> int:
    """Read a whole number; cyclopts by itself would round 3.7."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, received {tokens[0].value!r}") from None


Whole = Annotated[int, Parameter(converter=_whole)]
Corpus = Annotated[
    Path,
    Parameter(
        name="CORPUS",
        required=True,
        help="Text files, one text a line; several are read one after the other; - is stdin. "
        "gzip, bzip2, xz and zstd are decompressed.",
    ),
]

Table = Annotated[
    Path,
    Parameter(
        name="VECTORS",
        help="A .embz file (a classifier's too: its embedding), word2vec text or binary, GloVe, "
        "fastText .vec, or .npy with --words.",
    ),
]
Model = Annotated[Path, Parameter(name="MODEL.embz", help="A classifier's .embz file.")]
Labelled = Annotated[bool, Parameter(help="Lines are label<TAB>text, of which the text is read.")]
Errors = Annotated[
    Literal["strict", "replace"],
    CHOICE,
    Parameter(help="Invalid UTF-8: refuse the file, or put U+FFFD in its place."),
]
Lowercase = Annotated[
    bool, Parameter(negative="--no-lowercase", help="Lower-case every text first.")
]
Unicode = Annotated[
    Literal["NFC", "NFKC", "NFD", "NFKD", "none"],
    CHOICE,
    Parameter(help="The unicode normal form every text is brought to first."),
]
Seed = Annotated[Whole, Parameter(help="The same seed and input give the same result.")]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON object on stdout instead.")]
Pack = Annotated[
    bool, Parameter(help="Entropy code what gets smaller by it; loading takes longer.")
]
