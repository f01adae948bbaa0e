"""The classifiers of `embzip.classifier` as Keras models, built from their configuration.

The definition is the NumPy one; these are tested against it. How they are trained stands in
`embzip.tf.training`.
"""

from typing import Any

import keras
from keras import layers, ops

from embzip.classifier import Classifier, CnnConfig, Matrix
from embzip.tf.layers import CompressedEmbeddingLayer


def build_model(config: CnnConfig, classes: int, embedding: Any, *, seed: int = 0) -> Any:
    """Return the Keras model of a shallow CNN with newly drawn weights.

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
        int32 ids (batch, time) -> probabilities (batch, classes); `time` at least the widest
        window. Its layer `dense` gives the logits.

    References
    ----------
    Kim 2014, Convolutional Neural Networks for Sentence Classification.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    columns = embedding(ids)
    if config.indicator:
        shown = ops.cast(ops.not_equal(ids, embedding.pad_id), "float32")
        columns = ops.concatenate([columns, ops.expand_dims(shown, -1)], axis=-1)
    seeds = iter(range(seed * 1000, seed * 1000 + 1000))  # one for each drawn thing
    features = []
    for index, window in enumerate(config.windows):
        initializer = keras.initializers.GlorotUniform(seed=next(seeds))
        found = layers.Conv1D(
            config.filters, window, kernel_initializer=initializer, name=f"conv_{index}"
        )(columns)
        # ReLU is monotone, so it may follow the maximum, where there is far less of it to do.
        features.append(layers.ReLU()(layers.GlobalMaxPooling1D()(found)))
    joined = ops.concatenate(features, axis=-1) if len(features) > 1 else features[0]
    dropped = layers.Dropout(config.dropout, seed=next(seeds))(joined)
    initializer = keras.initializers.GlorotUniform(seed=next(seeds))
    logits = layers.Dense(classes, kernel_initializer=initializer, name="dense")(dropped)
    return keras.Model(ids, layers.Softmax(name="softmax")(logits))


def from_classifier(classifier: Classifier, *, tunable: bool = False, seed: int = 0) -> Any:
    """Return a classifier as a Keras model; its embedding layer holds the codes.

    Parameters
    ----------
    tunable
        Whether training may move the params of the table's codec.

    Returns
    -------
    keras.Model
        int32 ids (batch, time), padded with the table's `pad_id` -> probabilities; equal to
        `Classifier.probabilities_of_ids` within 1e-5 where each text has at least as much padding
        as the widest window, or is `max_length` long.

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
    layer = CompressedEmbeddingLayer(classifier.embedding, tunable=tunable, name="embedding")
    model = build_model(classifier.config, len(classifier.labels), layer, seed=seed)
    for name, layer_name, index in _places(classifier.config):
        model.get_layer(layer_name).weights[index].assign(classifier.arrays[name])
    return model


def arrays_of(model: Any, config: CnnConfig) -> dict[str, Matrix]:
    """Return the weights of `build_model`'s model under the names of `Classifier.arrays`."""
    return {
        name: model.get_layer(layer_name).weights[index].value.numpy()
        for name, layer_name, index in _places(config)
    }


def _places(config: CnnConfig) -> list[tuple[str, str, int]]:
    """Return (name in Classifier.arrays, layer, index of the weight) of every array."""
    heads = [(f"conv.{i}", f"conv_{i}") for i in range(len(config.windows))]
    return [
        (f"{name}.{kind}", layer_name, index)
        for name, layer_name in [*heads, ("dense", "dense")]
        for index, kind in enumerate(("kernel", "bias"))
    ]
