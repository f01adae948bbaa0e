"""embzip makes the embedding table of a text classifier small, and proves what it cost.

Training and rewriting Keras models live in `embzip.tf`, which alone imports TensorFlow. A name is
imported when it is first used (PEP 562): serving a model pays for nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embzip.classifier import (
        AttentionConfig,
        Classifier,
        CnnConfig,
        FnetConfig,
        Kit,
        MeanConfig,
        load_classifier,
    )
    from embzip.classifier.factorizing import factorize
    from embzip.classifier.rebuilding import rebuild
    from embzip.classifier.sensitivities import sensitivity
    from embzip.codecs import parse_codec
    from embzip.compression import compress
    from embzip.corpus import Example, read_examples
    from embzip.embedding import CompressedEmbedding
    from embzip.embz.format import load, save
    from embzip.embz.inspection import inspect
    from embzip.errors import EmbzipError
    from embzip.evaluation.accuracy import evaluate
    from embzip.pipeline import run
    from embzip.prediction import Prediction, TextClassifier, TextKit
    from embzip.report.record import compare
    from embzip.tokenizers import load_tokenizer
    from embzip.tokenizers.building import build_bpe, build_words
    from embzip.vectors.base import Vectors, read_vectors, write_vectors
    from embzip.vectors.pruning import prune
    from embzip.vectors.training import to_gensim, train_vectors
    from embzip.vectors.transferring import transfer
    from embzip.vocabulary import Vocabulary

__all__ = [
    "AttentionConfig",
    "Classifier",
    "CnnConfig",
    "CompressedEmbedding",
    "EmbzipError",
    "Example",
    "FnetConfig",
    "Kit",
    "MeanConfig",
    "Prediction",
    "TextClassifier",
    "TextKit",
    "Vectors",
    "Vocabulary",
    "build_bpe",
    "build_words",
    "compare",
    "compress",
    "evaluate",
    "factorize",
    "inspect",
    "load",
    "load_classifier",
    "load_tokenizer",
    "parse_codec",
    "prune",
    "read_examples",
    "read_vectors",
    "rebuild",
    "run",
    "save",
    "sensitivity",
    "to_gensim",
    "train_vectors",
    "transfer",
    "write_vectors",
]

# Where the names live; a test holds this to the imports above, which type checkers read. No module
# may be called as a name is: importing it would put it in the name's place.
_HOMES = {
    "classifier": (
        "AttentionConfig", "Classifier", "CnnConfig", "FnetConfig", "Kit", "MeanConfig",
        "load_classifier",
    ),
    "codecs": ("parse_codec",),
    "compression": ("compress",),
    "corpus": ("Example", "read_examples"),
    "embedding": ("CompressedEmbedding",),
    "errors": ("EmbzipError",),
    "evaluation.accuracy": ("evaluate",),
    "classifier.factorizing": ("factorize",),
    "embz.format": ("load", "save"),
    "embz.inspection": ("inspect",),
    "pipeline": ("run",),
    "prediction": ("Prediction", "TextClassifier", "TextKit"),
    "vectors.pruning": ("prune",),
    "classifier.rebuilding": ("rebuild",),
    "report.record": ("compare",),
    "classifier.sensitivities": ("sensitivity",),
    "tokenizers": ("load_tokenizer",),
    "tokenizers.building": ("build_bpe", "build_words"),
    "vectors.transferring": ("transfer",),
    "vectors.base": ("Vectors", "read_vectors", "write_vectors"),
    "vocabulary": ("Vocabulary",),
    "vectors.training": ("to_gensim", "train_vectors"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'embzip' has no attribute {name!r}")
    found: object = getattr(import_module(f"embzip.{_HOME_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
