"""The list of encoders, and how to find one by name."""

from embzip.classifier.attention import AttentionConfig
from embzip.classifier.cnn import CnnConfig
from embzip.classifier.encoder import Encoder
from embzip.classifier.fnet import FnetConfig
from embzip.classifier.mean import MeanConfig
from embzip.errors import SpecError

BUILTIN: tuple[type[Encoder], ...] = (CnnConfig, MeanConfig, AttentionConfig, FnetConfig)


def encoder_class(kind: str) -> type[Encoder]:
    """Return the encoder of a kind.

    Raises
    ------
    SpecError
        For an unknown kind, listing the known ones.

    Examples
    --------
    >>> encoder_class("attention").defaults()
    {'width': 128, 'heads': 4, 'layers': 1, 'hidden': 256, 'dropout': 0.2}
    """
    for known in BUILTIN:
        if known.kind == kind:
            return known
    kinds = ", ".join(known.kind for known in BUILTIN)
    raise SpecError(f"unknown encoder {kind!r}: the known ones are {kinds}")
