"""Factorizes the dense kernels of a classifier into two smaller ones, by singular values.

Convolutions are not factorized. `embzip.tf.tune` fine-tunes the result.
"""

from dataclasses import replace

import numpy as np

from embzip.classifier import Classifier
from embzip.errors import InputError


def factorize(
    classifier: Classifier, *, rank: int | None = None, energy: float | None = None
) -> Classifier:
    """Return the classifier with its dense kernels factorized, where that makes them smaller.

    A kernel (rows, columns) of rank r takes r * (rows + columns) numbers. A kernel that has no more
    numbers than that is kept, and so is one that is already factorized.

    Parameters
    ----------
    rank
        The rank of every kernel.
    energy
        Instead of `rank`: the share of each kernel's squared singular values to keep.

    Raises
    ------
    InputError
        Unless exactly one of `rank` and `energy` is given and in range, or if no kernel becomes
        smaller.

    Examples
    --------
    >>> from embzip.classifier import MeanConfig
    >>> from embzip.compression import compress
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4, 8), tokenizer=words), "float32")
    >>> arrays = {"dense.kernel": np.ones((8, 3), np.float32), "dense.bias": np.zeros(3)}
    >>> model = Classifier(table, ("a", "b", "c"), MeanConfig(8, 9), arrays)
    >>> factorize(model, energy=0.99).ranks
    {'dense': 1}
    """
    if (rank is None) == (energy is None):
        received = "neither" if rank is None else "both"
        raise InputError(f"factorize takes exactly one of rank and energy, received {received}")
    if rank is not None and rank < 1:
        raise InputError(f"rank must be at least 1, received {rank}")
    if energy is not None and not 0 < energy < 1:
        raise InputError(f"energy must lie in (0, 1), received {energy}")
    arrays, ranks = dict(classifier.arrays), dict(classifier.ranks)
    for name, kernel in classifier.arrays.items():
        layer, _, variable = name.rpartition(".")
        if variable != "kernel" or kernel.ndim != 2 or layer.removesuffix(".reduce") in ranks:
            continue
        left, values, right = np.linalg.svd(kernel.astype(np.float64), full_matrices=False)
        kept = rank or 1
        if energy is not None:
            shares = np.cumsum(np.square(values)) / max(float(np.square(values).sum()), 1e-300)
            kept = int(np.searchsorted(shares, energy)) + 1
        if kept * sum(kernel.shape) >= kernel.size:
            continue
        root = np.sqrt(values[:kept])  # split evenly, so that both factors fine-tune alike
        arrays[f"{layer}.reduce.kernel"] = np.asarray(left[:, :kept] * root, np.float32)
        arrays[name] = np.asarray(root[:, None] * right[:kept], np.float32)
        ranks[layer] = kept
    if ranks == classifier.ranks:
        asked = f"energy {energy}" if energy is not None else f"rank {rank or 1}"
        raise InputError(f"no dense kernel becomes smaller with {asked}: choose less, or rank 2")
    unmeasured = classifier.training.measured(None)
    return replace(classifier, arrays=arrays, ranks=ranks, digests={}, training=unmeasured)


def multiplied(classifier: Classifier) -> Classifier:
    """Return the classifier with each pair of factors as the one kernel that they stand for."""
    arrays = dict(classifier.arrays)
    for layer in classifier.ranks:
        reduce = arrays.pop(f"{layer}.reduce.kernel")
        arrays[f"{layer}.kernel"] = np.asarray(reduce @ arrays[f"{layer}.kernel"], np.float32)
    return replace(classifier, arrays=arrays, ranks={}, digests={})
