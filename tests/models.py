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
from embzip.classifier.schedules import PolynomialSchedule
from embzip.classifier.text_digests import TextDigest
from embzip.classifier.training_record import TrainingRecord, TrainingRun
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


def training_record() -> TrainingRecord:
    """Return what a file says of a pruned classifier that was tuned on other texts."""
    train = TrainingRun(
        kind="train",
        training=TextDigest.of(["the lion", "people say", "the tiger"]),
        dev=TextDigest.of(["the zoo"]),
        held_out=True,
        epochs=9,
        best_epoch=3,
        batch_size=2,
        learning_rate=1e-3,
        optimizer="adam-rows",
        seed=5,
        patience=2,
        trainable=False,
        random_init=True,
        interrupted=True,
        pruning=PolynomialSchedule(0.75, end=12, frequency=3),
        soft=True,
    )
    tune = TrainingRun(
        kind="tune",
        training=TextDigest.of(["people", "lions"]),
        dev=TextDigest.of(["zoo", "say"]),
        held_out=False,
        epochs=2,
        best_epoch=2,
        batch_size=64,
        learning_rate=3e-4,
        optimizer="adam",
        seed=0,
        params=True,
        quantize=True,
    )
    return TrainingRecord((train, tune))


def classifiers(spec: str = "float32") -> dict[str, Classifier]:
    """Four kinds over one table, reading texts to different lengths."""
    return {
        "topic": tiny_classifier(spec, max_length=8),
        "mood": tiny_classifier(spec, encoder=MeanConfig, labels=("glad", "sad", "so")),
        "style": tiny_classifier(spec, encoder=AttentionConfig, max_length=5),
        "length": tiny_classifier(spec, encoder=FnetConfig, max_length=30),
    }
