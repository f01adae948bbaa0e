"""The parameters that several commands have."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, Token

from embzip.cli.choices import CHOICE
from embzip.files.locations import files_at
from embzip.files.names import located
from embzip.files.places import EXAMPLES, LABELS, TEXTS, TOKENIZER, Place, check_places
from embzip.labelled.columns import DEFAULT, Columns

if TYPE_CHECKING:
    from embzip.prediction import TextClassifier


class UsageError(Exception):
    """Options that do not go together: wrong usage, which ends with exit code 2."""


def _whole(_: type, tokens: Sequence[Token]) -> int:
    """Read a whole number; cyclopts by itself would round 3.7."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, received {tokens[0].value!r}") from None


def _file(_: type, tokens: Sequence[Token]) -> str | Path:
    return located(tokens[0].value)


Whole = Annotated[int, Parameter(converter=_whole)]
# A file whose content is data: a path, a pattern in quotes, or a URL.
Input = Annotated[str | Path, Parameter(converter=_file, n_tokens=1)]
Corpus = Annotated[
    Input,
    Parameter(
        name="CORPUS",
        help="Text files, one text a line; several are read one after the other, those of a "
        "pattern in quotes ('corpus/*.gz') in sorted order; URLs; - is stdin. gzip, bzip2, xz, "
        "zstd and a zip of one file are decompressed.",
    ),
]

Table = Annotated[
    Input,
    Parameter(
        name="VECTORS",
        help="A .embz file (a classifier's too: its embedding), word2vec text or binary, GloVe, "
        "fastText .vec, .bin or .ftz, .npz, safetensors, .npy with --words; plain or compressed; "
        "a path or a URL.",
    ),
]
Model = Annotated[Path, Parameter(name="MODEL.embz", help="A classifier's .embz file.")]
Labelled = Annotated[
    tuple[Input, ...],
    Parameter(
        metavar="FILE",
        help="A labelled file, such as of label<TAB>text lines, of which the text is read, before "
        "CORPUS; for several, give the option again.",
    ),
]
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
Meta = Annotated[
    tuple[str, ...],
    Parameter(
        metavar="KEY=VALUE",
        help="A fact that stands in the file, such as licence=MIT, and that `embzip inspect` "
        "shows; for several, give the option again.",
    ),
]
Pack = Annotated[
    bool, Parameter(help="Entropy code what gets smaller by it; loading takes longer.")
]


@Parameter(name="*")
@dataclass(frozen=True)
class ColumnOptions:
    """Where label and text stand in labelled files of CSV, TSV, JSON lines and Parquet.

    Attributes
    ----------
    label_column
        Of labelled CSV, TSV, JSON lines and Parquet: the label's column, by name or number.
    text_column
        The text's column there.
    """

    label_column: str | None = None
    text_column: str | None = None

    @property
    def columns(self) -> Columns | None:
        """The columns, if one of them is given."""
        if self == ColumnOptions():
            return None
        return Columns(
            _number_or_name(self.label_column, DEFAULT.label),
            _number_or_name(self.text_column, DEFAULT.text),
        )


@Parameter(name="*")
@dataclass(frozen=True)
class OwnModel:
    """How a model of Keras or TensorFlow, which does not say it, is read as a classifier.

    Attributes
    ----------
    labels
        Of a .keras or .h5 file, SavedModel or frozen graph: its labels, one a line, in the order of
        its outputs.
    tokenizer
        Where such a model reads ids: what makes them. Texts are padded at their end.
    max_length
        Where it reads ids of any length: to how many texts are cut and padded.
    """

    labels: Annotated[Path | None, Parameter(metavar="FILE")] = None
    tokenizer: Annotated[Path | None, Parameter(metavar="FILE")] = None
    max_length: Whole | None = None

    @property
    def places(self) -> tuple[tuple[Path | None, Place], ...]:
        """The files, for `check_places`."""
        return (self.labels, LABELS), (self.tokenizer, TOKENIZER)

    def check(self, *paths: str | Path | None) -> None:
        """Refuse options that none of a command's models has a use for, before any is opened."""
        from embzip.artefacts import is_foreign

        if self != OwnModel() and not any(path and is_foreign(path) for path in paths):
            raise UsageError(
                "--labels, --tokenizer and --max-length are for models of Keras and TensorFlow: "
                "a .embz and an exported .tflite have their own"
            )

    def open(self, *paths: str | Path, head: str | None = None) -> "TextClassifier":
        """Return the classifier of a file of any kind, or the ensemble of several."""
        from embzip.artefacts import open_classifier

        return open_classifier(paths, head=head, **vars(self))


def _number_or_name(given: str | None, default: str | int) -> str | int:
    if given is None:
        return default
    return int(given) if given.isascii() and given.isdigit() else given


def facts_of(meta: Sequence[str]) -> dict[str, str]:
    """Return what --meta was given, by name."""
    for fact in meta:
        if "=" not in fact:
            raise UsageError(f"--meta takes KEY=VALUE, such as licence=MIT, received {fact}")
    return {key: value for key, _, value in (fact.partition("=") for fact in meta)}


def given(options: object) -> dict[str, Any]:
    """Return the options of a group that were given, by name."""
    return {name: value for name, value in vars(options).items() if value is not None}


def corpus_of(
    corpus: Sequence[str | Path], labelled: Sequence[str | Path], *others: tuple[str | Path, Place]
) -> list[str | Path]:
    """Return the files of a corpus in the order of reading: labelled ones first, as in a recipe.

    Parameters
    ----------
    others
        The command's other files and their places, for `check_places`.

    Raises
    ------
    UsageError
        Without any file, or where one is named in both ways.
    InputError
        For a file of another kind.
    """
    files = [*labelled, *corpus]
    if not files:
        raise UsageError("name a text file as CORPUS, or by --labelled one of label<TAB>text lines")
    as_text = {str(file) for name in corpus for file in files_at(name)}
    for file in (str(file) for name in labelled for file in files_at(name)):
        if file in as_text:
            raise UsageError(f"{file} is named as text and by --labelled: name it once")
    plain = [(path, TEXTS) for path in corpus]
    check_places(*plain, *((path, EXAMPLES) for path in labelled), *others)
    return files
