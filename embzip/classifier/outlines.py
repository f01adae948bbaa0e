"""Reads a classifier without variables from a TOML file; its variables are in another file.

tokenizer = "corpus.bpe.model"             # relative to this file; id i reads row i
labels = ["business", "sport"]             # in the order of the output columns
classifier = "cnn:128,windows=1-1-2-3"     # as in a recipe
max_length = 50
dim = 300
[variables]                                # optional: where names and shapes are ambiguous
"conv_0/kernel" = "first/kernel"
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embzip.classifier.model import Classifier, head_shapes
from embzip.classifier.registry import encoder_class
from embzip.classifier.specs import parse_classifier, refuse_unknown, typed
from embzip.compression import compress
from embzip.errors import InputError
from embzip.places import OUTLINE
from embzip.tokenizers import load_tokenizer
from embzip.vectors.base import Vectors

_KEYS = ("tokenizer", "labels", "classifier", "max_length", "dim", "variables")
_MOST_COLUMNS = 1 << 16


@dataclass(frozen=True, eq=False)
class Outline:
    """A classifier whose numbers are all zero, and the names of its variables in another file."""

    classifier: Classifier
    names: dict[str, str]


def read_outline(path: str | Path) -> Outline:
    """Read the outline of a classifier.

    Raises
    ------
    MissingFileError
        If the outline or its tokenizer does not exist.
    InputError
        For invalid TOML, a missing or unknown key, or a wrong value.
    SpecError, TokenizerError
        For a classifier spec that does not parse, or an invalid tokenizer file.
    """
    path = Path(path)
    OUTLINE.kind_of(path)
    where = str(path)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected the outline of a classifier in TOML: {error}"
        ) from error
    refuse_unknown(table, _KEYS, where)
    labels = typed(table, "labels", list, None, where)
    if len(set(map(str, labels))) < max(2, len(labels)) or not all(
        isinstance(label, str) and label for label in labels
    ):
        raise InputError(f"{path}: labels must be two or more different texts, found {labels}")
    names = typed(table, "variables", dict, {}, where)
    if not all(isinstance(name, str) for name in names.values()):
        raise InputError(f"{path}, [variables]: every value must be the name of a variable")
    dim = typed(table, "dim", int, None, where)
    if not 1 <= dim <= _MOST_COLUMNS:
        raise InputError(f"{path}: dim must lie in 1..{_MOST_COLUMNS}, received {dim}")
    options = parse_classifier(typed(table, "classifier", str, "cnn:128", where), where)
    longest = typed(table, "max_length", int, None, where)
    tokenizer = load_tokenizer(path.parent / typed(table, "tokenizer", str, None, where))
    config = encoder_class(options.encoder).of(dim, longest, options.shape)
    empty = np.zeros((len(tokenizer.vocabulary), dim), np.float32)
    embedding = compress(Vectors(tokenizer.vocabulary, empty, tokenizer=tokenizer), "float32")
    shapes = head_shapes(config, len(labels))
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return Outline(Classifier(embedding, tuple(labels), config, arrays), dict(names))
