"""Builds the encoders of `embzip.classifier` in Keras: one function per kind.

Only operations that LiteRT supports are used. `LayerFactory` makes the layers.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
from keras import layers, ops

from embzip.classifier import AttentionConfig, CnnConfig, Encoder, FnetConfig, MeanConfig
from embzip.classifier.blocks import EPSILON, BlockEncoder
from embzip.tf.mixing import FourierMixing, Positions, SelfAttention


class LayerFactory:
    """Makes randomly initialized layers, named after the arrays of the classifier.

    Parameters
    ----------
    seed
        The seed of the initialization.
    prefix
        The prefix of the layers' names, if one model contains several classifiers.
    ranks
        The ranks of factorized dense layers.
    """

    def __init__(self, seed: int, prefix: str = "", ranks: Mapping[str, int] | None = None) -> None:
        self._seeds: Iterator[int] = iter(range(seed * 1000, seed * 1000 + 1000))
        self._prefix = prefix
        self._ranks = ranks or {}

    def name(self, layer: str) -> str:
        """Return the name of a layer in Keras."""
        return self._prefix + layer.replace(".", "_")

    def place(self, array: str) -> tuple[str, int]:
        """Return the Keras layer of a classifier's array, and the index of its variable there.

        >>> LayerFactory(0).place("block.0.norm_mix.beta")
        ('block_0_norm_mix', 1)
        """
        layer, _, variable = array.rpartition(".")
        return self.name(layer), {"kernel": 0, "gamma": 0, "bias": 1, "beta": 1}[variable]

    def seed(self) -> int:
        """Return a seed that was not returned before."""
        return next(self._seeds)

    def dense(self, columns: Any, layer: str, units: int) -> Any:
        """Return the output of a dense layer, as in `embzip.classifier.encoder.linear`."""
        if layer in self._ranks:
            reduce = layers.Dense(
                self._ranks[layer],
                use_bias=False,
                kernel_initializer=self._kernel(),
                name=self.name(f"{layer}.reduce"),
            )
            columns = reduce(columns)
        kernel = self._kernel()
        return layers.Dense(units, kernel_initializer=kernel, name=self.name(layer))(columns)

    def convolution(self, columns: Any, layer: str, filters: int, window: int) -> Any:
        """Return a convolution over time, without padding."""
        kernel = self._kernel()
        return layers.Conv1D(filters, window, kernel_initializer=kernel, name=self.name(layer))(
            columns
        )

    def normalization(self, columns: Any, layer: str) -> Any:
        """Return layer normalization over the last axis."""
        return layers.LayerNormalization(epsilon=EPSILON, name=self.name(layer))(columns)

    def _kernel(self) -> Any:
        return keras.initializers.GlorotUniform(seed=self.seed())


def features_of(config: Encoder, columns: Any, shown: Any, factory: LayerFactory) -> Any:
    """Return the features (batch, features) of columns (batch, time, columns).

    Parameters
    ----------
    shown
        (batch, time, 1): 1 for tokens, 0 for padding.
    """
    return _BUILDERS[config.kind](config, columns, shown, factory)


def _cnn(config: CnnConfig, columns: Any, shown: Any, factory: LayerFactory) -> Any:
    features = []
    for index, window in enumerate(config.windows):
        found = factory.convolution(columns, f"conv.{index}", config.filters, window)
        # ReLU is monotone, so it may follow the maximum, after which there are far fewer numbers.
        features.append(layers.ReLU()(layers.GlobalMaxPooling1D()(found)))
    return ops.concatenate(features, axis=-1) if len(features) > 1 else features[0]


def _mean(config: MeanConfig, columns: Any, shown: Any, factory: LayerFactory) -> Any:
    return _pooled(columns, shown)


def _attention(config: AttentionConfig, columns: Any, shown: Any, factory: LayerFactory) -> Any:
    def mix(tokens: Any, block: str) -> Any:
        query, key, value = (
            factory.dense(tokens, f"{block}.{layer}", config.width)
            for layer in ("query", "key", "value")
        )
        attended = SelfAttention(config.heads)([query, key, value, shown])
        return factory.dense(attended, f"{block}.merge", config.width)

    return _blocks(config, columns, shown, factory, mix)


def _fnet(config: FnetConfig, columns: Any, shown: Any, factory: LayerFactory) -> Any:
    def mix(tokens: Any, block: str) -> Any:
        return FourierMixing(config.max_length)(tokens)

    return _blocks(config, columns, shown, factory, mix)


def _blocks(
    config: BlockEncoder,
    columns: Any,
    shown: Any,
    factory: LayerFactory,
    mix: Callable[[Any, str], Any],
) -> Any:
    tokens = Positions(config.max_length)(factory.dense(columns, "project", config.width))
    tokens = ops.multiply(tokens, shown)
    for block in config.blocks():
        tokens = factory.normalization(ops.add(tokens, mix(tokens, block)), f"{block}.norm_mix")
        wide = layers.ReLU()(factory.dense(tokens, f"{block}.widen", config.hidden))
        narrow = factory.dense(wide, f"{block}.narrow", config.width)
        tokens = factory.normalization(ops.add(tokens, narrow), f"{block}.norm_forward")
        tokens = ops.multiply(tokens, shown)
    return _pooled(tokens, shown)


def _pooled(columns: Any, shown: Any) -> Any:
    return ops.divide(ops.sum(columns, axis=1), ops.maximum(ops.sum(shown, axis=1), 1.0))


_BUILDERS: dict[str, Callable[[Any, Any, Any, LayerFactory], Any]] = {
    CnnConfig.kind: _cnn,
    MeanConfig.kind: _mean,
    AttentionConfig.kind: _attention,
    FnetConfig.kind: _fnet,
}
