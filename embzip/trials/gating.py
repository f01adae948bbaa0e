"""Says whether a model may take the place of another, by what both answer on test texts."""

import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

from embzip.corpus import Example
from embzip.errors import InputError
from embzip.evaluation.accuracy import classifier_of, examples_of, labels_of
from embzip.evaluation.verdicts import Verdict, check_verdict_options, verdict_on
from embzip.prediction import TextClassifier
from embzip.seeds import check_seed
from embzip.sources import Paths


def check_test_labels(examples: Sequence[Example], known: Collection[str]) -> None:
    """Warn of test examples with labels that no model gives; raise InputError where all have."""
    unknown = sum(example.label not in known for example in examples)
    if unknown == len(examples):
        raise InputError(
            f"test: expected labels that the models give, such as {min(known)!r}, found none of "
            f"them in {len(examples):,} rows: name the test set of these models"
        )
    if unknown:
        warnings.warn(
            f"{unknown:,} of {len(examples):,} test rows have labels that neither model gives: "
            "each counts as an error of both",
            stacklevel=3,
        )


def gate(
    before: TextClassifier | Paths,
    after: TextClassifier | Paths,
    test: Sequence[Example] | str | Path,
    *,
    max_drop: float,
    metric: str = "accuracy",
    confidence: float = 0.95,
    seed: int = 0,
) -> Verdict:
    """Say whether a model loses at most so much against another: shown, worse, or not shown.

    Parameters
    ----------
    before, after
        Classifiers, or paths of .embz or exported .tflite files that hold one. Several paths, or a
        folder of such files, are one ensemble. A model of Keras or TensorFlow is a classifier by
        `embzip.foreign.load_text_model`.
    test
        Examples that neither was trained on or chosen by, or the path of a file with
        `label<TAB>text` lines. A label that a model does not know counts as an error of it.
    max_drop
        The points (hundredths) that may be lost: 0.5 is half a point.
    metric
        "accuracy" or "macro-f1".
    confidence
        Of each bound, at least 0.5, below 1.
    seed
        Of the bootstrap of macro-F1.

    Raises
    ------
    SpecError
        For an option that is unknown or out of range.
    InputError
        For a test set without rows, or without a label that one of the models gives.
    InputTypeError
        For a test row that is not an `Example`, and for a kit.
    MissingFileError, FileFormatError
        For files that are not there, or are damaged.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from embzip.classifier import Classifier, MeanConfig
    >>> from embzip.compression import compress
    >>> from embzip.tokenizers import Normalization, WordTokenizer
    >>> from embzip.vectors.base import Vectors
    >>> words = WordTokenizer(["ball", "vote"], Normalization())
    >>> table = compress(Vectors(words.vocabulary, np.eye(4), tokenizer=words), "float32")
    >>> arrays = {"dense.kernel": np.eye(4, 2, -2), "dense.bias": np.zeros(2)}
    >>> model = Classifier(table, ("sport", "politics"), MeanConfig(4, 9), arrays)
    >>> sport = Example(text="a ball", label="sport")
    >>> test = [sport, Example(text="the vote", label="politics")] * 300
    >>> gate(model, model, test, max_drop=0.5).answer
    'shown'
    """
    check_verdict_options(max_drop=max_drop, metric=metric, confidence=confidence)
    check_seed(seed)
    examples = examples_of(test)
    texts = [example.text for example in examples]
    models = [classifier_of(model) for model in (before, after)]
    check_test_labels(examples, {label for model in models for label in model.labels})
    answers = [list(labels_of(model, model.probabilities(texts))) for model in models]
    return verdict_on(
        [example.label for example in examples],
        *answers,
        max_drop=max_drop,
        metric=metric,
        confidence=confidence,
        seed=seed,
    )
