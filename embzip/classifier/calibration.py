"""Makes the probabilities of a classifier mean what they say, by one number: a temperature.

What a classifier predicts stays the same. How well it is calibrated is measured by
`embzip.evaluation.confidence`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embzip.classifier.answering import logits_of
from embzip.classifier.model import Classifier
from embzip.corpus import Example
from embzip.errors import InputError, NotFiniteError

# Where all dev texts are labelled correctly, log loss falls as the temperature falls, without end.
_COLDEST, _HOTTEST = 0.25, 8.0


def calibrated(classifier: Classifier, examples: Sequence[Example]) -> tuple[Classifier, float]:
    """Return the classifier with its logits divided by a temperature, and the temperature.

    It is the one, from 0.25 to 8, of the least log loss on the examples; 1, and the classifier
    itself, where none lowers it. Kernel and bias of the dense layer are divided by it, so nothing
    is stored, and nothing computed, in addition. Kernels are then rounded again as `kernels` says:
    of `int8` kernels the scales change alone.

    Parameters
    ----------
    examples
        Texts that the classifier was not trained on, usually those of its dev; of texts it knows
        by heart, it is rightly certain. Examples whose label it cannot give are left out.

    Raises
    ------
    InputError
        If no example has a label of the classifier.
    NotFiniteError
        If the classifier's answer to an example is no number.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks. 2017, arXiv:1706.04599.

    Examples
    --------
    >>> from embzip.classifier import MeanConfig
    >>> from embzip.compression import compress
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4), tokenizer=words), "float32")
    >>> arrays = {"dense.kernel": 5 * np.eye(4, 2, -2), "dense.bias": np.zeros(2)}
    >>> sure = Classifier(table, ("sport", "politics"), MeanConfig(4, 9), arrays)
    >>> texts = [Example(text="ball", label="sport")] * 3 + [Example(text="ball", label="politics")]
    >>> wiser, temperature = calibrated(sure, texts)
    >>> [round(float(model.probabilities(["ball"])[0, 0]), 3) for model in (sure, wiser)]
    [0.993, 0.75]
    """
    from scipy.optimize import minimize_scalar  # imported here, as in `_loss`: serving needs none

    place = {label: column for column, label in enumerate(classifier.labels)}
    known = [example for example in examples if example.label in place]
    if not known:
        raise InputError(
            "calibrating needs examples with labels of the classifier, "
            f"{', '.join(map(repr, classifier.labels[:20]))}, received none among {len(examples):,}"
        )
    ids = classifier.encode([example.text for example in known])
    expected = np.array([place[example.label] for example in known])

    def loss_of(model: Classifier) -> tuple[float, NDArray[np.float64]]:
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            logits = logits_of(model.embedding, [model.head], ids)[0].astype(np.float64)
        if not np.isfinite(logits).all():
            raise NotFiniteError(
                "calibrating needs finite answers, and a text's are not: the model's numbers are "
                "so large that they overflow; train it again, or obtain its file again"
            )
        return _loss(logits, expected), logits

    before, logits = loss_of(classifier)
    found = minimize_scalar(  # of the temperature's logarithm; it has one minimum
        lambda log: _loss(logits / np.exp(log), expected),
        bounds=(np.log(_COLDEST), np.log(_HOTTEST)),
        method="bounded",
    )
    temperature = float(np.exp(found.x))
    cooled = divided(classifier, temperature)
    return (cooled, temperature) if loss_of(cooled)[0] < before else (classifier, 1.0)


def divided(classifier: Classifier, temperature: float) -> Classifier:
    """Return the classifier with its logits divided by a temperature."""
    arrays = dict(classifier.arrays)
    for name in ("dense.kernel", "dense.bias"):
        arrays[name] = (arrays[name] / np.float64(temperature)).astype(np.float32)
    return replace(classifier, arrays=arrays, digests={})


def _loss(logits: NDArray[np.float64], expected: NDArray[np.int64]) -> float:
    """Return the log loss; finite, since it is computed from logits."""
    from scipy.special import log_softmax

    given = log_softmax(logits, axis=1)[np.arange(len(expected)), expected]
    return -float(given.mean())
