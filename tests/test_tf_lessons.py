"""Who says what of which copy, and which texts an epoch has."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from embzip.classifier import Classifier
from embzip.corpus import Example
from embzip.tf.batches import Batches
from embzip.tf.copies import Copy
from embzip.tf.folds import fold_of
from embzip.tf.lessons import Lessons, Teaching
from embzip.vectors.base import vectors_of
from tests.models import WORDS, tiny_classifier

LABELS = ("animals", "people")
EXAMPLES = [
    Example(text=" ".join((WORDS * 2)[at : at + 3]), label=LABELS[at % 3 == 0])
    for at in range(len(WORDS))
]
TEXTS = [example.text for example in EXAMPLES]


def lessons(teacher: Classifier, **options: object) -> Lessons:
    given = {"copies": 0, "seed": 3, "near": {}, **options}
    teaching = given.pop("teaching", Teaching(teacher))
    return Lessons(teaching, EXAMPLES, vectors_of(teacher.embedding), teacher.config, **given)


def ids_of(batches: Batches) -> list[list[int]]:
    """Return the ids of each text."""
    return [ids.tolist() for ids in np.split(batches.ids, batches.lengths.cumsum()[:-1])]


def test_without_folds_the_teacher_says_what_it_thinks() -> None:
    teacher = tiny_classifier()
    batches = lessons(teacher)(0)
    assert batches.targets is not None
    assert np.allclose(batches.targets, teacher.probabilities(TEXTS))
    assert ids_of(batches) == teacher.encode(TEXTS)


def test_a_copy_is_judged_by_the_folds_that_have_not_seen_it() -> None:
    teacher = tiny_classifier()
    # The labels of a fold teacher may stand in another order.
    folds = [
        tiny_classifier(seed=1),
        tiny_classifier(seed=2, labels=("people", "animals")),
        tiny_classifier(seed=3),
    ]
    fold = fold_of(TEXTS, 3)
    assert len(set(fold.tolist())) == 3
    copies = [
        Copy(["lion", "zoo"], 0, 0), Copy(["say", "café"], 1, 4), Copy(["able"], 8, 8)
    ]  # fmt: skip
    said = Teaching(teacher, folds, share=1.0).said(copies, TEXTS)

    def by(index: int, text: str) -> np.ndarray:
        found = folds[fold[index]].probabilities([text])[0]
        return found[::-1] if fold[index] == 1 else found

    assert np.allclose(said[0], by(0, "lion zoo"))
    assert np.allclose(said[1], (by(1, "say café") + by(4, "say café")) / 2)
    assert np.allclose(said[2], by(8, "able"))
    mixed = Teaching(teacher, folds, share=0.25).said(copies, TEXTS)
    own = teacher.probabilities([copy.text for copy in copies])
    assert np.allclose(mixed, 0.25 * said + 0.75 * own, atol=1e-6)


def test_labels_and_what_is_known_take_the_teachers_place() -> None:
    teacher = tiny_classifier()
    hard = np.array([[example.label == label for label in LABELS] for example in EXAMPLES])
    targets = lessons(teacher, labels=0.25)(0).targets
    assert np.allclose(targets, 0.75 * teacher.probabilities(TEXTS) + 0.25 * hard, atol=1e-6)
    known = np.full((len(TEXTS), 2), 0.5, np.float32)
    assert np.array_equal(lessons(teacher, targets=known)(0).targets, known)


def test_copies_are_new_each_epoch_and_the_same_again() -> None:
    teacher = tiny_classifier()
    one, again = lessons(teacher, copies=2), lessons(teacher, copies=2)
    first, second = one(0), one(1)
    assert len(first) == len(second) == 3 * len(TEXTS)
    assert ids_of(first)[: len(TEXTS)] == ids_of(second)[: len(TEXTS)]
    assert not np.array_equal(first.ids, second.ids)
    assert np.array_equal(first.ids, again(0).ids)
    assert first.targets is not None
    assert np.allclose(first.targets, teacher.probabilities_of_ids(ids_of(first)), atol=1e-6)


def test_a_swapped_word_is_one_that_the_teacher_is_asked_about() -> None:
    teacher = tiny_classifier()
    found = lessons(teacher, copies=20, near={"zoo": ["lion"]})(0)
    plain = lessons(teacher, copies=20)(0)
    lions = [int((each.ids == 6).sum()) for each in (found, plain)]
    zoos = [int((each.ids == 10).sum()) for each in (found, plain)]
    assert lions[0] > 1.1 * lions[1]
    assert zoos[0] < zoos[1]
    assert np.allclose(found.targets, teacher.probabilities_of_ids(ids_of(found)), atol=1e-6)


def test_texts_without_labels_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embzip.tf.lessons._LEAST_UNLABELLED", 10)
    teacher = tiny_classifier()
    more = [f"{word} zoo" for word in WORDS] * 3  # 27 texts
    opened: list[int] = []

    def stream() -> list[str]:
        opened.append(1)
        return ["", *more, "  "]

    made = lessons(teacher, texts=stream)
    sizes = [len(made(epoch)) - len(TEXTS) for epoch in range(5)]
    assert sizes == [10, 10, 7, 10, 10]
    assert len(opened) == 2
    few = lessons(teacher, texts=["lion zoo"])
    assert [len(few(epoch)) - len(TEXTS) for epoch in range(3)] == [1, 1, 1]
    assert len(lessons(teacher, texts=[])(0)) == len(TEXTS)


def test_balanced_copies_are_of_equally_many_texts_of_each_label() -> None:
    teacher = tiny_classifier()
    drawn: Counter[str] = Counter()

    class Asked(Teaching):
        def said(self, copies: list[Copy], texts: list[str]) -> np.ndarray:
            if len(copies) > len(TEXTS):
                drawn.update(EXAMPLES[copy.first].label for copy in copies)
            return super().said(copies, texts)

    lessons(teacher, copies=200, balance=True, teaching=Asked(teacher))(0)
    assert drawn.total() == 200 * len(TEXTS)
    assert 0.45 < drawn["people"] / drawn.total() < 0.55  # a third of the texts


def test_what_was_said_is_kept_for_the_next_student_of_the_same_teachers(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting(Teaching):
        def _asked(self, copies: Sequence[Copy], texts: Sequence[str]) -> np.ndarray:
            asked.append(len(copies))
            return super()._asked(copies, texts)

    def said(*seeds: int, share: float = 1.0) -> list[np.ndarray]:
        full, *folds = (tiny_classifier(seed=seed) for seed in seeds)
        teaching = Counting(full, folds, share, work=tmp_path)
        made = lessons(tiny_classifier(), teaching=teaching, copies=1)
        return [made(epoch).targets for epoch in (0, 1)]

    first = said(0)
    assert len(list(tmp_path.iterdir())) == len(asked) == 3, "the texts, and two epochs of copies"
    assert all(np.array_equal(*pair) for pair in zip(said(0), first, strict=True))
    assert len(asked) == 3
    # Others are asked themselves: another teacher, fold teachers, and another share of these.
    for seeds, share in (((1,), 1.0), ((0, 1, 2), 1.0), ((0, 2, 1), 1.0), ((0, 1, 2), 0.5)):
        asked.clear()
        assert not np.array_equal(said(*seeds, share=share)[0], first[0])
        assert len(asked) == 3
    # A damaged file is as one that is not there.
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    asked.clear()
    assert all(np.array_equal(*pair) for pair in zip(said(0), first, strict=True))
    assert len(asked) == 3


def test_an_epoch_is_the_same_where_others_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embzip.tf.lessons._LEAST_UNLABELLED", 2)
    more = [f"lion {number}" for number in range(30)]
    teacher = tiny_classifier()
    whole = lessons(teacher, texts=more, copies=1)
    every = [whole(epoch) for epoch in range(3)]
    last = lessons(teacher, texts=more, copies=1)(2)
    assert np.array_equal(last.ids, every[2].ids)
    assert np.array_equal(last.targets, every[2].targets)


def test_few_copies_are_there_at_a_time_and_the_lessons_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teacher = tiny_classifier()
    folds = [tiny_classifier(seed=seed) for seed in (1, 2)]
    options = {"copies": 3, "texts": ["the lion", "people say"], "labels": 0.5}
    asked: list[int] = []

    class Counting(Teaching):
        def said(self, copies: Sequence[Copy], texts: Sequence[str]) -> np.ndarray:
            asked.append(len(copies))
            return super().said(copies, texts)

    whole = lessons(teacher, teaching=Counting(teacher, folds, 0.5), **options)(1)
    texts = len(EXAMPLES)
    assert asked == [texts, 2 + 3 * (texts + 2)]
    monkeypatch.setattr("embzip.tf.lessons._BLOCK", 4)
    asked.clear()
    parts = lessons(teacher, teaching=Counting(teacher, folds, 0.5), **options)(1)
    assert max(asked) == 4
    assert np.array_equal(parts.ids, whole.ids)
    assert np.array_equal(parts.lengths, whole.lengths)
    np.testing.assert_allclose(parts.targets, whole.targets, atol=1e-6)
