"""Distilling: a small student answers like its teacher, within the size that was promised."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embzip
from embzip import tf
from embzip.classifier import Classifier, CnnConfig, head_shapes, load_classifier
from embzip.classifier.student_shape import StudentShape
from embzip.classifier.students import start_of
from embzip.classifier.text_digests import TextDigest
from embzip.corpus import Example
from embzip.errors import InputError, InputTypeError, MismatchError, OutputError
from embzip.labelled.splits import split_examples
from embzip.tf.copies import Copy, mutilated
from embzip.tf.near_words import near_words
from embzip.tf.student_plans import plan_student
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from tests.models import tiny_classifier

TOPICS = {
    "sport": ["goal", "team", "match", "coach", "cup"],
    "vote": ["party", "poll", "law", "minister", "bill"],
    "rain": ["storm", "cloud", "wind", "snow", "sun"],
}
FILLERS = ["a", "about", "and", "for", "in", "of", "on", "the", "to", "with"]
SHAPE = StudentShape(rows=24, dim=6, filters=12, codec="svd|int4", kernels="int4")
OPTIONS: dict[str, Any] = {"epochs": 6, "learning_rate": 0.01, "batch_size": 32}


def examples(count: int = 400) -> list[Example]:
    rng = np.random.default_rng(0)
    found = []
    for label in rng.choice(list(TOPICS), count).tolist():
        words = [*rng.choice(TOPICS[label], 2), *rng.choice(FILLERS, 3)]
        found.append(Example(text=" ".join(rng.permutation(words).tolist()), label=label))
    return found


EXAMPLES = examples()


def vectors(seed: int = 0) -> Vectors:
    words = sorted({word for topic in TOPICS.values() for word in topic} | set(FILLERS))
    tokenizer = WordTokenizer(words, Normalization())
    matrix = np.random.default_rng(seed).normal(size=(len(words) + 2, 16)).astype(np.float32)
    matrix[0] = 0
    return Vectors(tokenizer.vocabulary, matrix, None, tokenizer)


def trained(seed: int = 0, **options: Any) -> Classifier:
    given = {"epochs": 4, "learning_rate": 0.01, "filters": 24, "windows": (1, 2), **options}
    return tf.train(EXAMPLES, vectors(seed), seed=seed, **given).classifier


@pytest.fixture(scope="module")
def teacher() -> Classifier:
    return trained()


@pytest.fixture(scope="module")
def made(teacher: Classifier) -> tf.DistillResult:
    return tf.distill(teacher, EXAMPLES, shape=SHAPE, **OPTIONS)


def test_a_student_answers_like_its_teacher(
    teacher: Classifier, made: tf.DistillResult, tmp_path: Path
) -> None:
    assert made.teacher.accuracy > 0.9
    assert made.student.agreement is not None
    assert made.student.agreement > 0.9
    assert made.student.accuracy > 0.9
    student = made.classifier
    assert student.labels == teacher.labels
    assert (student.kernels, student.config.features) == ("int4", 24)
    assert student.embedding.codec.spec == "int4"  # the svd is folded
    assert student.embedding.shape == (26, 6)
    assert 0 < len(made.float_accuracy) <= 6
    assert len(made.rounded_accuracy) == 3
    teacher.save(tmp_path / "teacher.embz")
    student.save(tmp_path / "student.embz")
    texts = [example.text for example in EXAMPLES]
    loaded = load_classifier(tmp_path / "student.embz")
    assert np.array_equal(loaded.probabilities(texts), student.probabilities(texts))
    small, large = ((tmp_path / f"{name}.embz").stat().st_size for name in ("student", "teacher"))
    assert small < large / 4


def test_copies_have_words_swapped_by_the_teachers_table(
    teacher: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Any] = []

    def seen(*given: Any) -> Iterator[Copy]:
        used.append(given[-1])
        return mutilated(*given)

    monkeypatch.setattr("embzip.tf.lessons.mutilated", seen)
    other = trained(seed=1, epochs=1)
    once = {"epochs": 1, "rounded_epochs": 0, "fold_teachers": [other, other]}
    tf.distill(other, EXAMPLES, shape=SHAPE, start=teacher, copies=1, **once)
    near = near_words(teacher, [example.text for example in split_examples(EXAMPLES)[0]])
    assert len(near) == 25
    assert all(len(words) == 8 for words in near.values())
    assert used
    assert all(each == near for each in used), "of the teacher that the student starts from"
    used.clear()
    tf.distill(teacher, EXAMPLES, shape=SHAPE, copies=0, **once)
    assert not used
    tf.distill(teacher, EXAMPLES, shape=SHAPE, copies=1, epochs=1, rounded_epochs=0)
    assert used
    assert not any(used), "a teacher that knows the texts is asked of no swapped words"


def test_its_record_goes_on_from_its_teachers(teacher: Classifier, made: tf.DistillResult) -> None:
    first, run = made.classifier.training.runs
    assert (first,) == teacher.training.measured(None).runs
    assert teacher.training.runs[-1].dev_accuracy > 0.9
    assert run.dev_accuracy == round(made.student.accuracy, 4)
    kept, dev = split_examples(EXAMPLES)
    assert (run.kind, run.epochs, run.copies, run.folds, run.labels) == ("distill", 6, 4, 0, 0.0)
    assert run.training == TextDigest.of(example.text for example in kept)
    assert run.dev == TextDigest.of(example.text for example in dev) == first.dev
    assert 1 <= run.best_epoch <= len(made.float_accuracy)


def test_the_seed_decides_every_byte(
    teacher: Classifier, made: tf.DistillResult, tmp_path: Path
) -> None:
    again = tf.distill(teacher, EXAMPLES, shape=SHAPE, **OPTIONS)
    other = tf.distill(teacher, EXAMPLES, shape=SHAPE, seed=1, **OPTIONS)
    files = []
    for number, result in enumerate((made, again, other)):
        result.classifier.save(tmp_path / f"{number}.embz")
        files.append((tmp_path / f"{number}.embz").read_bytes())
    assert files[0] == files[1] != files[2]


def test_one_float_student_serves_many_codecs(teacher: Classifier, tmp_path: Path) -> None:
    plain = replace(SHAPE, codec="float32", kernels="float32")
    options = {**OPTIONS, "epochs": 3, "work": tmp_path / "answers"}
    first = tf.distill(teacher, EXAMPLES, shape=plain, **options)
    assert first.tuned_accuracy == []
    assert first.classifier.embedding.codec.spec == "float32"
    asked = len(list((tmp_path / "answers").iterdir()))
    first.classifier.save(tmp_path / "float.embz", counts=True)
    student = load_classifier(tmp_path / "float.embz")
    for codec, shape in (("int4", SHAPE), ("int8", replace(SHAPE, codec="svd|int8"))):
        coded = tf.distill(teacher, EXAMPLES, shape=shape, student=student, **options)
        assert coded.classifier.embedding.codec.spec == codec
        before, after = first.classifier.training, coded.classifier.training
        assert before.runs[-1].rounded_epochs == 0
        assert after.runs[-1].rounded_epochs == len(coded.rounded_accuracy) == 3
        last = replace(before.runs[-1], rounded_epochs=3)
        expected = replace(before, runs=(*before.runs[:-1], last))
        assert after == expected.measured(coded.student.accuracy)
        assert coded.float_accuracy == []
        assert len(coded.tuned_accuracy) >= 1
        assert coded.student.accuracy > 0.85
    assert len(list((tmp_path / "answers").iterdir())) <= asked + 5, "rounded, tuned"
    with pytest.raises(MismatchError, match="is float32, received one of int8"):
        tf.distill(teacher, EXAMPLES, shape=SHAPE, student=coded.classifier, **options)
    other = replace(SHAPE, dim=5)
    with pytest.raises(MismatchError, match=r"rows and columns \(26, 5\) .* one of \(26, 6\)"):
        tf.distill(teacher, EXAMPLES, shape=other, student=student, **options)
    with pytest.raises(MismatchError, match="a student has the shape that is asked for"):
        tf.distill(teacher, EXAMPLES, size="2KB", student=student, **options)
    with pytest.raises(MismatchError, match="the record of this one says otherwise"):
        tf.distill(teacher, EXAMPLES, shape=SHAPE, student=teacher, **options)


def test_a_float_student_is_trained_on_for_the_epochs_it_lacks(teacher: Classifier) -> None:
    plain = replace(SHAPE, codec="float32", kernels="float32")
    options: dict[str, Any] = {"learning_rate": 3e-4, "rounded_epochs": 0, "patience": 9}
    options |= {"epochs": 5, "batch_size": 32}
    first = tf.distill(teacher, EXAMPLES, shape=plain, **{**options, "epochs": 1})
    begun = {**options, "student": first.classifier}
    whole = tf.distill(teacher, EXAMPLES, shape=plain, **begun, done=1)
    assert (len(first.float_accuracy), len(whole.float_accuracy)) == (1, 4)
    assert first.student.log_loss is not None
    assert whole.student.log_loss is not None
    assert whole.student.log_loss < first.student.log_loss
    run = whole.classifier.training.runs[-1]
    assert (run.epochs, len(whole.classifier.training.runs)) == (5, 2)
    assert run.best_epoch > 1
    coded = tf.distill(teacher, EXAMPLES, shape=SHAPE, **begun, done=5)
    assert coded.float_accuracy == []
    known = first.classifier.training.measured(None)
    assert coded.classifier.training.measured(None) == known
    # What makes it worse is not kept.
    options["learning_rate"] = 10.0
    worse = tf.distill(teacher, EXAMPLES, shape=plain, student=whole.classifier, done=4, **options)
    np.testing.assert_array_equal(
        worse.classifier.embedding.decode(), whole.classifier.embedding.decode()
    )
    known = whole.classifier.training.measured(None)
    assert worse.classifier.training.measured(None) == known

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    kept = tf.distill(
        teacher, EXAMPLES, shape=plain, **begun, done=1, keep_interrupted=True, progress=pressed
    )
    assert kept.interrupted
    np.testing.assert_array_equal(
        kept.classifier.embedding.decode(), first.classifier.embedding.decode()
    )
    for wrong in ({"done": 6, **begun}, {"done": 0, **begun}, {"done": 2, **options}):
        with pytest.raises(InputError, match="done"):
            tf.distill(teacher, EXAMPLES, shape=plain, **wrong)


@pytest.mark.parametrize("size", ["2KB", "3KB", "5KB"])
def test_a_size_is_the_files(teacher: Classifier, tmp_path: Path, size: str) -> None:
    plan = tf.plan_student(teacher, EXAMPLES, size=size)
    result = tf.distill(teacher, EXAMPLES, size=size, epochs=1)
    assert result.shape == plan.shape
    result.classifier.save(tmp_path / "student.embz")
    nbytes = (tmp_path / "student.embz").stat().st_size
    assert nbytes <= plan.nbytes <= int(size[0]) * 1000


def test_several_teachers_and_fold_teachers_teach_together(teacher: Classifier) -> None:
    other = trained(1, labels=["vote", "sport", "rain", "none"][:3])
    folds = tf.fold_teachers(teacher, EXAMPLES, vectors(), folds=2)
    result = tf.distill(
        [teacher, other], EXAMPLES, shape=SHAPE, fold_teachers=folds, labels=0.2, **OPTIONS
    )
    run = result.classifier.training.runs[-1]
    assert (run.folds, run.labels) == (2, 0.2)
    assert result.student.accuracy > 0.9


def test_a_student_starts_from_whom_is_named_its_labels_in_the_teachers_order(
    teacher: Classifier,
) -> None:
    other = trained(1, labels=["vote", "sport", "rain"])
    assert other.labels != teacher.labels
    plan = plan_student(teacher, EXAMPLES, shape=SHAPE, start=other)
    assert (plan.source.labels, plan.shape.rows) == (teacher.labels, 24)
    texts = [example.text for example in EXAMPLES[:50]]
    order = [other.labels.index(label) for label in teacher.labels]
    expected = other.probabilities(texts)[:, order]
    np.testing.assert_allclose(plan.source.probabilities(texts), expected, atol=1e-6)
    # Without a name, that of the best of several is taken.
    both = plan_student([tiny(teacher.labels), other], EXAMPLES, shape=SHAPE)
    assert both.source.labels == both.teacher.labels == teacher.labels
    np.testing.assert_allclose(both.source.probabilities(texts), expected, atol=1e-6)
    with pytest.raises(MismatchError, match="one of both lacks 'none'"):
        plan_student(teacher, EXAMPLES, shape=SHAPE, start=tiny(("none", "rain", "sport", "vote")))


def tiny(labels: tuple[str, ...]) -> Classifier:
    """Return a classifier over the same words that knows nothing."""
    table = vectors(2)
    shapes = head_shapes(config := CnnConfig(16, 8, 4, (1, 2)), len(labels))
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return Classifier(embzip.compress(table, "float32"), labels, config, arrays)


def test_pieces_and_other_encoders(teacher: Classifier, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(e.text for e in EXAMPLES), "utf-8")
    pieces = embzip.build_bpe(tmp_path / "texts.txt", tmp_path / "pieces.model", vocab=60)
    whole = replace(SHAPE, rows=0)
    of_pieces = tf.distill(teacher, EXAMPLES, shape=whole, tokenizer=pieces, **OPTIONS)
    assert of_pieces.classifier.tokenizer.kind == "bpe"
    assert of_pieces.student.accuracy > 0.8
    mean = replace(SHAPE, encoder="mean", codec="int8", kernels="float32")
    averaged = tf.distill(teacher, EXAMPLES, shape=mean, **{**OPTIONS, "epochs": 12})
    assert averaged.classifier.config.kind == "mean"
    assert averaged.student.accuracy > 0.8


def test_a_compressed_teacher_and_a_tflite_beside_it_teach_too(
    teacher: Classifier, tmp_path: Path
) -> None:
    small = embzip.rebuild(teacher, codec="svd:8|int8")
    embzip.export(small, tmp_path / "small.tflite")
    served = embzip.load_model(tmp_path / "small.tflite")
    result = tf.distill([served, small], EXAMPLES, shape=SHAPE, **OPTIONS)
    assert result.student.accuracy > 0.9
    with pytest.raises(InputTypeError, match=r"a student starts from .* no teacher has one"):
        tf.distill(served, EXAMPLES, shape=SHAPE)


def test_an_ensemble_teaches_and_its_best_member_is_the_start(teacher: Classifier) -> None:
    both = embzip.Ensemble([tiny(teacher.labels), embzip.Ensemble([teacher])])
    plan = plan_student(both, EXAMPLES, shape=SHAPE)
    assert plan.teacher is both
    assert plan.source is teacher
    assert tf.distill(both, EXAMPLES, shape=SHAPE, epochs=1).student.agreement is not None


def test_a_function_teaches_by_itself_and_labels_copies(teacher: Classifier) -> None:
    asked: set[str] = set()

    def model(texts: list[str]) -> Any:
        asked.update(texts)
        return teacher.probabilities(texts)

    function = tf.FunctionClassifier(model, teacher.labels)
    options = {**OPTIONS, "epochs": 2}
    result = tf.distill(function, EXAMPLES, shape=SHAPE, start=teacher, **options)
    same = tf.distill(teacher, EXAMPLES, shape=SHAPE, **options)
    assert len(asked - {each.text for each in EXAMPLES}) > len(EXAMPLES), "mutilated copies"
    one, other = (each.classifier.probabilities(list(asked)) for each in (result, same))
    np.testing.assert_allclose(one, other, atol=1e-3)
    with pytest.raises(MismatchError, match="a function reads texts, and has no tokens"):
        function.probabilities_of_ids([[1]])
    wrong = tf.FunctionClassifier(lambda texts: [[0.5] * 3] * len(texts), teacher.labels)
    with pytest.raises(
        InputError, match=r"text 0, .*: probabilities must have the sum 1, found 1.5"
    ):
        tf.distill(wrong, EXAMPLES, shape=SHAPE, start=teacher, **options)


def test_a_factorized_teacher_gives_its_kernels_too(teacher: Classifier) -> None:
    small = embzip.factorize(teacher, rank=2)
    plan = plan_student(small, EXAMPLES, shape=replace(SHAPE, rows=0, dim=16, filters=24))
    start = start_of(plan.source, plan.table, plan.ids, plan.shape)
    assert start.config == replace(small.config, dropout=0.2)
    # A student as wide as its teacher begins with its answers.
    student = Classifier(
        embzip.compress(start.vectors, "float32"), small.labels, start.config, start.arrays
    )
    texts = [example.text for example in EXAMPLES]
    np.testing.assert_allclose(student.probabilities(texts), small.probabilities(texts), atol=1e-4)


@pytest.mark.parametrize("to", ["litert", "onnx", "savedmodel"])
def test_what_is_exported_answers_like_numpy(
    made: tf.DistillResult, tmp_path: Path, to: str
) -> None:
    # What was written is run by its own runtime on random ids.
    exported = embzip.export(made.classifier, tmp_path / "student", to=to)
    assert exported.max_difference < 1e-5


def test_dev_that_a_teacher_may_know_is_warned_of(teacher: Classifier) -> None:
    kept, dev = split_examples(EXAMPLES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tf.plan_student(teacher, EXAMPLES, shape=SHAPE)
        tf.plan_student(teacher, kept, shape=SHAPE, dev=dev)
    with pytest.warns(UserWarning, match="dev is not what the teacher's epoch was chosen by"):
        tf.plan_student(teacher, kept[50:], shape=SHAPE, dev=kept[:50])
    forgot = replace(teacher, training=type(teacher.training)())
    with pytest.warns(UserWarning, match="its file does not say which"):
        tf.plan_student(forgot, EXAMPLES, shape=SHAPE)


def test_wrong_options_are_refused(teacher: Classifier) -> None:
    def refused(error: type[Exception], told: str, **options: Any) -> None:
        with pytest.raises(error, match=told):
            tf.distill(teacher, EXAMPLES, **options)

    refused(InputError, "labels must lie in 0..1, received 1.5", labels=1.5)
    refused(InputError, "fold_share must lie in 0..1, received -1", fold_share=-1)
    refused(InputError, "copies must lie in 0..1024, received -1", copies=-1)
    refused(InputError, "copies must be a whole number, received 1.5", copies=1.5)
    refused(
        InputTypeError, "further texts are a list, .*, received str", shape=SHAPE, texts="a.txt"
    )
    stream = (text for text in ["a goal"])
    refused(InputTypeError, "further texts are a list.* generator", shape=SHAPE, texts=stream)
    refused(InputTypeError, "further texts are strings, received int", shape=SHAPE, texts=[1, 2])
    refused(OutputError, "expected the name of a folder", shape=SHAPE, work=__file__)
    refused(InputError, "folds must lie in 2..1024", shape=SHAPE, fold_teachers=[teacher] * 1025)
    refused(
        InputError, "the training diverged: .* a smaller learn", shape=SHAPE, learning_rate=1e30
    )
    said = np.full((len(EXAMPLES), 4), 0.25)
    for labels in (("rain", "sport"), ("rain", "snow", "sport", "vote")):
        texts = dict.fromkeys(each.text for each in EXAMPLES)
        rows = said[: len(texts), : len(labels)] * 4 / len(labels)
        soft = embzip.SoftLabels(labels, tuple(texts), rows)
        refused(MismatchError, "only one of both has '(vote|snow)'", shape=SHAPE, targets=soft)
    for nothing in ([], iter(EXAMPLES)):
        with pytest.raises(InputError, match="distill needs a sequence of examples, received"):
            tf.distill(teacher, nothing, shape=SHAPE)  # type: ignore[arg-type]
    refused(InputError, "epochs must lie in 1", epochs=0)
    refused(InputError, "a shape or a size, received both", shape=SHAPE, size="9KB")
    refused(InputError, "which has 25; received rows = 8,000", shape=StudentShape(8000))
    unknown = [*EXAMPLES, Example(text="the sun", label="holiday")]
    with pytest.raises(InputError, match="the teacher does not know the label 'holiday'; it knows"):
        tf.distill(teacher, unknown, shape=SHAPE)
    with pytest.raises(MismatchError, match="must have the same labels"):
        tf.distill([teacher, tiny_classifier()], EXAMPLES, shape=SHAPE)
    with pytest.raises(MismatchError, match="fold teachers have the teacher's labels, and one has"):
        tf.distill(teacher, EXAMPLES, shape=SHAPE, fold_teachers=[teacher, tiny_classifier()])
    with pytest.raises(InputTypeError, match=r"another model with embzip\.tf\.teacher_of"):
        tf.distill(lambda texts: [[1.0]] * len(texts), EXAMPLES, shape=SHAPE)
