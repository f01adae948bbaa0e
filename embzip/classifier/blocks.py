"""The base of encoders with mixing blocks; each subclass defines how tokens are mixed.

A linear projection of the table's columns (so that residuals add projected rows, and linear
decoding folds into the projection), sinusoidal positions, then blocks of

    x = norm(x + mix(x)); x = norm(x + narrow(ReLU(widen(x))))

and the mean over tokens. Positions of padding are zero before and after each block.
"""

from abc import abstractmethod
from functools import lru_cache

import numpy as np

from embzip.classifier.encoder import Encoder, linear, pooled
from embzip.types import Arrays, Matrix

EPSILON = 1e-5  # added to the variance in layer normalization


class BlockEncoder(Encoder):
    """Projection, positions, mixing blocks, mean over tokens.

    Notes
    -----
    Arrays: `project.{kernel,bias}` (columns, width); for each block `block.<i>.widen` (width,
    hidden), `block.<i>.narrow` (hidden, width), `block.<i>.norm_mix.{gamma,beta}` and
    `block.<i>.norm_forward.{gamma,beta}` (width,); and those of the mixing.

    References
    ----------
    Vaswani et al. 2017, Attention Is All You Need, for the block and the positions.
    """

    longest = 4096  # the cost, and the matrices of FNet, grow with its square
    width: int
    layers: int
    hidden: int

    def _check_blocks(self, **counts: int) -> None:
        """Raise `InputError` for a size out of range; `counts` are sizes of the mixing."""
        self._check(width=self.width, layers=self.layers, hidden=self.hidden, **counts)

    @abstractmethod
    def mixing_shapes(self, block: str) -> dict[str, tuple[int, ...]]:
        """Return the names and shapes of a block's mixing arrays; names begin with `block`."""

    @abstractmethod
    def mix(self, tokens: Matrix, shown: Matrix, arrays: Arrays, block: str) -> Matrix:
        """Return what each token receives from the others, (texts, length, width)."""

    @property
    def features(self) -> int:
        return self.width

    @property
    def readers(self) -> tuple[str, ...]:
        return ("project",)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = dense_shapes("project", self.columns, self.width)
        for block in self.blocks():
            shapes |= self.mixing_shapes(block)
            shapes |= dense_shapes(f"{block}.widen", self.width, self.hidden)
            shapes |= dense_shapes(f"{block}.narrow", self.hidden, self.width)
            for norm in ("norm_mix", "norm_forward"):
                shapes |= {f"{block}.{norm}.{name}": (self.width,) for name in ("gamma", "beta")}
        return shapes

    def blocks(self) -> list[str]:
        """Return the prefix of the names of each block's arrays."""
        return [f"block.{index}" for index in range(self.layers)]

    def encode(self, columns: Matrix, shown: Matrix, arrays: Arrays) -> Matrix:
        mask = shown[..., None]
        length = columns.shape[1]
        tokens = (
            linear(columns, arrays, "project") + positions(self.max_length, self.width)[:length]
        )
        tokens *= mask
        for block in self.blocks():
            mixed = self.mix(tokens, shown, arrays, block)
            tokens = _normalized(tokens + mixed, arrays, f"{block}.norm_mix")
            wide = np.maximum(linear(tokens, arrays, f"{block}.widen"), 0)
            narrow = linear(wide, arrays, f"{block}.narrow")
            tokens = _normalized(tokens + narrow, arrays, f"{block}.norm_forward") * mask
        return pooled(tokens, shown)


def dense_shapes(layer: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the arrays of a dense layer."""
    return {f"{layer}.kernel": (rows, columns), f"{layer}.bias": (columns,)}


@lru_cache(maxsize=8)
def positions(length: int, width: int) -> Matrix:
    """Return sinusoidal positions, (length, width); they are computed, and not stored in files."""
    waves = np.arange((width + 1) // 2)
    angles = np.arange(length)[:, None] / 10000.0 ** (2 * waves / width)
    table = np.empty((length, 2 * len(waves)), np.float32)
    table[:, 0::2], table[:, 1::2] = np.sin(angles), np.cos(angles)
    table = np.ascontiguousarray(table[:, :width])
    table.flags.writeable = False  # one array serves all models of this shape
    return table


def _normalized(tokens: Matrix, arrays: Arrays, layer: str) -> Matrix:
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(variance + np.float32(EPSILON))
    result: Matrix = scaled * arrays[f"{layer}.gamma"] + arrays[f"{layer}.beta"]
    return result
