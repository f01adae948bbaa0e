"""Tunes another's Keras model over a compressed table, to answer as the model itself does.

A table is read as its codec leaves it, as in our own students (`student_training`); here the
teacher is the model before, and texts are arrays.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embzip.classifier.training_options import check_training_options
from embzip.codecs.chain import Codec
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.foreign.keras_copying import Copier
from embzip.foreign.keras_rebuilding import rebuild_model, rows_of
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.layers.finding import check_model, chosen_embedding
from embzip.tf.output_lessons import CountedEmbedding, OutputLessons
from embzip.types import Progress


@dataclass(frozen=True, eq=False)
class DistilledLayer:
    """The result of `distill_layer`.

    Attributes
    ----------
    model
        The small model; the rebuilt one, untuned, where tuning did not help.
    embedding
        Its table.
    tuned
        Whether it is tuned.
    loss_before
        How far the rebuilt model is from the original's outputs on held-out data, untuned.
    losses
        The same after each epoch with a table read as coded; then once it is coded, before and
        after the last epoch.
    """

    model: Any
    embedding: CompressedEmbedding
    tuned: bool
    loss_before: float
    losses: list[float]


def distill_layer(
    model: Any,
    layer: str | None,
    embedding: CompressedEmbedding | str | Codec,
    data: Any,
    *,
    epochs: int = 3,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: Progress | None = None,
) -> DistilledLayer:
    """Rebuild a Keras model on a compressed table, and tune it against its own outputs.

    In the first epochs the rows are trained as float32 and read with the error that the codec
    leaves in them, measured anew every hundred steps, and all other variables with them: so codes
    are learned, whatever the codec is. Then the table is coded, and the rest is trained for one
    more epoch. A tenth of the data, held out, says which epoch is kept. Dropout is off, and the
    statistics of normalizations stay.

    Parameters
    ----------
    model
        A functional or sequential `keras.Model`; it is not changed.
    layer
        The Embedding layer, as in `embzip.foreign.rebuild_model`.
    embedding
        A codec; or a compressed table of the layer's shape, whose codec is used.
    data
        What the model takes: an array (n, ...), or a list or dictionary of arrays. Labels are not
        needed. More texts than the model was trained on, or mutilated copies of these, say more.
    epochs
        With a table read as coded.
    learning_rate
        Of Adam; a third of it in the last epoch.

    Raises
    ------
    InputError
        For fewer than 20 rows of data, arrays that differ in rows or do not fit the model, and
        options out of range.
    UnsupportedModelError, MismatchError
        As in `embzip.foreign.rebuild_model`.

    References
    ----------
    Hinton, Vinyals and Dean 2015, Distilling the knowledge in a neural network. Fan et al. 2021,
    Training with quantization noise for extreme model compression.

    Examples
    --------
    >>> import keras, embzip.tf
    >>> ids = np.random.default_rng(0).integers(0, 50, (64, 7))
    >>> model = keras.Sequential([keras.Input((7,)), keras.layers.Embedding(50, 8, name="words"),
    ...     keras.layers.LSTM(4), keras.layers.Dense(3, activation="softmax")])
    >>> made = embzip.tf.distill_layer(model, "words", "svd:4|int4", ids, epochs=1)
    >>> made.embedding.codec.spec, len(made.losses)
    ('svd:4|int4', 3)
    """
    check_training_options(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed
    )
    check_model(model)
    old = chosen_embedding(model, layer)
    matrix = rows_of(old)
    if not isinstance(embedding, CompressedEmbedding):
        embedding = compress(matrix, embedding, seed=seed)
    plain = rebuild_model(model, layer, embedding)
    lesson = OutputLessons(model, data, batch_size=batch_size, seed=seed)
    before = lesson.judge(plain)
    options = {"mask_zero": old.mask_zero, "name": old.name, "dtype": old.compute_dtype}
    rows = CountedEmbedding(matrix, pad_id=embedding.pad_id, **options)
    student = Copier({id(old): rows}).copy(model)
    weights = np.sqrt(lesson.counts(student, rows) + 1)

    def coded() -> CompressedEmbedding:
        learned = compress(rows.table.value.numpy(), embedding.codec, weights=weights, seed=seed)
        return replace(embedding, codes=learned.codes, params=learned.params, digests={})

    def recode() -> None:
        rows.read_as(coded().decode())

    steps = lesson.steps * (epochs + 1)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, steps)

    losses = lesson.fit(student, learning_rate, epochs, report, recode)
    table = coded()
    decoding = CompressedEmbeddingLayer(table, **options)
    small = Copier({id(rows): decoding}).copy(student)
    decoding.decode_once()  # for training
    losses += lesson.fit(
        small, learning_rate / 3, 1, lambda done: report(lesson.steps * epochs + done)
    )
    decoding.decode_anew()
    if min(losses[-2:]) >= before:
        return DistilledLayer(plain, embedding, False, before, losses)
    return DistilledLayer(small, table, True, before, losses)
