"""FNet: a Fourier transform over tokens and columns instead of attention."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from embzip.classifier.blocks import BlockEncoder
from embzip.types import Arrays, Matrix


@dataclass(frozen=True)
class FnetConfig(BlockEncoder):
    """Mixing by the real part of a discrete Fourier transform, which has no learned parameters.

    The transform always covers `max_length` positions. Positions of padding are zero before it and
    set to zero after it, so for a short text the first rows and columns of its matrix suffice, and
    padding changes nothing. It is scaled to be unitary, so that it has the same magnitude as the
    residual. The features of an empty text are zero, so its prediction is that of the dense
    layer's bias.

    Attributes
    ----------
    columns, max_length, dropout, indicator
        As in every `Encoder`; max_length is at most 4096.
    width
        The width of a token's vector inside the blocks.
    layers
        The number of blocks.
    hidden
        Width of each block's feed-forward layer.

    Notes
    -----
    This differs from the paper, which keeps all frequencies of the padded sequence, does not scale
    the transform, learns positions, and uses GELU.

    References
    ----------
    Lee-Thorp et al. 2022, FNet: Mixing Tokens with Fourier Transforms.
    """

    kind: ClassVar[str] = "fnet"

    columns: int
    max_length: int
    width: int = 128
    layers: int = 2
    hidden: int = 256
    dropout: float = 0.2
    indicator: bool = False

    def __post_init__(self) -> None:
        self._check_blocks()

    def mixing_shapes(self, block: str) -> dict[str, tuple[int, ...]]:
        return {}

    def mix(self, tokens: Matrix, shown: Matrix, arrays: Arrays, block: str) -> Matrix:
        length = tokens.shape[1]
        cosine, sine = fourier(self.max_length)
        column_cosine, column_sine = fourier(self.width)
        # Re((C - iS) x (C' - iS')) = C x C' - S x S'
        mixed: Matrix = cosine[:length, :length] @ (tokens @ column_cosine)
        mixed -= sine[:length, :length] @ (tokens @ column_sine)
        return mixed


@lru_cache(maxsize=8)
def fourier(size: int) -> tuple[Matrix, Matrix]:
    """Return cosine and sine of the unitary discrete Fourier transform, (size, size) each."""
    turns = np.outer(np.arange(size), np.arange(size)) % size
    angles = 2 * np.pi * turns / size
    parts = []
    for part in (np.cos(angles), np.sin(angles)):
        matrix = (part / np.sqrt(size)).astype(np.float32)
        matrix.flags.writeable = False  # one array serves all models of this shape
        parts.append(matrix)
    return parts[0], parts[1]
