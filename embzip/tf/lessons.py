"""What a student learns from: texts and mutilated copies of them, with its teachers' probabilities.

Copies are drawn anew each epoch. Nothing is trained here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from embzip.classifier import Encoder, Ensemble
from embzip.corpus import Example
from embzip.errors import InputError, InputTypeError, MismatchError
from embzip.prediction import TextClassifier
from embzip.tf.answers import kept_answers
from embzip.tf.batches import Batches, batches_of_ids, joined, tokenizer_of
from embzip.tf.copies import Copy, mutilated
from embzip.tf.folds import fold_of
from embzip.tokenizers.remembering import RememberingTokenizer
from embzip.types import Matrix
from embzip.vectors.base import Vectors

UnlabelledTexts = Sequence[str] | Callable[[], Iterable[str]]
_LEAST_UNLABELLED = 20_000  # texts an epoch, where the labelled are fewer
_BLOCK = 4096  # texts that are there as words at a time
_PROBES = 8  # texts whose answers tell teachers apart


@dataclass(frozen=True, eq=False)
class Teaching:
    """Who says what a text is.

    Attributes
    ----------
    full
        What was trained on all texts.
    folds
        Classifiers of which number i was trained on all texts but those of fold i; none where the
        full one alone is asked.
    share
        How much the word of the folds counts, 0 to 1; the rest is the full teacher's.
    work
        A folder that keeps what they said, beside what others did; None keeps nothing.
    """

    full: TextClassifier
    folds: Sequence[TextClassifier] = ()
    share: float = 1.0
    work: Path | None = None

    def said(self, copies: Sequence[Copy], texts: Sequence[str]) -> Matrix:
        """Return the (copies, classes) probabilities of copies of texts.

        Of folds, that one answers which has not seen the text; of a copy from two folds, both, and
        the mean is taken.
        """
        if self.work is None:
            return self._asked(copies, texts)
        # Who answers depends on what a copy was made of.
        asked = [
            part for copy in copies for part in (copy.text, texts[copy.first], texts[copy.second])
        ]
        # Other teachers say something else of the same few texts.
        probes = list(texts[:_PROBES])
        signs = [teacher.probabilities(probes).tobytes() for teacher in (self.full, *self.folds)]
        return kept_answers(
            self.work,
            [repr([self.full.labels, self.share, signs]), *asked],
            (len(copies), len(self.full.labels)),
            lambda: self._asked(copies, texts),
        )

    def _asked(self, copies: Sequence[Copy], texts: Sequence[str]) -> Matrix:
        asked: Sequence[Any] = (
            self._shared.encode([copy.parts for copy in copies])
            if self._shared
            else [copy.text for copy in copies]
        )
        if not self.folds:
            return self._answer(self.full, asked)
        first = fold_of([texts[copy.first] for copy in copies], len(self.folds))
        second = fold_of([texts[copy.second] for copy in copies], len(self.folds))
        found = np.zeros((len(copies), len(self.full.labels)), np.float32)
        for number, teacher in enumerate(self.folds):
            counts = (first == number) * np.float32(0.5) + (second == number) * np.float32(0.5)
            rows = np.flatnonzero(counts)
            columns = [teacher.labels.index(label) for label in self.full.labels]
            said = self._answer(teacher, [asked[row] for row in rows.tolist()])[:, columns]
            found[rows] += counts[rows, None] * said
        if self.share < 1:
            found = self.share * found + (1 - self.share) * self._answer(self.full, asked)
        return found

    @cached_property
    def _shared(self) -> RememberingTokenizer | None:
        """The tokenizer of all, so that a text is tokenized once; None if they have several."""
        try:
            return RememberingTokenizer(Ensemble([self.full, *self.folds]).tokenizer)
        except MismatchError:
            return None

    def _answer(self, teacher: TextClassifier, asked: Sequence[Any]) -> Matrix:
        if not self._shared:
            return teacher.probabilities(asked)
        return teacher.probabilities_of_ids([ids[: teacher.max_length] for ids in asked])


class Lessons:
    """The batches of each epoch: every text, and `copies` mutilated copies of each.

    Parameters
    ----------
    near
        The words that may take a word's place in a copy, of those that have any.
    targets
        (examples, classes): what is known of the examples, which their teacher is not asked then.
    labels
        How much the labels of examples count beside what is said of them, 0 to 1.
    texts
        Further texts without labels, or what opens a stream of them. An epoch reads a part of them:
        as many as there are examples, or 20,000 if that is more.
    balance
        Whether copies are made of equally many texts of each label, rather than of every text.
    """

    def __init__(
        self,
        teaching: Teaching,
        examples: Sequence[Example],
        table: Vectors,
        config: Encoder,
        *,
        copies: int,
        near: Mapping[str, Sequence[str]],
        targets: Matrix | None = None,
        labels: float = 0.0,
        texts: UnlabelledTexts = (),
        balance: bool = False,
        seed: int = 0,
    ) -> None:
        self._teaching, self._table, self._config = teaching, table, config
        self._tokenizer = RememberingTokenizer(tokenizer_of(table))
        self._copies, self._seed, self._near = copies, seed, near
        self._labels = teaching.full.labels
        self._texts = [example.text for example in examples]
        own = _unchanged(self._texts)
        self._own = joined([*self._answered(own, self._texts, targets)])
        if labels:
            place = {label: index for index, label in enumerate(self._labels)}
            hard = np.eye(len(place), dtype=np.float32)[[place[e.label] for e in examples]]
            said = self._own.targets
            assert said is not None  # noqa: S101
            self._own = replace(self._own, targets=(1 - labels) * said + labels * hard)
        self._weights = None
        if balance:
            _, label, count = np.unique(
                [example.label for example in examples], return_inverse=True, return_counts=True
            )
            self._weights = 1 / (count[label] * len(count))
        if isinstance(texts, str) or not (callable(texts) or isinstance(texts, Sequence)):
            raise InputTypeError(
                "further texts are a list, or a function that opens a stream of them each time it "
                f"is called, received {type(texts).__name__}: of a file's path, pass "
                "`lambda: embzip.corpus.read_texts(path)`"
            )
        self._more = _portions(texts, max(len(examples), _LEAST_UNLABELLED))
        self._next = 0

    def __call__(self, epoch: int) -> Batches:
        """Return the texts of an epoch; epochs are asked for in their order, and may be left out.

        What an epoch has does not depend on those that were left out.
        """
        rng = np.random.default_rng([self._seed, epoch])
        for _ in range(self._next, epoch):
            next(self._more)
        self._next = epoch + 1
        more = next(self._more)
        every = [*self._texts, *more]
        made = chain(_unchanged(more, len(self._texts)), self._drawn(every, rng))
        return joined([self._own, *self._answered(made, every)])

    def _drawn(self, every: Sequence[str], rng: np.random.Generator) -> Iterator[Copy]:
        """Yield the mutilated copies of an epoch."""
        own = len(self._texts)
        for _ in range(self._copies):
            drawn = np.arange(len(every))
            if self._weights is not None:
                drawn[:own] = rng.choice(own, own, p=self._weights)
            yield from mutilated(every, drawn, rng, self._near)

    def _answered(
        self, copies: Iterator[Copy], texts: Sequence[str], known: Matrix | None = None
    ) -> Iterator[Batches]:
        """Yield copies of texts as ids, with what is said of them, or known already."""
        done = 0
        while block := list(islice(copies, _BLOCK)):
            ids = self._tokenizer.encode([copy.parts for copy in block])
            labels = np.zeros(len(ids), np.uint8)  # targets stand in their place
            batches = batches_of_ids(ids, labels, self._table, self._config)
            said = (
                self._teaching.said(block, texts)
                if known is None
                else known[done : done + len(block)]
            )
            done += len(block)
            yield replace(batches, targets=said.astype(np.float32, copy=False))


def _unchanged(texts: Sequence[str], first: int = 0) -> Iterator[Copy]:
    """Yield texts as copies of themselves, which are numbered from `first` on."""
    return (Copy(text.split(" "), at, at) for at, text in enumerate(texts, first))


def _portions(texts: UnlabelledTexts, size: int) -> Iterator[list[str]]:
    """Yield a part of the texts each time, and after the last part the first one again."""
    while True:
        stream = (text for text in _checked(texts() if callable(texts) else texts) if text.strip())
        first = list(islice(stream, size))
        if not first and texts:
            raise InputError("the further texts hold no text: leave them out, or pass some")
        yield first  # an empty list where there are none
        while part := list(islice(stream, size)):
            yield part


def _checked(texts: Iterable[object]) -> Iterator[str]:
    for text in texts:
        if not isinstance(text, str):
            raise InputTypeError(f"further texts are strings, received {type(text).__name__}")
        yield text
