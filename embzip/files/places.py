"""What an argument of a command takes, and what it says when it is given another file.

Only kinds are compared here, before anything is read: a command that is given its files in the
wrong order names what each is, and where each belongs.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from embzip.errors import EmbzipError, InputError
from embzip.files.locations import files_at
from embzip.files.names import is_url
from embzip.files.signatures import Signature, signature_of

_JSON = {"json", "hf-tokenizer", "hf-config"}
_COMPRESSED = {"gzip", "bzip2", "xz", "zstd", "zip"}
_TEXTS = frozenset({"text", "labelled", "vectors", *_JSON, *_COMPRESSED})


@dataclass(frozen=True)
class Place:
    """What is expected in a place, and the kinds of `embzip.files.signatures` that are taken there.

    Files of unknown kind and empty ones are taken too: whoever reads them says what is wrong.
    """

    expected: str
    kinds: frozenset[str]

    def takes(self, found: Signature) -> bool:
        """Return whether a file of this kind may stand here."""
        return found.kind in self.kinds or found.kind in ("unknown", "empty")

    def kind_of(self, path: str | Path, error: type[EmbzipError] = InputError) -> str:
        """Return the kind of a file, or raise an error that says what it is instead."""
        found = signature_of(path)
        if not self.takes(found):
            raise error(f"{path}: expected {self.expected}, found {found}")
        return found.kind


TEXTS = Place("text, one text a line", _TEXTS)
EXAMPLES = Place("label<TAB>text lines", _TEXTS - {"vectors"} | {"parquet"})
TABLE = Place(
    "a table: a .embz file, vectors in text, word2vec binary, or a .npy with its words",
    frozenset({"embz", "npy", "npz", "safetensors", "fasttext", "vectors", "text", "json"})
    | _COMPRESSED,
)
EMBZ_FILE = Place("a .embz file", frozenset({"embz"}))
CLASSIFIER = Place("a classifier's .embz file", frozenset({"embz"}))
SERVED = Place("a classifier: a .embz file or an exported .tflite", frozenset({"embz", "tflite"}))
FOREIGN = frozenset({"keras", "h5", "frozen", "savedmodel"})
MODEL = Place(
    "a classifier: a .embz file, an exported .tflite, or a model of Keras or TensorFlow",
    SERVED.kinds | FOREIGN,
)
OUR_OR_FOREIGN = Place("a .embz file, or a model of Keras or TensorFlow", FOREIGN | {"embz"})
GRAPH = Place(
    "a model of Keras or TensorFlow: .keras, .h5, a SavedModel or a frozen graph", FOREIGN
)
ARRAYS = Place("arrays of NumPy: .npz or .npy", frozenset({"npz", "npy"}))
INPUTS = Place("arrays of NumPy, .npz or .npy, or texts, one a line", _TEXTS | {"npz", "npy"})
LABELS = Place("labels, one a line", _TEXTS - {"labelled"})
TOKENIZER = Place(
    "a tokenizer that `embzip build-words` or `embzip build-bpe` wrote, a tokenizer.json, a model "
    "of sentencepiece, a .embz file or a .keras file",
    frozenset(
        {
            "words",
            "bpe",
            "embz",
            "keras",
            "json",
            "hf-tokenizer",
            "sentencepiece",
            "text",
            "vectors",
        }
    ),
)
PROBABILITIES = Place("JSON lines with text and probabilities by label", _TEXTS - {"vectors"})
COUNTS = Place("token<TAB>count lines", _TEXTS | {"words"})
REPORT = Place("a report.json that `embzip run` wrote", _TEXTS)
OUTLINE = Place("the outline of a classifier in TOML", _TEXTS)
RECIPE = Place("a recipe in TOML", _TEXTS)


def check_places(*given: tuple[str | Path | None, Place]) -> None:
    """Refuse files that stand where another kind belongs.

    Parameters
    ----------
    given
        A file or a pattern, and the place that it was given for. None, `-`, URLs and what is no
        file are left to who reads them.

    Raises
    ------
    InputError
        For one or more such files; the message names them all, and says so where they only have
        to change places.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "test.tsv")
    >>> _ = path.write_text("sport\\tthree goals\\n")
    >>> check_places((path, EXAMPLES))
    """
    files = [
        (path, place, signature_of(path))
        for name, place in given
        if name is not None and str(name) != "-" and not is_url(name)
        for path in files_at(name)
        if os.path.isfile(path)
    ]
    wrong = [(path, place, found) for path, place, found in files if not place.takes(found)]
    if not wrong:
        return
    told = "; ".join(
        f"{path}: expected {place.expected}, found {found.what}" for path, place, found in wrong
    )
    swapped = any(
        wrong[0][1].takes(other) and place.takes(wrong[0][2])
        for path, place, other in files
        if path != wrong[0][0]
    )
    remedy = "; the files stand in each other's place: exchange them"
    if not swapped:
        remedy = f": {wrong[0][2].remedy}" * bool(wrong[0][2].remedy)
    raise InputError(told + remedy)
