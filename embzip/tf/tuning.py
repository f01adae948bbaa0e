"""Fine-tunes a classifier on a compressed table; the codes are never changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras

from embzip.classifier import Classifier
from embzip.classifier.storage import SCALED, rounded
from embzip.classifier.text_digests import TextDigest
from embzip.classifier.training_options import check_training_options
from embzip.classifier.training_record import TrainingRun
from embzip.corpus import Example
from embzip.errors import InputError
from embzip.labelled.splits import check_dev
from embzip.tf.batches import batches_of, training_and_dev
from embzip.tf.classifiers import arrays_of, from_classifier
from embzip.tf.trainer import Trainer
from embzip.types import Progress, without_state


@dataclass(frozen=True, eq=False)
class TuneResult:
    """The result of `tune`.

    Attributes
    ----------
    classifier
        The tuned model, with this run in its `training`; or the original one if tuning did not
        raise the accuracy on dev.
    tuned
        Whether it is the tuned one.
    dev_accuracy_before
        The accuracy of the original model on dev, 0 to 1.
    dev_accuracy
        The accuracy on dev after each epoch.
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
    params: bool = False,
    quantize: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> TuneResult:
    """Fine-tune a classifier without changing the codes of its table.

    Tuning may do harm, so the accuracy on dev decides between the epochs and the original model.

    Parameters
    ----------
    classifier
        Usually one that `embzip.rebuild` made, folded or not.
    examples
        Examples with labels of the classifier.
    dev
        As in `train`; the same examples give the same default.
    params
        Whether the params of the codec are trained too: centroids, codebooks, components, means.
        With `kmeans:K` this is weight sharing with trained centroids (Han et al. 2016).
    quantize
        Whether the kernels are trained for int8 with one scale per output column: they are rounded
        in the forward pass and in the result, as `--kernels int8` stores them. The original model
        is then rounded too before both are compared on dev. A classifier whose file stores
        kernels as int8, int4 or int2 is always tuned this way, for that form.

    Raises
    ------
    InputError
        If there are no examples, for a label that the classifier does not know, a `dev` that is
        empty or has no label of the classifier, or options out of range.

    Warns
    -----
    UserWarning
        Where `dev` shares texts with the examples, or has labels that the classifier lacks.

    Examples
    --------
    >>> import numpy as np, embzip.classifier.rebuilding
    >>> from embzip.tf import train
    >>> from embzip.vectors.base import Vectors
    >>> from embzip.vocabulary import Vocabulary
    >>> table = Vectors(Vocabulary(["goal", "vote"]), np.eye(2, 8))
    >>> examples = [Example(text="goal", label="sport"), Example(text="vote", label="politics")] * 8
    >>> trained = train(examples, table, epochs=2).classifier
    >>> small = embzip.classifier.rebuilding.rebuild(trained, codec="svd:2|int8")
    >>> tune(small, examples).classifier.embedding is small.embedding
    True
    """
    check_training_options(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed
    )
    if not examples:
        raise InputError("tuning needs labelled examples, received none")
    unknown = sorted({example.label for example in examples} - set(classifier.labels))
    if unknown:
        raise InputError(
            f"the classifier does not know the label {unknown[0]!r}; it knows "
            f"{', '.join(map(repr, classifier.labels[:20]))}: train a new classifier (`embzip "
            "train`)"
        )
    form = classifier.kernels if classifier.kernels in SCALED else "int8" if quantize else ""
    kept, held_out = training_and_dev(examples, dev)
    if dev is not None:
        check_dev(held_out, kept, classifier.labels)
    model = from_classifier(classifier, tunable=params, seed=seed)
    trainer = Trainer(model, keras.optimizers.Adam(learning_rate), quantize=form)
    labels, table, config = classifier.labels, classifier.embedding, classifier.config
    data = batches_of(kept, labels, table, config)
    dev_data = batches_of(held_out, labels, table, config)
    judged = trainer.judge(dev_data)
    run = trainer.fit(
        data,
        dev_data,
        epochs=epochs,
        batch_size=batch_size,
        patience=epochs,
        seed=seed,
        to_beat=trainer.score(judged),
        progress=without_state(progress),
    )
    if not (run.best_epoch or form):
        return TuneResult(classifier, False, judged.accuracy, run.dev_accuracy)
    if not run.best_epoch:
        model = from_classifier(classifier, seed=seed)
    arrays = arrays_of(model, config, len(labels), classifier.ranks)
    before = classifier.training.measured(None)
    tuned = replace(classifier, arrays=rounded(arrays, form or "float32"), training=before)
    if not run.best_epoch:  # kernels were rounded, and learned nothing
        return TuneResult(tuned, False, judged.accuracy, run.dev_accuracy)
    if params:
        moved = replace(table, params=model.get_layer("embedding").params(), digests={})
        tuned = replace(tuned, embedding=moved)
    known = TrainingRun(
        kind="tune",
        training=TextDigest.of(example.text for example in kept),
        dev=TextDigest.of(example.text for example in held_out),
        held_out=dev is None,
        epochs=epochs,
        best_epoch=run.best_epoch,
        batch_size=batch_size,
        learning_rate=learning_rate,
        optimizer="adam",
        seed=seed,
        params=params,
        quantize=bool(form),
    )
    training = before.then(known).measured(run.dev_accuracy[run.best_epoch - 1])
    tuned = replace(tuned, training=training)
    return TuneResult(tuned, True, judged.accuracy, run.dev_accuracy)
