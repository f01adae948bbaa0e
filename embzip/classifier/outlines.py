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
from embzip.classifier.specs import parse_classifier
from embzip.compression import compress
from embzip.errors import InputError
from embzip.files.limits import MOST
from embzip.files.places import OUTLINE
from embzip.files.records import Fields
from embzip.tokenizers import load_tokenizer
from embzip.vectors.base import Vectors

_KEYS = ("tokenizer", "labels", "classifier", "max_length", "dim", "variables")


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
    fields = Fields.of_user(table, where)
    fields.only(_KEYS)
    labels = fields.texts("labels")
    if len(set(labels)) < max(2, len(labels)) or not all(labels):
        raise InputError(f"{path}: labels must be two or more different texts, found {labels}")
    names = fields.fields("variables", {})
    dim = fields.whole("dim", least=1, most=MOST["dim"])
    options = parse_classifier(fields.take("classifier", str, "cnn:128"), where)
    longest = fields.whole("max_length", least=1, most=MOST["max_length"])
    tokenizer = load_tokenizer(path.parent / fields.take("tokenizer", str))
    config = encoder_class(options.encoder).of(dim, longest, options.shape)
    empty = np.zeros((len(tokenizer.vocabulary), dim), np.float32)
    embedding = compress(Vectors(tokenizer.vocabulary, empty, tokenizer=tokenizer), "float32")
    shapes = head_shapes(config, len(labels))
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return Outline(
        Classifier(embedding, tuple(labels), config, arrays),
        {name: names.take(name, str) for name in names.values},
    )
