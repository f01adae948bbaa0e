"""The training loop: steps, epochs, early stopping on dev. It does not read texts or tables.

A step is a plain tf.function. On CPUs, no alternative was faster; XLA is slower for convolutions.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import log_softmax

from embzip.errors import InputError
from embzip.evaluation.accuracy import macro_f1
from embzip.layers.decoding import CompressedEmbeddingLayer
from embzip.tf.batches import Batches
from embzip.tf.interrupts import noticed_interrupts
from embzip.tf.optimizers import RowSparseAdam
from embzip.tf.pruning import GradualPruning
from embzip.tf.quantization import rounded_kernel
from embzip.types import Matrix, TrainingProgress, TrainingState

OPTIMIZERS = {"adam": keras.optimizers.Adam, "adam-rows": RowSparseAdam}
_EVALUATED = 256  # texts evaluated at a time
_RECODED = 100  # steps between two encodings of a table that is trained for its codec


@dataclass(frozen=True)
class Run:
    """The result of a training run.

    Attributes
    ----------
    best_epoch
        The epoch whose variables were kept, from 1; 0 if none was better than `to_beat`.
    interrupted
        Whether Ctrl-C ended it.
    """

    epoch_seconds: list[float]
    dev_accuracy: list[float]
    best_epoch: int
    interrupted: bool = False


@dataclass(frozen=True)
class Judgement:
    """What dev says of a model: accuracy and macro-F1, 0 to 1, and the mean log loss in nats."""

    accuracy: float
    macro_f1: float
    log_loss: float


class Trainer:
    """Trains a model of `embzip.tf.classifiers` with an optimizer.

    The trainable variables of the model are trained; the loss is the cross-entropy of its `dense`
    layer.

    Parameters
    ----------
    quantize
        The form (`int8`, `int4`, `int2`) to which kernels are rounded in the forward pass, while
        they are trained as float32; none by default.
    soft
        Whether batches have targets, probabilities to learn, instead of labels.
    by_loss
        Whether the best epoch is that of the least log loss on dev, not of the highest accuracy: of
        a few hundred texts it tells more.
    weights
        (classes,) how much the texts of each label count in the loss; then the best epoch is that
        of the highest macro-F1 on dev. By default all count alike.

    References
    ----------
    Hinton, Vinyals and Dean 2015, Distilling the knowledge in a neural network (soft targets).
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        *,
        quantize: str = "",
        soft: bool = False,
        by_loss: bool = False,
        weights: Matrix | None = None,
    ) -> None:
        inner = keras.Model(model.input, model.get_layer("dense").output)
        variables = model.trainable_variables
        values = [variable.value for variable in variables]
        optimizer.build(variables)
        for layer in model.layers:
            # A step takes half the time where decoding is costly (`svd|tcq:2`).
            if isinstance(layer, CompressedEmbeddingLayer) and not layer.tunable:
                layer.decode_once()

        def logits(ids: Any, training: bool) -> Any:
            if not quantize:
                return inner(ids, training=training)
            seen = [
                rounded_kernel(variable.value, quantize)
                if variable.name == "kernel"
                else variable.value
                for variable in variables
            ]
            others = [variable.value for variable in inner.non_trainable_variables]
            found, _ = inner.stateless_call(seen, others, ids, training=training)
            return found

        def losses(wanted: Any, found: Any) -> Any:
            if weights is not None and soft:
                return -tf.reduce_sum(wanted * weights * tf.nn.log_softmax(found), axis=-1)
            if soft:
                return tf.nn.softmax_cross_entropy_with_logits(wanted, found)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, found)
            return each if weights is None else each * tf.gather(weights, wanted)

        def step(ids: Any, wanted: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(losses(wanted, logits(ids, training=True)))
            optimizer.apply(tape.gradient(loss, values), variables)
            return loss

        def predict(ids: Any) -> Any:
            return logits(ids, training=False)

        # Batches differ in width; with a fixed signature, they are not traced again.
        ids = tf.TensorSpec((None, None), tf.int32)
        wanted = (
            tf.TensorSpec((None, None), tf.float32) if soft else tf.TensorSpec((None,), tf.int32)
        )
        self._model = model
        self._variables = variables
        self._by_loss = by_loss
        self._weighed = weights is not None
        # As concrete functions, several trainers are not taken for one that is traced again and
        # again, of which TensorFlow warns.
        self._step, self._predict = (
            tf.function(each, input_signature=given, autograph=False).get_concrete_function()
            for each, given in ((step, [ids, wanted]), (predict, [ids]))
        )

    def step(self, ids: NDArray[np.int32], wanted: NDArray[np.int32] | Matrix) -> float:
        """Train on one batch of labels or targets, and return its mean loss."""
        return float(self._step(tf.constant(ids), tf.constant(wanted)))

    def judge(self, batches: Batches) -> Judgement:
        """Return what dev says; a label that the model does not know is never right."""
        order = np.argsort(batches.lengths, kind="stable")
        predicted = np.empty(len(order), np.int64)
        loss, known = 0.0, 0
        for first in range(0, len(order), _EVALUATED):
            part = order[first : first + _EVALUATED]
            ids, labels = batches.cut(part)
            found = log_softmax(self._predict(tf.constant(ids)).numpy(), axis=1)
            predicted[part] = found.argmax(axis=1)
            rows = np.flatnonzero(labels < found.shape[1])
            loss -= float(found[rows, labels[rows]].sum(dtype=np.float64))
            known += len(rows)
        expected = batches.labels
        return Judgement(
            float((predicted == expected).mean()),
            macro_f1(expected.astype(str).tolist(), predicted.astype(str).tolist()),
            loss / max(known, 1),
        )

    def score(self, judged: Judgement) -> float:
        """Return what the best epoch has the most of."""
        if self._by_loss:
            return -judged.log_loss
        return judged.macro_f1 if self._weighed else judged.accuracy

    def fit(
        self,
        batches: Batches | Callable[[int], Batches],
        dev: Batches,
        *,
        epochs: int,
        batch_size: int,
        patience: int,
        seed: int,
        to_beat: float,
        progress: TrainingProgress | None,
        pruning: GradualPruning | None = None,
        recode: Callable[[], None] | None = None,
        keep_interrupted: bool = False,
    ) -> Run:
        """Train, and set the model to the variables of its best epoch.

        Parameters
        ----------
        batches
            The texts; or what returns those of an epoch, about as many each time.
        patience
            Training ends after this many epochs without a better `score`.
        to_beat
            The score that an epoch must exceed; if none does, the model keeps the variables of the
            last epoch.
        pruning
            The pruning; only epochs that end with its final sparsity can be the best.
        recode
            Called before every hundredth step, and before dev is judged.
        keep_interrupted
            Whether Ctrl-C, after an epoch that can be the best, ends training instead of raising.

        Raises
        ------
        InputError
            If the loss of an epoch is not finite, and there is nothing to return to.
        """
        rng = np.random.default_rng(seed)
        texts = batches if isinstance(batches, Batches) else batches(0)
        steps = -(-len(texts) // batch_size)
        if pruning is not None:
            pruning.check_steps(epochs * steps)
            pruning.set_model(self._model)
            pruning.on_train_begin()
        first_epoch = 0
        seconds: list[float] = []
        accuracies: list[float] = []
        best_epoch = 0
        best: list[NDArray[np.float32]] = []
        try:
            with noticed_interrupts(keep_interrupted) as stopped:
                for epoch in range(epochs):
                    start = time.perf_counter()
                    loss = 0.0
                    if epoch and not isinstance(batches, Batches):
                        del texts  # first: the texts of two epochs need not fit
                        texts = batches(epoch)
                    for done, (ids, wanted) in enumerate(texts.shuffled(batch_size, rng), 1):
                        if stopped():
                            raise KeyboardInterrupt
                        if recode is not None and done % _RECODED == 1:
                            recode()
                        loss += self.step(ids, wanted)
                        if pruning is not None:
                            pruning.on_train_batch_end(done)
                        if progress is not None:
                            last = accuracies[-1] if accuracies else None
                            state = TrainingState(epoch + 1, loss / done, last)
                            progress(epoch * steps + done, epochs * steps, state)
                    if not (math.isfinite(loss) or best_epoch or math.isfinite(to_beat)):
                        raise InputError(
                            f"the training diverged: after epoch {epoch + 1} its loss is {loss}: "
                            "name a smaller learning rate"
                        )
                    seconds.append(time.perf_counter() - start)
                    if recode is not None:
                        recode()
                    judged = self.judge(dev)
                    accuracies.append(judged.accuracy)
                    if pruning is not None and not pruning.finished:
                        first_epoch = epoch + 1
                    elif self.score(judged) > to_beat:
                        to_beat, best_epoch = self.score(judged), epoch + 1
                        best.clear()  # first: two copies of a large table need not fit
                        best.extend(variable.value.numpy() for variable in self._variables)
                    elif epoch + 1 - (best_epoch or first_epoch) >= patience:
                        break
                interrupted = stopped()
        except KeyboardInterrupt:
            if not (best_epoch and keep_interrupted):
                raise
            interrupted = True
        if best_epoch:
            # What an interrupted copy lacks is still in the variables.
            for variable, value in zip(self._variables, best, strict=False):
                variable.assign(value)
        return Run(seconds, accuracies, best_epoch, interrupted)
