"""Models of any kind as teachers: what they say of texts, and a classifier that learned it.

A model that is none of our classifiers can say how probable each label of a text is, and nothing
else. A classifier that learned that of it has a table and kernels too, which a small one can start
from.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from embzip.classifier import Classifier
from embzip.corpus import Example
from embzip.embedding import CompressedEmbedding
from embzip.engine import map_texts
from embzip.errors import InputError, InputTypeError, MismatchError
from embzip.prediction import TextClassifier
from embzip.soft_labels import SoftLabels, checked_probabilities
from embzip.tf.batches import training_and_dev
from embzip.tf.training import train
from embzip.tokenizers.base import check_texts
from embzip.types import Matrix, Progress, TrainingProgress
from embzip.vectors.base import Vectors

# Texts -> (texts, classes) probabilities.
Asked = Callable[[list[str]], Any]


def ask(
    source: TextClassifier | Asked,
    texts: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> SoftLabels:
    """Ask a model of any kind how probable each label of some texts is.

    Parameters
    ----------
    source
        A classifier of ours (.embz, .tflite, an ensemble), or a function from a list of texts to
        their probabilities, an array (texts, classes) or what NumPy makes one of. It is called with
        at most 10,000 texts at a time.
    texts
        Each is asked once.
    labels
        Of a function: the labels, in the order of its columns. A classifier has its own.
    progress
        Called with (texts done, texts).

    Raises
    ------
    InputError
        For a function without `labels`, `labels` with a classifier, no texts, and an answer of
        another shape, with a number below 0, one that is not finite, or a sum more than 0.001 from
        1. The message names the text.
    InputTypeError
        For a source that is neither a classifier nor callable.

    Examples
    --------
    >>> ask(lambda texts: [[0.25, 0.75]] * len(texts), ["a goal"], labels=["sport", "vote"])
    <SoftLabels: 1 texts, 2 labels>
    """
    asked: Asked
    if isinstance(source, TextClassifier):
        if labels is not None:
            raise InputError("a classifier has its own labels: leave `labels` out")
        asked, columns = source.probabilities, source.labels
    elif callable(source):
        if labels is None:
            raise InputError(
                "a function's answers need `labels`, received none: pass them in the order of its "
                "columns"
            )
        asked, columns = source, tuple(str(label) for label in labels)
    else:
        raise InputTypeError(
            "a source must be a classifier, or a function from texts to probabilities, received "
            f"{type(source).__name__}"
        )
    different = list(dict.fromkeys(texts))
    found: list[Matrix] = []

    def block(part: list[str]) -> int:
        found.append(checked_probabilities(asked(part), part, columns))
        return len(part)

    done = 0
    for count in map_texts(block, different):
        done += count
        if progress is not None:
            progress(done, len(different))
    if not found:
        raise InputError("asking a model needs at least one text, received none")
    return SoftLabels(columns, tuple(different), np.concatenate(found))


class FunctionClassifier(TextClassifier):
    """A function from texts to probabilities, as a classifier that teaches by itself.

    It answers any text, mutilated copies too. It has no rows that a student could start from:
    `embzip.tf.distill` takes another classifier as `start`, such as one of `teacher_of`.

    Parameters
    ----------
    function
        As in `ask`.
    labels
        In the order of its columns.

    Raises
    ------
    InputError
        When it is asked, for an answer as in `ask`.
    MismatchError
        When it is asked for ids, or for its tokenizer: it reads texts.

    Examples
    --------
    >>> def model(texts):
    ...     return [[0.9, 0.1] if "goal" in text else [0.2, 0.8] for text in texts]
    >>> FunctionClassifier(model, ["sport", "politics"]).predict(["a goal"])
    [Prediction(label='sport', probability=0.8999999761581421)]
    """

    def __init__(self, function: Asked, labels: Sequence[str]) -> None:
        self._function = function
        self.labels = tuple(str(label) for label in labels)

    def answers_to(self, texts: Iterable[str]) -> Matrix:
        """Return (texts, classes) float32 probabilities."""
        given = list(check_texts(texts))
        return checked_probabilities(self._function(given), given, self.labels)

    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> NoReturn:
        """Raise MismatchError."""
        _no_tokens()

    @property
    def tokenizer(self) -> NoReturn:
        """Raises MismatchError."""
        _no_tokens()

    @property
    def max_length(self) -> NoReturn:
        """Raises MismatchError."""
        _no_tokens()

    def unknown_rate(self, texts: Sequence[str]) -> None:
        """Return None: it has no tokens."""


def _no_tokens() -> NoReturn:
    raise MismatchError("a function reads texts, and has no tokens: ask it by texts")


def teacher_of(
    source: SoftLabels | TextClassifier | Asked,
    examples: Sequence[Example],
    vectors: Vectors | CompressedEmbedding,
    *,
    labels: Sequence[str] | None = None,
    dev: Sequence[Example] | None = None,
    progress: TrainingProgress | None = None,
    **options: Any,
) -> Classifier:
    """Train a full-size classifier on what any other model says of the training texts.

    Parameters
    ----------
    source
        The other model, as in `ask`, or what it said: `embzip.read_soft_labels(path)`.
    examples
        The training examples. Their labels do not teach; they must be among those of the source.
    vectors
        As in `train`.
    labels
        Of a function: the labels, in the order of its columns.
    dev
        As in `train`: the labels of dev decide which epoch is kept. The source is not asked of dev.
    progress
        As in `train`.
    options
        Those of `train`, such as `epochs=10`, `seed=1` or `filters=64`.

    Returns
    -------
    Classifier
        Its labels are sorted, and its `training` says that it learned probabilities.

    Raises
    ------
    InputError, InputTypeError, MismatchError, SpecError
        As in `ask` and `train`.

    Examples
    --------
    >>> from embzip.vocabulary import Vocabulary
    >>> def model(texts):
    ...     return [[0.9, 0.1] if "goal" in text else [0.2, 0.8] for text in texts]
    >>> table = Vectors(Vocabulary(["goal", "vote"]), np.eye(2, 8))
    >>> examples = [Example(text="goal", label="sport"), Example(text="vote", label="politics")] * 8
    >>> teacher = teacher_of(
    ...     model, examples, table, labels=["sport", "politics"],
    ...     windows=(1,), epochs=20, learning_rate=0.1, dropout=0.0, patience=20,
    ... )
    >>> teacher.labels, teacher.training.runs[0].soft
    (('politics', 'sport'), True)
    """
    if not isinstance(source, SoftLabels):
        kept, _ = training_and_dev(examples, dev)
        source = ask(source, [example.text for example in kept], labels=labels)
    elif labels is not None:
        raise InputError("soft labels have their own labels: leave `labels` out")
    result = train(examples, vectors, dev=dev, targets=source, progress=progress, **options)
    return result.classifier
