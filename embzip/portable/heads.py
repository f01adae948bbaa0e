"""Encoders and dense layers as other languages compute them: in blocks of eight outputs.

A matrix (inputs, outputs) is stored block by block: of a block, for each input, eight numbers in
as many bits as the classifier's file has. Outputs are filled up to whole blocks with zeros. A
language without vectors reads them one by one; C's compilers keep eight sums in registers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.cnn import CnnConfig
from embzip.classifier.encoder import Encoder
from embzip.classifier.mean import MeanConfig
from embzip.classifier.model import Classifier
from embzip.classifier.storage import SCALED, scaled
from embzip.errors import UnsupportedModelError
from embzip.types import Matrix

WIDTH = 8  # outputs of a block
FORMS = ("float32", "float16", "int8", "int4", "int2")


@dataclass(frozen=True, eq=False)
class Layer:
    """A matrix in blocks, what its outputs are multiplied by, and what is added to them.

    Attributes
    ----------
    window
        Tokens whose columns are the inputs, the first token's first; 1 of a dense layer.
    numbers
        (blocks, inputs, n): eight numbers in float32 or float16, or in n bytes, of which the first
        output's stands in the first byte's lowest bits.
    scale, bias
        (outputs) float32; scale is all ones where numbers are floats.
    """

    window: int
    inputs: int
    outputs: int
    numbers: NDArray[np.generic]
    scale: Matrix
    bias: Matrix


@dataclass(frozen=True, eq=False)
class PortableHead:
    """One classifier above the table.

    Attributes
    ----------
    form
        How its kernels are stored, one of `FORMS`.
    columns
        What is read of each token: those of the table, and with `indicator` a 1.
    convolutions
        Those of a CNN; none where the dense layer reads the mean.
    """

    name: str
    labels: tuple[str, ...]
    form: str
    max_length: int
    columns: int
    indicator: bool
    convolutions: tuple[Layer, ...]
    dense: Layer

    @property
    def features(self) -> int:
        """What the dense layer reads: of each convolution whole blocks, the rest of which is 0."""
        return self.dense.inputs


def portable_head(name: str, classifier: Classifier) -> PortableHead:
    """Return a classifier's head.

    Raises
    ------
    UnsupportedModelError
        For an encoder other than `cnn` and `mean`, and for factorized layers.
    """
    config, arrays = classifier.config, classifier.arrays
    if classifier.ranks:
        raise UnsupportedModelError(
            "a source file holds no factorized layers, and this classifier has "
            f"{', '.join(classifier.ranks)}: export it before `embzip factorize`"
        )
    group = config.filters if isinstance(config, CnnConfig) else config.features
    layers = tuple(
        _layer(config.windows[index], f"conv.{index}", arrays, classifier.kernels)
        for index in range(_windows(config))
        if isinstance(config, CnnConfig)
    )
    return PortableHead(
        name,
        classifier.labels,
        classifier.kernels,
        config.max_length,
        config.columns,
        config.indicator,
        layers,
        _layer(1, "dense", arrays, classifier.kernels, group),
    )


def _windows(config: Encoder) -> int:
    if isinstance(config, CnnConfig):
        return len(config.windows)
    if isinstance(config, MeanConfig):
        return 0
    raise UnsupportedModelError(
        f"a source file computes the encoders cnn and mean, received {config.kind}: `embzip "
        "distill` makes a student that is one"
    )


def _layer(
    window: int, name: str, arrays: Mapping[str, Matrix], form: str, group: int | None = None
) -> Layer:
    """Return a layer; of `group` inputs each, as many zeros follow as fill up a block."""
    kernel = arrays[f"{name}.kernel"]
    outputs = kernel.shape[-1]
    numbers: NDArray[np.generic] = kernel.reshape(-1, outputs)
    scale = np.ones(outputs, np.float32)
    if form in SCALED:
        numbers, halves = scaled(form).fitted(name, kernel)
        scale = halves.astype(np.float32)
    else:
        numbers = numbers.astype(form)
    if group is not None and group % WIDTH and len(numbers) > group:
        parts = numbers.reshape(-1, group, outputs)
        filling = np.zeros((len(parts), -group % WIDTH, outputs), numbers.dtype)
        numbers = np.concatenate([parts, filling], axis=1).reshape(-1, outputs)
    blocks = _blocks(numbers)
    if form in SCALED:
        blocks = _packed(blocks, scaled(form).bits)
    bias = np.asarray(arrays[f"{name}.bias"], np.float32)
    return Layer(window, len(numbers), outputs, blocks, scale, bias)


def _blocks(matrix: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return (blocks, inputs, 8) of (inputs, outputs), filled up with zeros."""
    inputs, outputs = matrix.shape
    wide = np.zeros((inputs, -(-outputs // WIDTH) * WIDTH), matrix.dtype)
    wide[:, :outputs] = matrix
    return np.ascontiguousarray(wide.reshape(inputs, -1, WIDTH).transpose(1, 0, 2))


def _packed(codes: NDArray[np.generic], bits: int) -> NDArray[np.uint8]:
    """Return (blocks, inputs, bits) bytes of (blocks, inputs, 8) codes.

    >>> _packed(np.arange(8, dtype=np.uint8)[None, None], 4).tolist()
    [[[16, 50, 84, 118]]]
    """
    parts = codes.astype(np.uint8).reshape(*codes.shape[:2], bits, WIDTH // bits)
    shifts = (np.arange(WIDTH // bits) * bits).astype(np.uint8)
    packed: NDArray[np.uint8] = np.bitwise_or.reduce(parts << shifts, axis=3)
    return packed
