"""Folds the linear part of decoding into the kernels of a classifier that read the table.

An SVD's components, scales a column and a mean are one matrix and one offset; multiplied into the
kernels they cost nothing to decode, and a rank-64 table computes 64-wide convolutions.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.model import Classifier
from embzip.codecs.chain import Codec, affine, params_of
from embzip.embedding import CompressedEmbedding


def folded(classifier: Classifier, table: CompressedEmbedding) -> Classifier:
    """Return a classifier over a table whose linear part moved into the kernels that read it."""
    split = linear_part(table)
    if split is None:
        return replace(classifier, embedding=table)
    plain, matrix, offset = split
    config = classifier.config
    indicator = config.indicator or bool(offset.any())
    arrays = dict(classifier.arrays)
    for layer in config.readers:
        reading = f"{layer}.reduce.kernel" if layer in classifier.ranks else f"{layer}.kernel"
        kernel = classifier.arrays[reading].astype(np.float64)
        words = kernel[..., : table.dim, :]
        parts = [matrix @ words]
        if indicator:
            carried = kernel[..., table.dim :, :].sum(axis=-2, keepdims=True)
            parts.append((offset @ words)[..., None, :] + carried)
        arrays[reading] = np.concatenate(parts, axis=-2).astype(np.float32)
    return replace(
        classifier,
        embedding=plain,
        config=config.reading(plain.dim + indicator, indicator=indicator),
        arrays=arrays,
        digests={},
    )


def linear_part(
    table: CompressedEmbedding,
) -> tuple[CompressedEmbedding, NDArray[np.float64], NDArray[np.float64]] | None:
    """Return (q, matrix, offset) with table == q @ matrix + offset; None if q is the table itself.

    q has the same vocabulary, so its padding row reads as zeros.
    """
    transforms = table.codec.transforms
    unscaled = table.codec.quantizer.unscaled(params_of(table.params, len(transforms)))
    if not transforms and unscaled.column_scale is None:
        return None
    columns = table.dim
    for transform in transforms:
        columns = transform.out_dim(columns)
    # Decoding is q @ matrix + offset; both are accumulated from the quantizer outwards.
    matrix = np.eye(columns, dtype=np.float64)
    if unscaled.column_scale is not None:
        matrix *= unscaled.column_scale[:, None]
    offset = np.zeros(columns)
    for index in range(len(transforms) - 1, -1, -1):
        linear, constant = affine(
            transforms[index], params_of(table.params, index), matrix.shape[1]
        )
        matrix = matrix @ linear.astype(np.float64)
        offset = offset @ linear.astype(np.float64) + constant
    plain = replace(
        table,
        codec=Codec((), unscaled.quantizer),
        params={f"0.{name}": array for name, array in unscaled.params.items()},
        dim=columns,
        digests={},
    )
    return plain, matrix, offset
