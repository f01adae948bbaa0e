"""Builds the classifiers of `embzip.classifier` as Keras models, from their configuration.

The NumPy version is the definition, against which these models are tested. Encoders are built in
`embzip.tf.encoders`; models are trained in `embzip.tf.training`.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from embzip.classifier import Classifier, Encoder, Kit, head_shapes
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.tf.encoders import LayerFactory, features_of
from embzip.types import Arrays, Matrix


def build_model(
    config: Encoder,
    classes: int,
    embedding: Any,
    *,
    seed: int = 0,
    ranks: Mapping[str, int] | None = None,
) -> Any:
    """Return the Keras model of a classifier, randomly initialized.

    Parameters
    ----------
    config
        The encoder.
    classes
        The number of output columns.
    embedding
        A layer with a `pad_id`: (batch, time) ids -> (batch, time, dim); padding becomes zeros.
    seed
        The seed of the initialization and the dropout.
    ranks
        The ranks of factorized layers, as in `Classifier`.

    Returns
    -------
    keras.Model
        int32 ids (batch, time) -> probabilities (batch, classes); `time` is at least the
        encoder's `padding` and at most `max_length`. Its layer `dense` computes the logits.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    columns, shown = embedding(ids), shown_of(ids, embedding)
    return keras.Model(
        ids, answer(config, classes, columns, shown, LayerFactory(seed, ranks=ranks))
    )


def from_classifier(classifier: Classifier, *, tunable: bool = False, seed: int = 0) -> Any:
    """Return a classifier as a Keras model; its embedding layer contains the codes.

    Parameters
    ----------
    tunable
        Whether training may change the params of the table's codec.

    Returns
    -------
    keras.Model
        int32 ids (batch, time), padded with the table's `pad_id` -> probabilities; equal to
        `Classifier.probabilities_of_ids` within 1e-5, if each text is followed by at least the
        encoder's `padding`, or is `max_length` long.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip.corpus import Example
    >>> from embzip.tf import train
    >>> from embzip.vectors.base import Vectors
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["goal", "vote"]), np.eye(2))
    >>> examples = [Example(text="goal", label="sport"), Example(text="vote", label="politics")]
    >>> classifier = train(examples, table, epochs=1).classifier
    >>> model = from_classifier(classifier)
    >>> model(np.array([[2, 0, 0, 0]])).shape
    TensorShape([1, 2])
    """
    layer = CompressedEmbeddingLayer(classifier.embedding, tunable=tunable, name="embedding")
    model = build_model(
        classifier.config, len(classifier.labels), layer, seed=seed, ranks=classifier.ranks
    )
    assign(model, classifier.arrays, LayerFactory(seed))
    return model


def from_kit(kit: Kit) -> Any:
    """Return a kit as one Keras model: one look-up, and one output per classifier.

    Returns
    -------
    keras.Model
        int32 ids (batch, time), padded with the table's `pad_id` -> a dictionary of the
        probabilities by the classifiers' names; equal to `Kit.probabilities` within 1e-5, if each
        text is followed by at least the encoders' `padding`, or is as long as the largest
        `max_length`. The layers of classifier i are named `head_<i>_...`.
    """
    layer = CompressedEmbeddingLayer(kit.embedding, name="embedding")
    ids = keras.Input((None,), dtype="int32", name="ids")
    columns, shown = layer(ids), shown_of(ids, layer)
    factories = [
        LayerFactory(0, f"head_{index}_", classifier.ranks)
        for index, classifier in enumerate(kit.classifiers.values())
    ]
    answers = {}
    for factory, (name, classifier) in zip(factories, kit.classifiers.items(), strict=True):
        config = classifier.config
        read = slice(None, config.max_length)
        answers[name] = answer(
            config, len(classifier.labels), columns[:, read], shown[:, read], factory
        )
    model = keras.Model(ids, answers)
    for factory, classifier in zip(factories, kit.classifiers.values(), strict=True):
        assign(model, classifier.arrays, factory)
    return model


def arrays_of(
    model: Any, config: Encoder, classes: int, ranks: Mapping[str, int] | None = None
) -> dict[str, Matrix]:
    """Return the variables of a model of `build_model` by the names of `Classifier.arrays`."""
    arrays: dict[str, Matrix] = {}
    for name in head_shapes(config, classes, ranks):
        layer_name, index = LayerFactory(0).place(name)
        arrays[name] = model.get_layer(layer_name).weights[index].value.numpy()
    return arrays


def shown_of(ids: Any, embedding: Any) -> Any:
    """Return (batch, time, 1): 1 for tokens, 0 for padding."""
    return ops.expand_dims(ops.cast(ops.not_equal(ids, embedding.pad_id), "float32"), -1)


def answer(config: Encoder, classes: int, columns: Any, shown: Any, factory: LayerFactory) -> Any:
    """Return the probabilities of one classifier, (batch, classes)."""
    if config.indicator:
        columns = ops.concatenate([columns, shown], axis=-1)
    features = features_of(config, columns, shown, factory)
    dropped = layers.Dropout(config.dropout, seed=factory.seed())(features)
    logits = factory.dense(dropped, "dense", classes)
    return layers.Softmax(name=factory.name("softmax"))(logits)


def assign(model: Any, arrays: Arrays, factory: LayerFactory) -> None:
    """Set variables of a model to the arrays of a classifier, or to some of them."""
    for name, array in arrays.items():
        layer_name, index = factory.place(name)
        model.get_layer(layer_name).weights[index].assign(array)
