"""Fine-tuning a classifier over a compressed table: the codes stay, the rest may move."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras

from embzip.classifier import Classifier
from embzip.codecs.arrays import Progress
from embzip.corpus import Example
from embzip.errors import InputError
from embzip.tf.batches import batches_of, training_and_dev
from embzip.tf.classifiers import arrays_of, from_classifier
from embzip.tf.trainer import Trainer, check_options


@dataclass(frozen=True, eq=False)
class TuneResult:
    """What `tune` made.

    Attributes
    ----------
    classifier
        The tuned model, or the untuned one where tuning did not raise the accuracy on dev.
    tuned
        Which of the two it is.
    dev_accuracy_before
        Accuracy of the untuned model on dev, a fraction.
    dev_accuracy
        Accuracy on dev after each epoch.
    """

    classifier: Classifier
    tuned: bool
    dev_accuracy_before: float
    dev_accuracy: list[float]


def tune(
    classifier: Classifier,
    examples: Sequence[Example],
    *,
    dev: Sequence[Example] | None = None,
    epochs: int = 2,
    batch_size: int = 64,
    learning_rate: float = 3e-4,
    seed: int = 0,
    progress: Progress | None = None,
) -> TuneResult:
    """Fine-tune all of a classifier but its table, whose codes stay as they are.

    Tuning may hurt, so the accuracy on dev decides between the epochs and the untuned model.

    Parameters
    ----------
    classifier
        Usually one that `embzip.rebuild` made, folded or not.
    examples
        Labels the classifier knows.
    dev
        As in `train`; the same examples give the same default.

    Raises
    ------
    InputError
        For no examples, a label the classifier does not know, an empty dev, or options out of
        range.

    Examples
    --------
    >>> import numpy as np, embzip.rebuilding
    >>> from embzip.tf import train
    >>> from embzip.vectors import Vectors
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["goal", "vote"]), np.eye(2, 8))
    >>> examples = [Example("goal", "sport"), Example("vote", "politics")] * 8
    >>> trained = train(examples, table, epochs=2).classifier
    >>> small = embzip.rebuilding.rebuild(trained, codec="svd:2|int8")
    >>> tune(small, examples).classifier.embedding is small.embedding
    True
    """
    check_options(epochs, batch_size, learning_rate, "adam", seed)
    if not examples:
        raise InputError("tuning needs labelled examples, received none")
    unknown = sorted({example.label for example in examples} - set(classifier.labels))
    if unknown:
        raise InputError(
            f"the classifier does not know the label {unknown[0]!r}; it knows "
            f"{', '.join(map(repr, classifier.labels[:20]))}: train a new one (`embzip train`)"
        )
    kept, held_out = training_and_dev(examples, dev)
    model = from_classifier(classifier, seed=seed)
    trainer = Trainer(model, keras.optimizers.Adam(learning_rate))
    labels, table, config = classifier.labels, classifier.embedding, classifier.config
    data = batches_of(kept, labels, table, config)
    dev_data = batches_of(held_out, labels, table, config)
    before = trainer.accuracy(dev_data)
    run = trainer.fit(
        data,
        dev_data,
        epochs=epochs,
        batch_size=batch_size,
        patience=epochs,
        seed=seed,
        to_beat=before,
        progress=progress,
    )
    if run.best_epoch is None:
        return TuneResult(classifier, False, before, run.dev_accuracy)
    tuned = replace(classifier, arrays=arrays_of(model, config, len(labels), classifier.ranks))
    return TuneResult(tuned, True, before, run.dev_accuracy)
