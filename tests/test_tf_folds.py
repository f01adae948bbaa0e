"""Fold teachers: which texts each has seen, and that it is trained as its teacher was."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embzip import tf
from embzip.classifier import Classifier, MeanConfig, TextDigest, load_classifier
from embzip.classifier.rebuilding import rebuild
from embzip.classifier.schedules import PruningShares
from embzip.compression import compress
from embzip.corpus import Example
from embzip.errors import InputError
from embzip.labelled.splits import split_examples
from embzip.soft_labels import SoftLabels
from embzip.tf.batches import training_and_dev
from embzip.tf.folds import fold_of, fold_teachers
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary
from tests.models import tiny_classifier

WORDS = sorted(f"w{index:02}" for index in range(40))
SHAPE: Any = {"filters": 8, "windows": (1, 2), "dropout": 0.25}
OPTIONS: Any = {
    **{"epochs": 3, "batch_size": 16, "learning_rate": 0.02, "patience": 2, "seed": 5},
    **{"optimizer": "adam-rows", "max_length": 6, **SHAPE},
}


def vectors() -> Vectors:
    tokenizer = WordTokenizer(WORDS, Normalization())
    matrix = np.random.default_rng(0).normal(0, 0.5, (len(WORDS) + 2, 8)).astype(np.float32)
    matrix[0] = 0
    return Vectors(tokenizer.vocabulary, matrix, np.arange(len(matrix)), tokenizer)


def examples(count: int = 160) -> list[Example]:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 4, replace=False)) for _ in range(count)]
    return [
        Example(text=text, label="even" if int(text[1:3]) % 2 == 0 else "odd") for text in texts
    ]


def teacher_of(given: list[Example], **options: Any) -> Classifier:
    return tf.train(given, vectors(), **{**OPTIONS, **options}).classifier


def same(one: Classifier, other: Classifier) -> bool:
    return all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


def test_folds_are_fixed_even_and_independent_of_dev() -> None:
    texts = [f"text {number}" for number in range(4000)]
    found = fold_of(texts, 4)
    assert found.tolist() == fold_of(texts[::-1], 4)[::-1].tolist()
    assert np.abs(np.bincount(found, minlength=4) / 1000 - 1).max() < 0.1
    _, held_out = split_examples([Example(text=text, label="a") for text in texts])
    out = fold_of([example.text for example in held_out], 4)
    assert np.abs(np.bincount(out, minlength=4) / (len(out) / 4) - 1).max() < 0.25
    assert fold_of([], 3).tolist() == []
    assert fold_of(["lone \ud800"], 3).shape == (1,)
    for folds in (1, 0, -4):
        with pytest.raises(InputError, match=f"folds must lie in 2..1024, received {folds}"):
            fold_of(texts, folds)


@dataclass(frozen=True)
class Taught:
    """A teacher with its two fold teachers, and what was told of their progress."""

    given: list[Example]
    teacher: Classifier
    made: list[Classifier]
    told: list[tuple[int, int]]


@pytest.fixture(scope="module")
def taught() -> Taught:
    given, told = examples(), []
    teacher = teacher_of(given)
    made = fold_teachers(
        teacher, given, vectors(), folds=2, progress=lambda *each: told.append(each[:2])
    )
    return Taught(given, teacher, made, told)


def test_each_is_trained_on_all_but_its_fold_as_its_teacher_was(taught: Taught) -> None:
    kept, held_out = training_and_dev(taught.given, None)
    fold = fold_of([example.text for example in kept], 2)
    whole = taught.teacher.training.runs[0]
    for index, each in enumerate(taught.made):
        (run,) = each.training.runs
        part = [e for e, f in zip(kept, fold, strict=True) if f != index]
        assert run.training == TextDigest.of(e.text for e in part)
        assert run.dev == whole.dev == TextDigest.of(e.text for e in held_out)
        own = {"best_epoch": run.best_epoch, "dev_accuracy": run.dev_accuracy}
        changed = {"seed": 5 + index, "held_out": False, **own}
        assert run == replace(whole, training=run.training, **changed)
        assert each.config == taught.teacher.config
        assert each.labels == taught.teacher.labels
    plain = tf.train(part, vectors(), dev=held_out, **{**OPTIONS, "seed": 6}).classifier
    assert same(plain, taught.made[1])
    assert not same(plain, taught.made[0])


def test_progress_goes_on_from_fold_to_fold(taught: Taught) -> None:
    total = taught.told[-1][1]
    assert taught.told == [(done, total) for done in range(1, total + 1)]


def test_what_was_done_to_the_teacher_later_changes_nothing(taught: Taught, tmp_path: Path) -> None:
    small = rebuild(taught.teacher, codec="svd:4|int8", kernels="int8")
    small = tf.tune(small, taught.given, epochs=1, learning_rate=0.1).classifier
    small.save(tmp_path / "small.embz")
    small = load_classifier(tmp_path / "small.embz")
    made = fold_teachers(small, taught.given, vectors(), folds=2, work=tmp_path / "work")
    assert all(same(one, other) for one, other in zip(made, taught.made, strict=True))
    assert made[0].kernels == "float32"
    again = fold_teachers(taught.teacher, taught.given, vectors(), folds=2, work=tmp_path / "work")
    for one, other in zip(again, made, strict=True):
        np.testing.assert_array_equal(one.probabilities(WORDS), other.probabilities(WORDS))
    path = tmp_path / "work" / "fold-1-of-2.embz"
    path.write_bytes((tmp_path / "work" / "fold-0-of-2.embz").read_bytes())
    others = fold_teachers(taught.teacher, taught.given, vectors(), folds=2, work=path.parent)
    assert same(others[1], taught.made[1])  # not what was trained without another fold


def test_what_is_kept_is_taken_for_what_it_was_made_from_alone(tmp_path: Path) -> None:
    given, words = examples(60), vectors()
    brief: dict[str, Any] = {"epochs": 1, "patience": 1}
    teacher = teacher_of(given, **brief)

    def kept(teacher: Classifier, *asked: Any, **options: Any) -> list[bytes]:
        fold_teachers(teacher, *asked, folds=2, work=tmp_path, **options)
        return [path.read_bytes() for path in sorted(tmp_path.iterdir())]

    before = kept(teacher, given, words)
    assert kept(teacher, given, words) == before
    turned = {"even": "odd", "odd": "even"}
    others: list[tuple[Any, ...]] = [
        (teacher_of(given, **brief, batch_size=8), given, words),
        (teacher, [Example(text=e.text, label=turned[e.label]) for e in given], words),
        (teacher, given, replace(words, matrix=2 * words.matrix)),
    ]
    for other in others:
        assert kept(*other) != before
        assert kept(teacher, given, words) == before
    texts = tuple(dict.fromkeys(example.text for example in given))
    soft = SoftLabels(("even", "odd"), texts, np.full((len(texts), 2), 0.5))
    assert kept(teacher, given, words, targets=soft) != before
    for content in (b"", b"no classifier", before[1][:-100]):
        (tmp_path / "fold-0-of-2.embz").write_bytes(content)
        assert kept(teacher, given, words) == before


def test_encoder_case_start_and_pruning_are_the_teachers() -> None:
    given = examples()
    words = Vectors(Vocabulary(WORDS), vectors().matrix[2:])
    sparse = PruningShares(0.5, 0.25, 0.75, 2)
    teacher = tf.train(
        given, words, encoder="mean", lowercase=False, epochs=4, batch_size=16, max_length=3,
        random_init=True, pruning=sparse,
    ).classifier  # fmt: skip
    schedule = teacher.training.runs[0].pruning
    kept, _ = training_and_dev(given, None)
    assert schedule == sparse.over(4 * -(-len(kept) // 16))
    for each in fold_teachers(teacher, given, words, folds=2):
        assert each.config == teacher.config
        assert isinstance(each.config, MeanConfig)
        assert each.tokenizer.normalization == teacher.tokenizer.normalization
        run = each.training.runs[0]
        assert run.random_init
        assert run.pruning is not None
        assert run.pruning.end / schedule.end == pytest.approx(0.5, abs=0.2)
        assert (run.pruning.final, run.pruning.frequency) == (0.5, 2)
        assert (each.arrays["dense.kernel"] == 0).mean() == pytest.approx(0.5, abs=0.05)


def test_a_frozen_table_is_the_fold_teachers_too() -> None:
    given, table = examples(), compress(vectors(), "int8")
    frozen = tf.train(given, table, trainable=False, **{**OPTIONS, "epochs": 1}).classifier
    for each in fold_teachers(frozen, given, table, folds=2):
        assert each.embedding is table


def test_teachers_of_probabilities_have_fold_teachers_of_probabilities() -> None:
    given = examples()
    texts = tuple(dict.fromkeys(example.text for example in given))
    sure = [[0.8, 0.2] if int(text[1:3]) % 2 else [0.2, 0.8] for text in texts]
    soft = SoftLabels(("odd", "even"), texts, np.array(sure))
    teacher = teacher_of(given, targets=soft, epochs=1)
    with pytest.raises(InputError, match="the teacher learned probabilities"):
        fold_teachers(teacher, given, vectors())
    made = fold_teachers(teacher, given, vectors(), folds=2, targets=soft)
    assert [each.training.runs[0].soft for each in made] == [True, True]


def test_a_label_of_one_fold_alone_is_known_to_all_and_dev_may_be_given() -> None:
    given = examples()
    dev, train = given[:20], given[20:]
    alone = next(e.text for e in train if fold_of([e.text], 2)[0] == 1)
    train = [Example(text=e.text, label="rare") if e.text == alone else e for e in train]
    teacher = teacher_of(train, dev=dev, epochs=1)
    made = fold_teachers(teacher, train, vectors(), folds=2, dev=dev, seed=9)
    assert [each.labels for each in made] == [("even", "odd", "rare")] * 2
    runs = [each.training.runs[0] for each in made]
    assert [run.seed for run in runs] == [9, 10]
    assert all(run.dev == TextDigest.of(e.text for e in dev) for run in runs)
    assert sum(run.training.count for run in runs) == len({example.text for example in train})


def test_teachers_and_vectors_that_cannot_be_are_refused(taught: Taught, tmp_path: Path) -> None:
    given, teacher = taught.given, taught.teacher
    with pytest.raises(InputError, match="does not say how: train it"):
        fold_teachers(tiny_classifier(), given, vectors())
    tuned = replace(teacher.training.runs[0], kind="tune")
    unknown = replace(teacher, training=replace(teacher.training, runs=(tuned,)))
    with pytest.raises(InputError, match="does not say how"):
        fold_teachers(unknown, given, vectors())
    teacher.save(tmp_path / "a.embz")
    read = load_classifier(tmp_path / "a.embz")
    as_vectors = Vectors(read.embedding.vocabulary, read.embedding.decode(), None, read.tokenizer)
    for table in (read.embedding, as_vectors):
        with pytest.raises(InputError, match="the teacher's own trained table"):
            fold_teachers(read, given, table)
    with pytest.raises(InputError, match=r"folds must lie in 2\.\.1024"):
        fold_teachers(teacher, given, vectors(), folds=1)
    with pytest.raises(InputError, match="each of 900 fold teachers lacks some of the training"):
        fold_teachers(teacher, given, vectors(), folds=900)
    with pytest.raises(InputError, match=r"labels must have every label .* lack 'new'"):
        fold_teachers(teacher, [*given, Example(text="w01 w02", label="new")], vectors())
