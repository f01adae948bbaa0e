"""The list of encoders, and how to find one by name."""

from embzip.choices import chosen
from embzip.classifier.attention import AttentionConfig
from embzip.classifier.cnn import CnnConfig
from embzip.classifier.encoder import Encoder
from embzip.classifier.fnet import FnetConfig
from embzip.classifier.mean import MeanConfig

BUILTIN: tuple[type[Encoder], ...] = (CnnConfig, MeanConfig, AttentionConfig, FnetConfig)


def encoder_class(kind: str) -> type[Encoder]:
    """Return the encoder of a kind, written in any case.

    Raises
    ------
    SpecError
        For an unknown kind, with the nearest and all known ones.

    Examples
    --------
    >>> encoder_class("attention").defaults()
    {'width': 128, 'heads': 4, 'layers': 1, 'hidden': 256, 'dropout': 0.2}
    """
    known = {encoder.kind: encoder for encoder in BUILTIN}
    return known[chosen(kind, known, "encoder")]
