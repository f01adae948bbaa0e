"""Someone's own model of texts as a classifier: labels and probabilities, like ours.

The file says neither what its outputs are called nor whether they are probabilities. Names are
given; what the numbers are, a few fixed texts tell when the model is opened.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embzip.errors import IdRangeError, InputError, UnsupportedModelError
from embzip.foreign.outputs import check_labels, kind_of, read_labels, shares, shown, sums_to_1
from embzip.foreign.running import TEXT, ArrayModel, open_model
from embzip.prediction import TextClassifier
from embzip.tokenizers import load_tokenizer
from embzip.tokenizers.base import Tokenizer, check_texts
from embzip.types import Matrix

_PROBES = ("", "a", "the match ended in a draw after extra time", "1 2 3", "Ä, 無", "x " * 99)
_ALONE = "`embzip slim MODEL --to savedmodel --node OUTPUT` writes a model with that output alone"


class TextModel(TextClassifier):
    """A model of Keras or TensorFlow that reads texts, or ids of a tokenizer, as a classifier.

    Rows that sum to 1 are probabilities; other numbers are logits, of which softmax is taken. One
    column of numbers from 0 to 1 is the probability of the second of two labels.

    Parameters
    ----------
    model
        What `embzip.foreign.running.open_model` returns, with one input and one output of numbers.
    labels
        The label of each output column.
    tokenizer
        Of a model that reads ids: what makes them. They are padded at their end, with the
        tokenizer's padding, or 0 without one. One that reads texts does not use it.
    max_length
        Of a model that reads ids of any length: to how many each text is cut and padded.

    Raises
    ------
    UnsupportedModelError
        For a model of several inputs or outputs, and outputs of another meaning.
    MismatchError
        For another number of labels than columns.
    InputError
        For a tokenizer or length that the model lacks.
    """

    def __init__(
        self,
        model: ArrayModel,
        labels: Sequence[str],
        *,
        tokenizer: Tokenizer | None = None,
        max_length: int | None = None,
    ) -> None:
        self.model = model
        self.labels = tuple(labels)
        check_labels(self.labels, "labels")
        self._input = _only(model.path, "input", list(model.inputs))
        numeric = [name for name, slot in model.outputs.items() if slot.dtype.startswith(_FLOATS)]
        self._output = _only(model.path, "output of numbers", numeric)
        self._tokenizer = None if self.reads_texts else tokenizer
        self._length = self._length_of(max_length)
        self._made_of = (model.path, self.labels, tokenizer, max_length)
        self._kind = kind_of(model.path, self._numbers(_PROBES), self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopened, self._made_of)

    @property
    def reads_texts(self) -> bool:
        """Whether the model reads texts itself, and not ids."""
        return self.model.inputs[self._input].dtype == TEXT

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that makes its ids."""
        if self._tokenizer is None:
            raise UnsupportedModelError(
                f"{self.model.path}: this model reads texts itself, so it has no tokenizer to ask"
            )
        return self._tokenizer

    @property
    def max_length(self) -> int:
        """How many ids of a text are read."""
        _ = self.tokenizer
        return self._length

    def unknown_rate(self, texts: Sequence[str]) -> float | None:
        """Return what a tokenizer says; None of a model that reads texts itself."""
        return None if self._tokenizer is None else super().unknown_rate(texts)

    def answers_to(self, texts: Iterable[str]) -> Matrix:
        """Return (texts, classes) float32 probabilities."""
        return self._probabilities(self._numbers(check_texts(texts)))

    def answers_to_ids(self, ids: Sequence[Sequence[int]]) -> Matrix:
        """Return (texts, classes) float32 probabilities of tokenized texts."""
        rows = len(self.tokenizer.vocabulary)
        if any(not 0 <= each < rows for text in ids for each in text):
            raise IdRangeError(f"ids must lie in 0..{rows - 1}, the rows of the tokenizer")
        return self._probabilities(self._numbers_of_ids(ids))

    def _length_of(self, max_length: int | None) -> int:
        path, slot = self.model.path, self.model.inputs[self._input]
        if slot.dtype == TEXT:
            if slot.shape is not None and slot.shape not in ((None,), (None, 1), (None, None)):
                raise UnsupportedModelError(
                    f"{path}: a model of texts reads one a row, and its input takes {slot}"
                )
            return 0
        if self._tokenizer is None:
            raise InputError(
                f"{path}: this model reads numbers, {slot}, and not texts: give the tokenizer that "
                "makes its ids (--tokenizer FILE), or compare it on arrays (`embzip compare "
                "BEFORE AFTER --inputs X.npz`)"
            )
        if slot.shape is None or len(slot.shape) != 2:
            raise UnsupportedModelError(
                f"{path}: ids are a row of numbers for each text, and the input takes {slot}: "
                "compare it on arrays (`embzip compare BEFORE AFTER --inputs X.npz`)"
            )
        fixed = slot.shape[1]
        if fixed is None and max_length is None:
            raise InputError(
                f"{path}: this model reads any number of ids: say to how many a text is cut and "
                "padded (--max-length N), as in training"
            )
        if max_length is not None and (max_length < 1 or fixed not in (None, max_length)):
            known = "at least 1" if fixed is None else f"{fixed}, which the model reads"
            raise InputError(f"{path}: max_length must be {known}, received {max_length}")
        return max_length or fixed or 0

    def _numbers(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.reads_texts:
            return self._run(np.array(texts, object))
        return self._numbers_of_ids(self.encode(texts))

    def _numbers_of_ids(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        padding = self.tokenizer.vocabulary.pad_id or 0
        padded = np.full((len(ids), self._length), padding, np.int64)
        for row, text in zip(padded, ids, strict=True):
            cut = text[: self._length]
            row[: len(cut)] = cut
        return self._run(padded)

    def _run(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        if not len(inputs):
            columns = 1 if self._kind == "sigmoid" else len(self.labels)
            return np.empty((0, columns), np.float32)
        found = self.model.run({self._input: inputs})[self._output].astype(np.float32)
        return found[:, None] if found.ndim == 1 else found

    def _probabilities(self, numbers: NDArray[np.float32]) -> Matrix:
        if self._kind == "logits":
            shifted = np.exp(numbers - numbers.max(axis=1, keepdims=True, initial=-np.inf))
            made: Matrix = shifted / shifted.sum(axis=1, keepdims=True)
            return made
        if np.isfinite(numbers).all():  # what is not, is found by the caller
            fits = shares(numbers) if self._kind == "sigmoid" else sums_to_1(numbers)
            if not fits.all():
                text = int(fits.argmin())
                raise UnsupportedModelError(
                    f"{self.model.path}: text {text}: its answers are probabilities for other "
                    f"texts and none for this one, {shown(numbers[text])}: end the model in a "
                    "softmax"
                )
        if self._kind == "sigmoid":
            numbers = np.concatenate([1 - numbers, numbers], axis=1)
        return numbers


_FLOATS = ("float", "bfloat", "half")


def load_text_model(
    path: str | Path,
    labels: Sequence[str] | str | Path,
    *,
    tokenizer: Tokenizer | str | Path | None = None,
    max_length: int | None = None,
) -> TextModel:
    """Return a file of Keras or TensorFlow as a classifier, for `evaluate`, `gate` and `compare`.

    Parameters
    ----------
    path
        A .keras or .h5 file, a SavedModel folder or a frozen graph, that reads texts or ids.
    labels
        In the order of the outputs; or the path of a file with one a line.
    tokenizer, max_length
        As in `TextModel`; a tokenizer's file too.

    Raises
    ------
    InputError
        For a file that is damaged or touches files or Python, and labels that stand twice.
    UnsupportedModelError, MismatchError
        As in `TextModel`.

    Examples
    --------
    >>> import tempfile
    >>> import tensorflow as tf
    >>> def logits(texts):
    ...     votes = 9 * tf.cast(tf.strings.regex_full_match(texts, ".*vote.*"), tf.float32)
    ...     return {"logits": tf.stack([2 - votes, votes - 1], axis=1)}
    >>> module, path = tf.Module(), tempfile.mkdtemp()
    >>> module.serve = tf.function(logits, input_signature=[tf.TensorSpec([None], tf.string)])
    >>> tf.saved_model.save(module, path, signatures=module.serve)
    >>> [each.label for each in load_text_model(path, ["sport", "politics"]).predict(["a vote"])]
    ['politics']
    """
    named = read_labels(labels) if isinstance(labels, str | Path) else tuple(labels)
    known = load_tokenizer(tokenizer) if isinstance(tokenizer, str | Path) else tokenizer
    return TextModel(open_model(path), named, tokenizer=known, max_length=max_length)


def _reopened(
    path: Path, labels: Sequence[str], tokenizer: Tokenizer | None, max_length: int | None
) -> TextModel:
    return load_text_model(path, labels, tokenizer=tokenizer, max_length=max_length)


def _only(path: Path, what: str, names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    found = f"{len(names)}: {', '.join(names)}" if names else "none"
    raise UnsupportedModelError(
        f"{path}: a classifier of texts has one {what}, and this model has {found}: "
        + (_ALONE if what != "input" else "compare it on arrays (`embzip compare --inputs X.npz`)")
    )
