"""What a model gets right on a test set, and whether two models differ on it. Numbers only.

Nothing is trained, chosen or formatted here. Models are chosen on a development set: call this on
the test set once, at the end.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.classifier import load_one
from embzip.corpus import Example, read_examples
from embzip.errors import InputError, InputTypeError, SpecError
from embzip.evaluation.classes import ClassFigures, Confusion, class_figures, confusions
from embzip.evaluation.confidence import (
    TINY,
    Coverage,
    calibration_error,
    coverage_curve,
    log_loss,
)
from embzip.prediction import TextClassifier, TextKit
from embzip.seeds import check_seed
from embzip.sources import Paths


@dataclass(frozen=True)
class Evaluation:
    """One model on one test set of `rows` rows; fractions, not percent.

    `accuracy` is the share of rows whose predicted label is the expected one; `log_loss` and
    `calibration_error` say what the probabilities are worth, as the functions of those names do;
    `unknown_rate` is the share of the test's tokens, uncut, that are UNK (None for a table without
    UNK; of an ensemble, the mean of its members');
    `unseen_labels` are those the model was never trained on, whose `unseen_rows` rows count as
    errors, and are left out of `log_loss` (None without other rows): the model has no probability
    for them; `classes` holds the figures of each label, `confusions` the ten pairs that were
    confused most, `coverage` what thresholds on the probability do.

    Compared with another model, else None: `difference` is the accuracy of the model minus that of
    the other, `difference_ci95` its 95 % interval (low, high), `mcnemar_p` what the function of
    that name returns, and, where both know the same labels, `agreement` the share of rows given the
    same label and `kl` the mean divergence KL(other || model) in nats; `against_unseen_labels` are
    the test's labels that the other model was never trained on.
    """

    accuracy: float
    macro_f1: float
    log_loss: float | None
    calibration_error: float
    rows: int
    unknown_rate: float | None
    difference: float | None = None
    difference_ci95: tuple[float, float] | None = None
    mcnemar_p: float | None = None
    agreement: float | None = None
    kl: float | None = None
    unseen_labels: tuple[str, ...] = ()
    unseen_rows: int = 0
    against_unseen_labels: tuple[str, ...] = ()
    classes: tuple[ClassFigures, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    coverage: tuple[Coverage, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain lists and numbers, ready for `json.dumps`."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


def evaluate(
    model: TextClassifier | Paths,
    test: Sequence[Example] | str | Path,
    *,
    against: TextClassifier | Paths | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Evaluation:
    """Measure a classifier on a test set, and against another on the same rows.

    Parameters
    ----------
    model, against
        Classifiers, or paths of .embz or exported .tflite files that hold one. Several paths, or a
        folder of such files, are one `Ensemble`: the mean of their probabilities. A model of Keras
        or TensorFlow is a classifier by `embzip.foreign.load_text_model`.
    test
        Examples, or the path of a file with `label<TAB>text` lines.
    resamples, seed
        Of the bootstrap.

    Raises
    ------
    InputError
        For a test set without rows.
    InputTypeError
        For a test row that is not an `Example`, and for a kit.
    MismatchError
        For several classifiers with different labels.
    """
    examples = examples_of(test)
    texts = [example.text for example in examples]
    expected = np.array([example.label for example in examples], dtype=object)
    classifier = classifier_of(model)
    probabilities = classifier.probabilities(texts)
    predicted = labels_of(classifier, probabilities)
    correct = predicted == expected
    known = set(classifier.labels)
    unseen = [label for label in expected if label not in known]
    place = {label: column for column, label in enumerate(classifier.labels)}
    columns = np.array([place.get(label, -1) for label in expected])
    seen = columns >= 0
    classes = class_figures(list(expected), list(predicted))
    comparison: dict[str, Any] = {}
    if against is not None:
        other = classifier_of(against)
        other_probabilities = other.probabilities(texts)
        other_predicted = labels_of(other, other_probabilities)
        other_correct = other_predicted == expected
        comparison = {
            "difference": float(correct.mean() - other_correct.mean()),
            "difference_ci95": bootstrap_ci95(
                correct, other_correct, resamples=resamples, seed=seed
            ),
            "mcnemar_p": mcnemar_p(correct, other_correct),
            "against_unseen_labels": tuple(sorted(set(expected) - set(other.labels))),
        }
        if known == set(other.labels):
            same = [place[label] for label in other.labels]
            comparison["agreement"] = float((predicted == other_predicted).mean())
            comparison["kl"] = mean_kl(other_probabilities, probabilities[:, same])
    return Evaluation(
        accuracy=float(correct.mean()),
        macro_f1=float(np.mean([each.f1 for each in classes])),
        log_loss=log_loss(probabilities[seen], columns[seen]) if seen.any() else None,
        calibration_error=calibration_error(probabilities, correct),
        rows=len(examples),
        unknown_rate=classifier.unknown_rate(texts),
        unseen_labels=tuple(sorted(set(unseen))),
        unseen_rows=len(unseen),
        classes=classes,
        confusions=confusions(list(expected), list(predicted)),
        coverage=coverage_curve(probabilities, correct),
        **comparison,
    )


def macro_f1(expected: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the unweighted mean of F1 = 2 TP / (2 TP + FP + FN) over labels.

    The labels are those that occur in the test set or among the predictions, so that a label
    the model never learned counts with F1 = 0 and is not passed over.

    >>> round(macro_f1(["a", "a", "b"], ["a", "b", "b"]), 4)
    0.6667
    """
    return float(np.mean([each.f1 for each in class_figures(expected, predicted)]))


def mcnemar_p(correct: NDArray[np.bool_], other_correct: NDArray[np.bool_]) -> float:
    """Return the exact two-sided p of McNemar's test on paired rows.

    Of the rows that exactly one of two models gets right, each model would win half if they were
    equally good; p is the binomial probability of a split at least this uneven. Without such
    rows it is 1.

    References
    ----------
    Quinn McNemar, Note on the sampling error of the difference between correlated proportions
    or percentages, Psychometrika 12, 1947.

    >>> import numpy as np
    >>> mcnemar_p(np.array([True] * 5), np.array([False] * 5))  # 2 * (1/2) ** 5
    0.0625
    """
    # Importing scipy.stats takes longer than everything else `import embzip` may take.
    from scipy.stats import binomtest

    wins = int(np.sum(correct & ~other_correct))
    losses = int(np.sum(~correct & other_correct))
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def bootstrap_ci95(
    correct: NDArray[np.bool_],
    other_correct: NDArray[np.bool_],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the accuracy difference over resampled test rows.

    A row's outcome is -1 (only the other model is right), 0 or +1. Drawing n rows with
    replacement is a multinomial draw of three counts, so that is what is drawn: the same
    distribution, in memory that does not grow with the test set.

    References
    ----------
    Bradley Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1979.

    Raises
    ------
    SpecError
        For less than one resample, or a seed out of range.
    """
    check_seed(seed)
    if resamples < 1:
        raise SpecError(f"resamples must be at least 1, received {resamples}")
    rows = len(correct)
    wins = int(np.sum(correct & ~other_correct))
    losses = int(np.sum(~correct & other_correct))
    drawn = np.random.default_rng(seed).multinomial(
        rows, [wins / rows, losses / rows, (rows - wins - losses) / rows], size=resamples
    )
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / rows, [0.025, 0.975])
    return float(low), float(high)


def mean_kl(reference: NDArray[np.floating[Any]], model: NDArray[np.floating[Any]]) -> float:
    """Return the mean over rows of KL(reference || model) in nats; shapes (rows, classes).

    A probability rounded to 0 counts as the smallest normal float32: the result is finite.
    """
    p = reference.astype(np.float64)
    ratio = np.log(np.maximum(p, TINY)) - np.log(np.maximum(model, TINY, dtype=np.float64))
    return max(0.0, float(np.sum(p * ratio, axis=1).mean()))  # rounding may leave it below


def examples_of(test: Sequence[Example] | str | Path) -> list[Example]:
    """Return the examples of a test set, at least one, or of its file."""
    if isinstance(test, str | Path):
        return read_examples(test)
    examples = list(test)
    if not examples:
        raise InputError("a test set needs at least one example, received none")
    for index, example in enumerate(examples):
        if not isinstance(example, Example):
            raise InputTypeError(
                f"test row {index}: expected an Example, received {type(example).__name__}: "
                "read_examples(path) makes them"
            )
    return examples


def classifier_of(model: TextClassifier | Paths) -> TextClassifier:
    """Return a classifier, or the one in a file; several files are an ensemble."""
    if isinstance(model, TextClassifier):
        return model
    if isinstance(model, TextKit):
        raise InputTypeError(
            f"evaluate measures one classifier, received a kit of {', '.join(model.labels)}: pass "
            "one of its classifiers"
        )
    return load_one(model)


def labels_of(
    classifier: TextClassifier, probabilities: NDArray[np.float32]
) -> NDArray[np.object_]:
    """Return the most probable label of each row."""
    labels = np.array(classifier.labels, dtype=object)
    predicted: NDArray[np.object_] = labels[probabilities.argmax(axis=1)]
    return predicted
