"""Small real models for tests; not a test itself."""

import numpy as np

from embzip.classifier import (
    AttentionConfig,
    Classifier,
    CnnConfig,
    Encoder,
    FnetConfig,
    MeanConfig,
    head_shapes,
)
from embzip.compression import compress
from embzip.tokenizers import WordTokenizer
from embzip.tokenizers.base import Normalization
from embzip.vectors.base import Vectors

WORDS = ["able", "ably", "about", "café", "lion", "people", "say", "tiger", "zoo"]

SHAPES: dict[type[Encoder], dict] = {
    CnnConfig: {"filters": 5, "windows": (1, 2, 3)},
    MeanConfig: {},
    AttentionConfig: {"width": 12, "heads": 3, "layers": 2, "hidden": 7},
    FnetConfig: {"width": 9, "layers": 2, "hidden": 10},
}


def tiny_classifier(
    spec: str = "float32",
    *,
    dim: int = 6,
    max_length: int = 8,
    seed: int = 0,
    encoder: type[Encoder] = CnnConfig,
    labels: tuple[str, ...] = ("animals", "people"),
) -> Classifier:
    """Return a classifier with random weights over a table of eleven rows."""
    rng = np.random.default_rng(seed)
    tokenizer = WordTokenizer(WORDS, Normalization())
    matrix = rng.normal(size=(len(tokenizer.vocabulary), dim)).astype(np.float32)
    matrix[0] = 0
    counts = np.arange(len(matrix))
    embedding = compress(Vectors(tokenizer.vocabulary, matrix, counts, tokenizer), spec)
    config = encoder.of(dim, max_length, SHAPES[encoder])
    arrays = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in head_shapes(config, len(labels)).items()
    }
    return Classifier(embedding, labels, config, arrays)


def classifiers(spec: str = "float32") -> dict[str, Classifier]:
    """Four kinds over one table, reading texts to different lengths."""
    return {
        "topic": tiny_classifier(spec, max_length=8),
        "mood": tiny_classifier(spec, encoder=MeanConfig, labels=("glad", "sad", "so")),
        "style": tiny_classifier(spec, encoder=AttentionConfig, max_length=5),
        "length": tiny_classifier(spec, encoder=FnetConfig, max_length=30),
    }
