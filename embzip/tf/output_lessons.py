"""Lessons of a Keras model's own outputs: what another model is trained to answer, and how."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from embzip.errors import InputError
from embzip.layers.finding import is_functional
from embzip.tf.optimizers import RowSparseAdam
from embzip.tf.quantization import RoundedEmbedding
from embzip.types import Matrix

_RECODED = 100  # steps between two encodings of the table
_LEAST = 20  # rows of data, of which a tenth is held out
_SMALLEST = 1e-7  # probability whose logarithm is taken
_PROBABILITIES = ("softmax", "sigmoid")

Batch = list[NDArray[Any]]


class CountedEmbedding(RoundedEmbedding):
    """A `RoundedEmbedding` that can count what is read of it."""

    def __init__(self, matrix: Matrix, **options: Any) -> None:
        super().__init__(matrix, **options)
        self.counter: Any = None

    def rows_of(self, ids: Any) -> Any:
        if self.counter is not None:
            self.counter(ids)
        return super().rows_of(ids)


class OutputLessons:
    """Data of a Keras model, and what the model answers to it.

    Parameters
    ----------
    teacher
        A functional or sequential `keras.Model`.
    data
        An array for each of its inputs, (n, ...); a tenth of the rows is held out.
    """

    def __init__(self, teacher: Any, data: Any, *, batch_size: int, seed: int) -> None:
        arrays = _arrays(teacher, data)
        self._teacher = teacher
        self._arrays = arrays
        self._batch = batch_size
        self._rng = np.random.default_rng(seed)
        order = self._rng.permutation(len(arrays[0]))
        held = len(order) // 10
        self._dev, self._train = order[:held], order[held:]
        self._kinds = _kinds(teacher)
        self._asked: dict[int, tuple[Any, Any]] = {}

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-len(self._train) // self._batch)

    def judge(self, model: Any) -> float:
        """Return how far the outputs of a model are from the teacher's on held-out data."""
        asked = self._asked.get(id(model), (None, None))[1]
        if asked is None:
            asked = tf.function(lambda *batch: self._loss(model, batch), autograph=False)
            self._asked[id(model)] = (model, asked)  # the model, so that its id stays its own
        sums = [float(asked(*batch)) * len(batch[0]) for batch in self._batches(self._dev)]
        # A divergence is not negative: what is below 0 is the rounding of float32.
        return max(0.0, sum(sums) / len(self._dev))

    def counts(self, model: Any, layer: CountedEmbedding) -> NDArray[np.float64]:
        """Return how often each row of a layer is read in the training data."""
        found = tf.Variable(tf.zeros(layer.table.shape[0], tf.int64))

        def count(ids: Any) -> None:
            ones = tf.ones(tf.shape(ids), tf.int64)
            found.scatter_add(tf.IndexedSlices(ones, ids))

        layer.counter = count
        asked = tf.function(lambda *batch: _outputs(model, batch), autograph=False)
        for batch in self._batches(self._train):
            asked(*batch)
        layer.counter = None
        return np.asarray(found.numpy(), np.float64)

    def fit(
        self,
        model: Any,
        learning_rate: float,
        epochs: int,
        report: Callable[[int], None],
        recode: Callable[[], None] | None = None,
    ) -> list[float]:
        """Train a model, leave it as it was after its best epoch, and return what dev says.

        With `recode`, which is called between steps, what it was before does not count.
        """
        variables = model.trainable_variables
        optimizer = RowSparseAdam(learning_rate)
        optimizer.build(variables)

        def step(*batch: Any) -> None:
            with tf.GradientTape() as tape:
                loss = self._loss(model, batch)
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            pairs = zip(gradients, variables, strict=True)
            optimizer.apply_gradients([pair for pair in pairs if pair[0] is not None])

        run = tf.function(step, autograph=False)
        losses = [] if recode is not None else [self.judge(model)]
        best = model.get_weights()
        done = 0
        for _ in range(epochs):
            for batch in self._batches(self._rng.permutation(self._train)):
                if recode is not None and done % _RECODED == 0:
                    recode()
                run(*batch)
                done += 1
                report(done)
            if recode is not None:
                recode()
            losses.append(self.judge(model))
            if losses[-1] == min(losses):
                best = model.get_weights()
        model.set_weights(best)
        return losses

    def _batches(self, order: NDArray[Any]) -> list[Batch]:
        starts = range(0, len(order), self._batch)
        return [[array[order[i : i + self._batch]] for array in self._arrays] for i in starts]

    def _loss(self, model: Any, batch: Sequence[Any]) -> Any:
        wanted = [tf.stop_gradient(each) for each in _outputs(self._teacher, batch)]
        return tf.add_n(
            [
                _distance(kind, right, given)
                for kind, right, given in zip(
                    self._kinds, wanted, _outputs(model, batch), strict=True
                )
            ]
        )


def _distance(kind: str, wanted: Any, found: Any) -> Any:
    """Return the mean divergence of probabilities in nats, or squares over those of the wanted."""
    wanted, found = tf.cast(wanted, tf.float32), tf.cast(found, tf.float32)
    if kind == "other":
        return tf.reduce_mean(tf.square(wanted - found)) / (
            tf.reduce_mean(tf.square(wanted)) + _SMALLEST
        )

    def divergence(right: Any, given: Any) -> Any:
        right, given = tf.maximum(right, _SMALLEST), tf.maximum(given, _SMALLEST)
        return right * (tf.math.log(right) - tf.math.log(given))

    if kind == "softmax":
        return tf.reduce_mean(tf.reduce_sum(divergence(wanted, found), axis=-1))
    return tf.reduce_mean(divergence(wanted, found) + divergence(1 - wanted, 1 - found))


def _kinds(model: Any) -> list[str]:
    """Return what each output of a model is: `softmax`, `sigmoid` or other numbers."""
    kinds = []
    for tensor in model.outputs:
        operation = tensor._keras_history.operation
        while hasattr(operation, "outputs") and hasattr(operation, "layers"):
            operation = operation.outputs[0]._keras_history.operation
        if type(operation) is keras.layers.TimeDistributed:
            operation = operation.layer
        used = getattr(operation, "activation", operation)
        name = getattr(used, "__name__", type(used).__name__).lower()
        kinds.append(name if name in _PROBABILITIES else "other")
    return kinds


def _outputs(model: Any, batch: Sequence[Any]) -> list[Any]:
    arranged = model.input if is_functional(model) else model.inputs[0]
    given = keras.tree.pack_sequence_as(arranged, list(batch))
    return list(keras.tree.flatten(model(given, training=False)))


def _arrays(model: Any, data: Any) -> Batch:
    """Return the arrays of a model's inputs, in their order."""
    arranged = model.input if is_functional(model) else model.inputs[0]
    if isinstance(data, dict):
        names = [str(tensor.name) for tensor in keras.tree.flatten(arranged)]
        missing = sorted(set(names) - data.keys())
        if missing:
            raise InputError(
                f"the model has the inputs {', '.join(names)}, and the data lacks {missing[0]!r}"
            )
        data = [data[name] for name in names]
    arrays = [np.asarray(each) for each in (data if isinstance(data, list | tuple) else [data])]
    rows = {len(array) if array.ndim else 0 for array in arrays}
    if len(arrays) != len(model.inputs) or len(rows) != 1 or rows.pop() < _LEAST:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise InputError(
            f"data must be an array for each of the model's {len(model.inputs)} inputs, all with "
            f"the same rows, {_LEAST} or more; received {shapes}"
        )
    for array, tensor in zip(arrays, model.inputs, strict=True):
        if not tf.TensorShape(tensor.shape).is_compatible_with((None, *array.shape[1:])):
            raise InputError(
                f"the input {tensor.name!r} of the model is {tuple(tensor.shape)}, received an "
                f"array of {array.shape}"
            )
    return [array.astype(keras.backend.standardize_dtype(t.dtype)) for array, t in
            zip(arrays, model.inputs, strict=True)]  # fmt: skip
