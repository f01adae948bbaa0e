"""Classifiers in NumPy: a configuration and named arrays -> probabilities. Trains nothing."""

from embzip.classifier.attention import AttentionConfig
from embzip.classifier.cnn import CnnConfig
from embzip.classifier.encoder import Encoder
from embzip.classifier.fnet import FnetConfig
from embzip.classifier.kit import Kit
from embzip.classifier.loading import load_classifier, load_model, load_one
from embzip.classifier.mean import MeanConfig
from embzip.classifier.model import Classifier, head_shapes
from embzip.classifier.registry import encoder_class
from embzip.types import Matrix

__all__ = [
    "AttentionConfig",
    "Classifier",
    "CnnConfig",
    "Encoder",
    "FnetConfig",
    "Kit",
    "Matrix",
    "MeanConfig",
    "encoder_class",
    "head_shapes",
    "load_classifier",
    "load_model",
    "load_one",
]
