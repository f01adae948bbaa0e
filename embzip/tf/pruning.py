"""Gradual magnitude pruning while a Keras model trains, and a report of the result.

A callback sets the smallest numbers to zero and keeps them there; layers are not wrapped. The size
of a sparse model is measured as that of its variables in a zip archive. Schedules
(`embzip.classifier.schedules`) decide when to prune, and how much.
"""

import io
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from embzip.classifier.schedules import PolynomialSchedule as PolynomialSchedule
from embzip.classifier.schedules import PruningShares as PruningShares
from embzip.errors import InputError
from embzip.layers.finding import is_functional

# What layers call their kernels and tables: those of Keras, and `TrainableEmbedding`.
_KERNELS = frozenset(
    {"kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel", "embeddings", "table"}
)


@dataclass(frozen=True)
class WeightSparsity:
    """The number of zeros in one variable."""

    layer: str
    weight: str
    numbers: int
    zeros: int

    @property
    def sparsity(self) -> float:
        """The share of zeros."""
        return self.zeros / self.numbers


@dataclass(frozen=True)
class PruningReport:
    """The result of pruning.

    Attributes
    ----------
    layers
        The zeros of every trainable kernel and table.
    zipped_before, zipped_after
        The size of the variables in a zip archive in bytes, before the first step and for the
        model that was kept; see `zipped_nbytes`.
    """

    layers: tuple[WeightSparsity, ...]
    zipped_before: int
    zipped_after: int

    @property
    def nonzeros(self) -> int:
        """How many numbers of these layers are not zero."""
        return sum(found.numbers - found.zeros for found in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain numbers, strings, lists and dicts."""
        layers = [{**asdict(found), "sparsity": found.sparsity} for found in self.layers]
        return {
            "layers": layers,
            "nonzeros": self.nonzeros,
            "zipped_before": self.zipped_before,
            "zipped_after": self.zipped_after,
        }


class GradualPruning(keras.callbacks.Callback):  # type: ignore[misc]  # Keras carries no types
    """Prune a model while it trains: `model.fit(..., callbacks=[GradualPruning(schedule)])`.

    At the steps of the schedule, the numbers with the smallest magnitude of each layer are chosen.
    They are set to zero after every step, so that the optimizer does not change them again.

    Parameters
    ----------
    schedule
        When to prune, and how much.
    prunes
        Decides which layers to prune; by default every trainable one of Keras with kernels or a
        table: dense, convolution, recurrent, attention and embedding layers. Only kernels and
        tables are pruned, never biases.

    Warns
    -----
    UserWarning
        For layers with kernels that are left, by name: those of one's own, without `prunes`.

    References
    ----------
    Zhu and Gupta 2017, To prune, or not to prune.

    Examples
    --------
    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, name="dense")])
    >>> model.compile("sgd", "mse")
    >>> pruning = GradualPruning(PolynomialSchedule(final=0.75, end=2, frequency=1))
    >>> _ = model.fit(np.ones((12, 4)), np.ones((12, 5)), batch_size=4, verbose=0,
    ...               callbacks=[pruning])
    >>> [(found.layer, found.sparsity) for found in sparsity(model)]
    [('dense', 0.75)]
    """

    def __init__(
        self, schedule: PolynomialSchedule, *, prunes: Callable[[Any], bool] | None = None
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self._prunes = prunes
        self._step = 0
        self._masks: list[tuple[Any, Any]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the kernels and tables to prune."""
        self._step = 0
        self._masks = [(variable, None) for _, variable in _pruned(self.model, self._prunes)]
        if not self._masks:
            raise InputError(
                "pruning needs a trainable dense, convolution, recurrent or embedding layer, and "
                "the model has none"
            )
        left = unpruned(self.model) if self._prunes is None else []
        if left:
            warnings.warn(
                f"pruning leaves the kernels of {', '.join(left)} as they are, as it does not know "
                "these layers: prunes=lambda layer: True prunes the first variable of each",
                stacklevel=2,
            )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Choose the numbers again if the schedule says so, and set the chosen ones to zero."""
        step, self._step = self._step, self._step + 1
        if self.schedule.prunes_at(step):
            share = self.schedule.sparsity(step)
            self._masks = [(variable, _mask(variable, share)) for variable, _ in self._masks]
        for variable, mask in self._masks:
            if mask is not None:
                variable.assign(ops.multiply(variable.value, mask))

    def check_steps(self, steps: int) -> None:
        """Raise `InputError` if training ends before the schedule does."""
        if steps <= self.schedule.end:
            raise InputError(
                f"training must go on after pruning ends at step {self.schedule.end}, and it has "
                f"only {steps} steps: lower the schedule's end, or train for more epochs"
            )

    @property
    def finished(self) -> bool:
        """Whether the final sparsity has been reached."""
        return self._step > self.schedule.end


def sparsity(model: Any) -> list[WeightSparsity]:
    """Return the zeros of every kernel and table that pruning applies to."""
    found = []
    for layer, variable in _pruned(model, None):
        values = variable.value.numpy()
        zeros = int(values.size - np.count_nonzero(values))
        found.append(WeightSparsity(layer.name, variable.name, values.size, zeros))
    return found


def zipped_nbytes(model: Any) -> int:
    """Return the size of a model's variables in a zip archive, in bytes, without the optimizer.

    A float32 zero takes as many bytes as any other number, so sparsity saves bytes only after
    lossless compression.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for variable in model.weights:
            archive.writestr(variable.path, variable.value.numpy().tobytes())
    return len(buffer.getvalue())


def strip(model: Any) -> Any:
    """Return a model with the same layers, which both models share, and without an optimizer.

    Otherwise a `.keras` file always contains the moments of the optimizer, two per number.

    Raises
    ------
    InputError
        For a subclassed model, which has no graph of layers.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
    >>> model.compile("adam", "mse")
    >>> strip(model).compiled
    False
    """
    if not getattr(model, "inputs", None):
        raise InputError(
            "strip needs a graph of layers, which a subclassed model does not have: build a "
            "functional model instead"
        )
    if is_functional(model):  # keeps the names of its inputs and outputs
        return keras.Model(model.input, model.output, name=model.name)
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def unpruned(model: Any) -> list[str]:
    """Return the layers that pruning leaves by default, though they have kernels, with their class.

    Examples
    --------
    >>> import keras
    >>> class Own(keras.layers.Layer):
    ...     def build(self, shape): self.weight = self.add_weight(shape=(shape[-1], 5))
    ...     def call(self, inputs): return inputs @ self.weight
    >>> unpruned(keras.Sequential([keras.Input((4,)), Own(name="mine")]))
    ["'mine' (Own)"]
    """
    taken = {id(variable) for _, variable in _pruned(model, None)}
    return [
        f"{layer.name!r} ({type(layer).__name__})"
        for layer in _leaves(model)
        if any(len(w.shape) > 1 and id(w) not in taken for w in _moving(layer))
    ]


def _pruned(model: Any, prunes: Callable[[Any], bool] | None) -> list[tuple[Any, Any]]:
    """Return (layer, its kernel or table) of the layers to prune, also in nested models."""
    found = []
    for layer in _leaves(model):
        kernels = [each for each in layer.trainable_weights if each.name in _KERNELS]
        if prunes is not None:  # of a layer of one's own, what it has first
            kernels = (kernels or layer.trainable_weights[:1]) if prunes(layer) else []
        found += [(layer, kernel) for kernel in kernels]
    return found


def _leaves(model: Any) -> list[Any]:
    """Return the layers of a model, and of models in it; a layer around layers is one."""
    inner = [(each, getattr(each, "layer", each)) for each in model.layers]
    return [
        leaf
        for layer, wrapped in inner
        for leaf in (_leaves(wrapped) if isinstance(wrapped, keras.Model) else [layer])
    ]


def _moving(layer: Any) -> list[Any]:
    """Return the trainable variables of a layer that are no biases, which may have two axes too."""
    return [each for each in layer.trainable_weights if each.name != "bias"]


def _mask(variable: Any, share: float) -> Any:
    """Return 0 for the `share` of numbers with the smallest magnitude, 1 for the others."""
    magnitudes = np.abs(variable.value.numpy()).reshape(-1)
    count = round(share * magnitudes.size)
    mask = np.ones(magnitudes.size, np.float32)
    if count:
        mask[np.argpartition(magnitudes, count - 1)[:count]] = 0
    return ops.convert_to_tensor(mask.reshape(variable.shape))
