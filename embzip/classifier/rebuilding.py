"""Rebuilds a classifier on a compressed table, without a framework.

The table stays compressed in memory: rows are decoded when they are looked up. Linear decoding (SVD
components, column scales, a mean) is folded into the kernels that read the table (convolutions, a
projection, the dense layer after a mean). So with a rank-64 table, convolutions are also 64 wide.
Nothing is trained here; `embzip.tf.tune` fine-tunes the result.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from embzip.classifier import Classifier, Kit
from embzip.classifier.folding import folded
from embzip.classifier.matching import matched
from embzip.classifier.storage import storage
from embzip.codecs.chain import Codec
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.embz.budgets import FileCodec, file_codec
from embzip.errors import InputError
from embzip.types import Arrays, Matrix

Model = TypeVar("Model", Classifier, Kit)
_RIDGE = 0.05  # share of the mean variance added to the metric, so that every direction counts


def rebuild(
    classifier: Classifier,
    embedding: CompressedEmbedding | None = None,
    *,
    codec: str | Codec | None = None,
    fold: bool = True,
    kernels: str | None = None,
    seed: int = 0,
) -> Classifier:
    """Return a new classifier over a compressed table.

    Parameters
    ----------
    classifier
        The model, usually with a float32 table.
    embedding
        A compressed table to use instead of the model's own. Rows are matched by token. Its
        vocabulary must be that of the model or a part of it; missing tokens become unknown. For a
        foreign table without an unknown row, the row nearest to the model's unknown row is used.
    codec
        Instead of `embedding`: the codec that compresses the model's own table. The error is
        weighted by the square root of the token counts, if the table has counts, and by the metric
        of the kernels that read it (`reading_metric`). A size of `auto` bounds the table, as in
        `embzip.compress`; commands bound the file, by `bounded`.
    fold
        Whether linear decoding is folded into the kernels that read the table. Probabilities stay
        the same within 1e-5.
    kernels
        How a file stores the kernels of convolutions and dense layers: `float32`, `float16`,
        `int8`, `int4` or `int2`; None keeps the current form. Given alone, the table is not
        changed.

    Raises
    ------
    InputError
        Unless exactly one of `embedding` and `codec`, or only `kernels`, is given.
    SpecError
        For an unknown value of `kernels`.
    MismatchError
        For a table with another tokenizer, other tokens or another width.

    Examples
    --------
    >>> from embzip.classifier import CnnConfig, head_shapes
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4), tokenizer=words), "float32")
    >>> config = CnnConfig(columns=4, max_length=9, filters=2, windows=(1,))
    >>> ones = {n: np.ones(s, np.float32) for n, s in head_shapes(config, 2).items()}
    >>> small = rebuild(Classifier(table, ("sport", "politics"), config, ones), codec="svd:2|int8")
    >>> small.embedding.codec.spec, small.embedding.dim, small.config.columns
    ('int8', 2, 2)
    """
    table = table_for(classifier, embedding, codec=codec, kernels=kernels, seed=seed)
    return on_table(classifier, table, fold=fold, kernels=kernels)


def rebuild_kit(
    kit: Kit,
    embedding: CompressedEmbedding | None = None,
    *,
    codec: str | Codec | None = None,
    fold: bool = True,
    kernels: str | None = None,
    seed: int = 0,
) -> Kit:
    """Return a kit whose classifiers read one compressed table; otherwise like `rebuild`."""
    table = table_for(kit, embedding, codec=codec, kernels=kernels, seed=seed)
    return on_table(kit, table, fold=fold, kernels=kernels)


def table_for(
    model: Classifier | Kit,
    embedding: CompressedEmbedding | None = None,
    *,
    codec: str | Codec | None = None,
    kernels: str | None = None,
    seed: int = 0,
) -> CompressedEmbedding | None:
    """Return the table that `rebuild` builds on, before folding; None where the old one stays.

    For a kit, the metric is the sum of the classifiers' metrics, each divided by its trace, so
    that classifiers with larger kernels do not count more.
    """
    if embedding is not None and codec is None:
        return matched(model.embedding, embedding)
    if codec is None and kernels is not None:
        return None
    if embedding is not None or codec is None:
        received = "neither" if embedding is None else "both"
        raise InputError(f"rebuild takes exactly one of embedding and codec, received {received}")
    if isinstance(model, Classifier):
        metric = reading_metric(model)
    else:
        own = [reading_metric(classifier) for classifier in model.classifiers.values()]
        metric = np.sum([each / np.trace(each) for each in own], axis=0, dtype=np.float32)
    return compress(model.embedding, codec, metric=metric, seed=seed)


def bounded(
    model: Classifier | Kit,
    codec: str,
    *,
    fold: bool = True,
    kernels: str | None = None,
    tuned: bool = False,
) -> FileCodec:
    """Return a codec whose `auto` bounds the file of a model that is rebuilt with it.

    With `tuned`, the file has room for the record of a tuning that follows.
    """
    named = {"": model} if isinstance(model, Classifier) else model.classifiers
    # Only sizes count, and zeros are rounded at once.
    heads = {
        n: replace(each, arrays={key: np.zeros_like(array) for key, array in each.arrays.items()})
        for n, each in named.items()
    }
    if tuned:
        heads = {
            n: replace(each, training=each.training.widest("tune")) for n, each in heads.items()
        }

    def made(table: CompressedEmbedding) -> tuple[CompressedEmbedding, Sequence[Arrays]]:
        rebuilt = {
            n: on_table(each, table, fold=fold, kernels=kernels) for n, each in heads.items()
        }
        if tuned:  # what a record says of dev is not taken over, and tuning measures it anew
            rebuilt = {n: replace(each, training=heads[n].training) for n, each in rebuilt.items()}
        stored = [each.tensors({"name": n} if n else {}) for n, each in rebuilt.items()]
        return next(iter(rebuilt.values())).embedding, stored

    return file_codec(codec, model.embedding, made)


def on_table(
    model: Model,
    table: CompressedEmbedding | None,
    *,
    fold: bool = True,
    kernels: str | None = None,
) -> Model:
    """Return a model on a table from `table_for`, with kernels in another form."""
    if isinstance(model, Kit):
        parts = model.classifiers.items()
        return Kit.of({n: on_table(each, table, fold=fold, kernels=kernels) for n, each in parts})
    storage(kernels or model.kernels)
    rebuilt = replace(model, kernels="float32", training=model.training.measured(None))
    if table is not None:
        rebuilt = folded(rebuilt, table) if fold else replace(rebuilt, embedding=table)
    return replace(rebuilt, kernels=kernels or model.kernels, digests={})  # rounded once, here


def reading_metric(classifier: Classifier) -> Matrix:
    """Return how much each direction of the table matters to the kernels that read it, (dim, dim).

    It is the sum of W W^T over those layers and all their taps, plus a ridge of 5 % of its mean
    variance.
    """
    dim = classifier.embedding.dim
    metric = np.zeros((dim, dim))
    for layer in classifier.config.readers:
        kernel = classifier.arrays[f"{layer}.kernel"].astype(np.float64)
        if layer in classifier.ranks:
            kernel = classifier.arrays[f"{layer}.reduce.kernel"].astype(np.float64) @ kernel
        for tap in kernel.reshape(-1, *kernel.shape[-2:])[:, :dim]:
            metric += tap @ tap.T
    ridge = _RIDGE * np.trace(metric) / dim
    return np.asarray(metric + max(ridge, 1e-12) * np.eye(dim), np.float32)
