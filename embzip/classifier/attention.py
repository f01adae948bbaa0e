"""A small self-attention encoder with several heads."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embzip.classifier.blocks import BlockEncoder, dense_shapes
from embzip.classifier.encoder import linear
from embzip.errors import InputError
from embzip.types import Arrays, Matrix

HIDDEN_SCORE = -1e9  # the score of padding before the softmax; finite, to avoid NaN


@dataclass(frozen=True)
class AttentionConfig(BlockEncoder):
    """Scaled dot-product self-attention in several heads; padding is never attended to.

    The features of an empty text are zero, so its prediction is that of the dense layer's bias.

    Attributes
    ----------
    columns, max_length, dropout, indicator
        As in every `Encoder`; max_length is at most 4096.
    width
        The width of a token's vector inside the blocks; a multiple of `heads`.
    heads
        The number of attention heads per block.
    layers
        The number of blocks.
    hidden
        Width of each block's feed-forward layer.

    Notes
    -----
    The arrays of a block's mixing are `block.<i>.{query,key,value,merge}`, each a dense layer
    (width, width); for the others, see `BlockEncoder`.

    References
    ----------
    Vaswani et al. 2017, Attention Is All You Need.
    """

    kind: ClassVar[str] = "attention"

    columns: int
    max_length: int
    width: int = 128
    heads: int = 4
    layers: int = 1
    hidden: int = 256
    dropout: float = 0.2
    indicator: bool = False

    def __post_init__(self) -> None:
        self._check_blocks(heads=self.heads)
        if self.width % self.heads:
            raise InputError(
                f"width must be a multiple of heads, received {self.width} and {self.heads}"
            )

    def mixing_shapes(self, block: str) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in ("query", "key", "value", "merge"):
            shapes |= dense_shapes(f"{block}.{layer}", self.width, self.width)
        return shapes

    def mix(self, tokens: Matrix, shown: Matrix, arrays: Arrays, block: str) -> Matrix:
        texts, length, width = tokens.shape
        query, key, value = (
            linear(tokens, arrays, f"{block}.{layer}")
            .reshape(texts, length, self.heads, width // self.heads)
            .transpose(0, 2, 1, 3)
            for layer in ("query", "key", "value")
        )
        scale = np.float32((width // self.heads) ** -0.5)
        scores = (query * scale) @ key.transpose(0, 1, 3, 2)
        scores += ((1 - shown) * np.float32(HIDDEN_SCORE))[:, None, None, :]
        scores -= scores.max(axis=-1, keepdims=True)
        powers = np.exp(scores)
        powers /= powers.sum(axis=-1, keepdims=True)
        attended = (powers @ value).transpose(0, 2, 1, 3).reshape(texts, length, width)
        return linear(attended, arrays, f"{block}.merge")
