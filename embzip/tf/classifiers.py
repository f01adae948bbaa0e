"""The classifiers of `embzip.classifier` as Keras models, built from their configuration.

The definition is the NumPy one; these are tested against it. How they are trained stands in
`embzip.tf.training`, how each encoder is built in `embzip.tf.encoders`.
"""

from typing import Any

import keras
from keras import layers, ops

from embzip.classifier import Classifier, Encoder, Matrix, head_shapes
from embzip.tf.encoders import Weights, features_of, place
from embzip.tf.layers import CompressedEmbeddingLayer


def build_model(config: Encoder, classes: int, embedding: Any, *, seed: int = 0) -> Any:
    """Return the Keras model of a classifier with newly drawn weights.

    Parameters
    ----------
    config
        The shape of the network.
    classes
        Output columns.
    embedding
        A layer: (batch, time) ids -> (batch, time, dim), padding rows zero; with a `pad_id`.
    seed
        Of the weights and the dropout.

    Returns
    -------
    keras.Model
        int32 ids (batch, time) -> probabilities (batch, classes); `time` at least the encoder's
        `padding`, at most `max_length`. Its layer `dense` gives the logits.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    columns = embedding(ids)
    shown = ops.expand_dims(ops.cast(ops.not_equal(ids, embedding.pad_id), "float32"), -1)
    if config.indicator:
        columns = ops.concatenate([columns, shown], axis=-1)
    weights = Weights(seed)
    features = features_of(config, columns, shown, weights)
    dropped = layers.Dropout(config.dropout, seed=weights.seed())(features)
    logits = weights.dense(dropped, "dense", classes)
    return keras.Model(ids, layers.Softmax(name="softmax")(logits))


def from_classifier(classifier: Classifier, *, seed: int = 0) -> Any:
    """Return a classifier as a Keras model; its embedding layer holds the codes.

    Returns
    -------
    keras.Model
        int32 ids (batch, time), padded with the table's `pad_id` -> probabilities; equal to
        `Classifier.probabilities_of_ids` within 1e-5 where each text has at least as much padding
        as the encoder's `padding` says, or is `max_length` long.

    Examples
    --------
    >>> import numpy as np
    >>> from embzip.corpus import Example
    >>> from embzip.tf import train
    >>> from embzip.vectors import Vectors
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["goal", "vote"]), np.eye(2))
    >>> examples = [Example("goal", "sport"), Example("vote", "politics")]
    >>> classifier = train(examples, table, epochs=1).classifier
    >>> model = from_classifier(classifier)
    >>> model(np.array([[2, 0, 0, 0]])).shape
    TensorShape([1, 2])
    """
    layer = CompressedEmbeddingLayer(classifier.embedding, name="embedding")
    model = build_model(classifier.config, len(classifier.labels), layer, seed=seed)
    for name, array in classifier.arrays.items():
        layer_name, index = place(name)
        model.get_layer(layer_name).weights[index].assign(array)
    return model


def arrays_of(model: Any, config: Encoder, classes: int) -> dict[str, Matrix]:
    """Return the weights of `build_model`'s model under the names of `Classifier.arrays`."""
    arrays: dict[str, Matrix] = {}
    for name in head_shapes(config, classes):
        layer_name, index = place(name)
        arrays[name] = model.get_layer(layer_name).weights[index].value.numpy()
    return arrays
