"""embzip makes the embedding table of a text classifier small, and proves what it cost.

Training and rewriting Keras models live in `embzip.tf`, which alone imports TensorFlow.
"""

from embzip.classifier import (
    AttentionConfig,
    Classifier,
    CnnConfig,
    FnetConfig,
    Kit,
    MeanConfig,
    load_classifier,
)
from embzip.codecs import parse_codec
from embzip.compression import compress
from embzip.corpus import Example, read_examples
from embzip.embedding import CompressedEmbedding
from embzip.errors import EmbzipError
from embzip.evaluation import evaluate
from embzip.factorizing import factorize
from embzip.fileformat import load, save
from embzip.inspection import inspect
from embzip.pipeline import run
from embzip.prediction import Prediction, TextClassifier
from embzip.pruning import prune
from embzip.rebuilding import rebuild
from embzip.report.record import compare
from embzip.sensitivity import sensitivity
from embzip.tokenizers import build_bpe, build_words, load_tokenizer
from embzip.transfer import transfer
from embzip.vectors import Vectors, read_vectors, write_vectors
from embzip.vocabulary import Vocabulary
from embzip.word2vec import to_gensim, train_vectors

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
