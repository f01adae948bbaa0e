"""Gradual magnitude pruning while a Keras model trains, and what it leaves.

A callback sets the smallest weights to zero and keeps them there; no layer is wrapped, so nothing
has to be unwrapped. What a sparse model weighs is the size of its weights in a zip. When, and how
many, is a schedule's business (`embzip.tf.schedules`).
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from embzip.errors import InputError
from embzip.layers.decoding import TrainableEmbedding
from embzip.layers.finding import is_functional
from embzip.tf.schedules import PolynomialSchedule

_PRUNED = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Embedding,
    TrainableEmbedding,
)


@dataclass(frozen=True)
class WeightSparsity:
    """Zeros among the numbers of one weight."""

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
    """What pruning left.

    Attributes
    ----------
    layers
        Zeros of every kernel and table that training moves.
    zipped_before, zipped_after
        Bytes of the weights in a zip, before the first step and of the model that was kept; see
        `zipped_nbytes`.
    """

    layers: tuple[WeightSparsity, ...]
    zipped_before: int
    zipped_after: int

    @property
    def nonzeros(self) -> int:
        """Numbers of these layers that are not zero."""
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

    At the steps of the schedule the weights smallest in magnitude are chosen, layer by layer; they
    are set to zero after every step, so that no optimizer moves them away again.

    Parameters
    ----------
    schedule
        When, and how many.
    prunes
        Which layers; by default every dense, convolution and embedding layer whose weights train.
        Only kernels and tables are pruned, never biases.

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
        """Find the weights to prune."""
        self._step = 0
        self._masks = [(weight, None) for _, weight in _pruned(self.model, self._prunes)]
        if not self._masks:
            raise InputError("the model has no dense, convolution or embedding layer to prune")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Choose the weights anew where the schedule says so; keep the chosen ones at zero."""
        step, self._step = self._step, self._step + 1
        if self.schedule.prunes_at(step):
            share = self.schedule.sparsity(step)
            self._masks = [(weight, _mask(weight, share)) for weight, _ in self._masks]
        for weight, mask in self._masks:
            if mask is not None:
                weight.assign(ops.multiply(weight.value, mask))

    def check_steps(self, steps: int) -> None:
        """Refuse a training run that ends before the schedule does."""
        if steps <= self.schedule.end:
            raise InputError(
                f"pruning ends at step {self.schedule.end}, training after {steps} steps: "
                "lower the schedule's end, or train for more epochs"
            )

    @property
    def finished(self) -> bool:
        """Whether the final sparsity has been reached."""
        return self._step > self.schedule.end


def sparsity(model: Any) -> list[WeightSparsity]:
    """Return the zeros of every kernel and table that pruning is for."""
    found = []
    for layer, weight in _pruned(model, None):
        values = weight.value.numpy()
        zeros = int(values.size - np.count_nonzero(values))
        found.append(WeightSparsity(layer.name, weight.name, values.size, zeros))
    return found


def zipped_nbytes(model: Any) -> int:
    """Return the bytes of a model's weights, without an optimizer, in a zip.

    A file of zeros and other float32 numbers is as large as one without zeros; what sparsity
    saves shows only after lossless compression.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for weight in model.weights:
            archive.writestr(weight.path, weight.value.numpy().tobytes())
    return len(buffer.getvalue())


def strip(model: Any) -> Any:
    """Return the model for inference: the same layers, which both share, and no optimizer.

    A `.keras` file keeps the moments of the optimizer, twice the weights, whatever it is told.

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
        raise InputError("a subclassed model cannot be stripped: make a functional one of it")
    if is_functional(model):  # its names for inputs and outputs are kept
        return keras.Model(model.input, model.output, name=model.name)
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _pruned(model: Any, prunes: Callable[[Any], bool] | None) -> list[tuple[Any, Any]]:
    """Return (layer, its kernel or table) of the layers to prune, nested models' too."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += _pruned(layer, prunes)
        elif layer.trainable_weights and (
            isinstance(layer, _PRUNED) if prunes is None else prunes(layer)
        ):
            found.append((layer, layer.trainable_weights[0]))
    return found


def _mask(weight: Any, share: float) -> Any:
    """Return 0 for the share of numbers smallest in magnitude, 1 for the others."""
    magnitudes = np.abs(weight.value.numpy()).reshape(-1)
    count = round(share * magnitudes.size)
    mask = np.ones(magnitudes.size, np.float32)
    if count:
        mask[np.argpartition(magnitudes, count - 1)[:count]] = 0
    return ops.convert_to_tensor(mask.reshape(weight.shape))
