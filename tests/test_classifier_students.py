"""What a student takes over from its teacher, and what its file takes before it is trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embzip import build_bpe
from embzip.classifier import AttentionConfig, Classifier, CnnConfig, MeanConfig, head_shapes
from embzip.classifier.rebuilding import rebuild
from embzip.classifier.student_shape import StudentShape
from embzip.classifier.student_sizes import shape_of_size, student_nbytes
from embzip.classifier.students import Start, filled_shape, kept_of, kept_table, start_of
from embzip.compression import compress
from embzip.errors import InputError, SpecError
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary
from tests.models import WORDS, tiny_classifier

TEXTS = ["the lion", "able people say", "people say able", "zoo tiger lion lion", "ably café"]
WHOLE = StudentShape(rows=0, dim=6, filters=5, codec="float32", kernels="float32")


def classifier_of(start: Start, teacher: Classifier) -> Classifier:
    table = compress(start.vectors, "float32")
    return Classifier(table, teacher.labels, start.config, start.arrays)


@pytest.mark.parametrize("encoder", [CnnConfig, MeanConfig])
@pytest.mark.parametrize("spec", ["float32", "svd:6|int8"])
def test_a_student_as_large_as_its_teacher_answers_as_it_does(encoder: type, spec: str) -> None:
    teacher = tiny_classifier(encoder=encoder)
    if spec != "float32":
        teacher = rebuild(teacher, codec=spec)  # a frozen table is decoded, a folded one read
    ids = teacher.encode(TEXTS)
    shape = replace(WHOLE, encoder=teacher.config.kind)
    start = start_of(teacher, kept_table(teacher, ids), ids, shape)
    student = classifier_of(start, teacher)
    assert np.allclose(student.probabilities(TEXTS), teacher.probabilities(TEXTS), atol=1e-5)


def test_an_indicator_is_kept() -> None:
    teacher = rebuild(tiny_classifier(), codec="center|int8")
    assert teacher.config.indicator
    ids = teacher.encode(TEXTS)
    start = start_of(teacher, kept_table(teacher, ids), ids, WHOLE)
    student = classifier_of(start, teacher)
    assert np.allclose(student.probabilities(TEXTS), teacher.probabilities(TEXTS), atol=1e-5)


def test_fewer_columns_are_those_that_the_kernels_read() -> None:
    """Columns that no kernel reads cost no answer when they go."""
    teacher = tiny_classifier()
    arrays = dict(teacher.arrays)
    for name in ("conv.0.kernel", "conv.1.kernel", "conv.2.kernel"):
        arrays[name] = arrays[name].copy()
        arrays[name][:, 2:] = 0
    rows = teacher.embedding.decode()
    table = compress(replace(kept_table(teacher, [], rows=0), matrix=rows), "float32")
    teacher = replace(teacher, embedding=table, arrays=arrays)
    ids = teacher.encode(TEXTS)
    start = start_of(teacher, kept_table(teacher, ids), ids, replace(WHOLE, dim=2))
    student = classifier_of(start, teacher)
    found, wanted = student.probabilities(TEXTS), teacher.probabilities(TEXTS)
    assert np.abs(found - wanted).max() < 0.05  # the metric's ridge sees all columns a little


def test_the_most_frequent_words_keep_their_rows_and_scores_change_that() -> None:
    teacher = tiny_classifier()
    ids = teacher.encode(["zoo zoo zoo", "lion lion", "say"])
    table = kept_table(teacher, ids, rows=2)
    assert list(table.vocabulary) == ["<PAD>", "<UNK>", "lion", "zoo"]
    assert table.counts is not None
    assert table.counts.tolist() == [0, 1, 2, 3]  # `say` is unknown now
    scores = np.zeros(teacher.embedding.rows)
    scores[[2, 3]] = 1
    chosen = kept_table(teacher, ids, rows=2, scores=scores)
    assert list(chosen.vocabulary)[2:] == WORDS[:2]
    with pytest.raises(InputError, match="which has 9; received rows = 10: name fewer"):
        kept_table(teacher, ids, rows=10)


def test_where_no_rows_are_named_8000_stay_or_all_of_fewer() -> None:
    teacher = tiny_classifier()
    assert kept_table(teacher, teacher.encode(TEXTS), rows=None).rows == teacher.embedding.rows
    words = [f"w{number}" for number in range(8010)]
    table = Vectors(Vocabulary(words), np.eye(8010, 1), counts=np.arange(8010, 0, -1))
    assert list(kept_of(table, None).vocabulary) == words[:8000]


def test_a_dropped_word_reads_as_its_stem_and_is_counted_there() -> None:
    words = WordTokenizer(["goal", "plant", "planter", "plants", "vote"], Normalization())
    matrix = np.eye(7, 4, dtype=np.float32)
    table = compress(Vectors(words.vocabulary, matrix, tokenizer=words), "float32")
    arrays = {"dense.kernel": np.ones((4, 2), np.float32), "dense.bias": np.zeros(2, np.float32)}
    teacher = Classifier(table, ("a", "b"), MeanConfig(4, 9), arrays)
    ids = teacher.encode(["planter planter planter", "plants", "plant vote vote vote", "other"])
    kept = kept_table(teacher, ids, rows=2, stems=True)
    assert kept.tokenizer is not None
    assert (list(kept.vocabulary)[2:], kept.tokenizer.kind) == (["planter", "vote"], "words+stems")
    assert kept.counts is not None
    assert kept.counts.tolist() == [0, 1, 5, 3]
    assert kept.tokenizer.encode(["plants goal"]) == [[2, 1]]
    assert np.array_equal(kept.matrix[2], matrix[4]), "its own row, and no mean"
    plain = kept_table(teacher, ids, rows=2)
    assert plain.tokenizer is not None
    assert plain.tokenizer.kind == "words"


def test_the_filters_that_move_answers_are_kept() -> None:
    teacher = tiny_classifier()
    arrays = {name: array.copy() for name, array in teacher.arrays.items()}
    dense = arrays["dense.kernel"].reshape(3, 5, 2)
    dense[:, [0, 2, 3]] = 7  # the same for both classes: whatever they find changes no answer
    teacher = replace(teacher, arrays={**arrays, "dense.kernel": dense.reshape(15, 2)})
    ids = teacher.encode(TEXTS)
    start = start_of(teacher, kept_table(teacher, ids), ids, replace(WHOLE, filters=2))
    assert start.config.features == 6
    assert np.array_equal(start.arrays["conv.1.bias"], arrays["conv.1.bias"][[1, 4]])
    student = classifier_of(start, teacher)
    assert np.allclose(student.probabilities(TEXTS), teacher.probabilities(TEXTS), atol=1e-5)


def test_a_teacher_of_another_kind_gives_its_rows_alone() -> None:
    teacher = tiny_classifier(encoder=AttentionConfig)
    ids = teacher.encode(TEXTS)
    start = start_of(teacher, kept_table(teacher, ids), ids, replace(WHOLE, dim=3))
    assert start.arrays == {}
    assert start.config == CnnConfig(3, 8, 5, dropout=0.2)
    assert start.vectors.matrix.shape == (11, 3)


def test_a_student_of_pieces_has_a_row_for_each(tmp_path: Path) -> None:
    teacher = tiny_classifier()
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS * 3), "utf-8")
    pieces = build_bpe(tmp_path / "texts.txt", tmp_path / "pieces.model", vocab=30)
    table = kept_table(teacher, teacher.encode(TEXTS), rows=None, tokenizer=pieces)
    assert table.rows == len(pieces.vocabulary) == 30
    assert table.matrix[0].tolist() == [0] * 6


@pytest.mark.parametrize("codec", ["svd|tcq:2", "svd:2|int8", "svd:energy=0.9|int4", "int8"])
@pytest.mark.parametrize("kernels", ["float32", "int8", "int4"])
def test_a_file_has_at_most_the_bytes_that_were_planned(
    tmp_path: Path, codec: str, kernels: str
) -> None:
    teacher = tiny_classifier()
    ids = teacher.encode(TEXTS)
    shape = StudentShape(rows=5, dim=4, filters=3, codec=codec, kernels=kernels)
    table = kept_table(teacher, ids, rows=5)
    planned = student_nbytes(teacher, table, shape)
    student = classifier_of(start_of(teacher, table, ids, shape), teacher)
    record = teacher.training.widest("distill")
    small = replace(rebuild(student, codec=codec, kernels=kernels), training=record)
    small.save(tmp_path / "small.embz")
    assert planned - 300 < (tmp_path / "small.embz").stat().st_size <= planned


def test_a_size_is_filled_with_rows_and_a_size_for_all_of_them_with_more() -> None:
    teacher = tiny_classifier()
    ids = teacher.encode(TEXTS)
    least = StudentShape(dim=4, filters=8, codec="svd|tcq:1")
    some, every = (
        student_nbytes(teacher, kept_table(teacher, ids, rows=rows, stems=True), least)
        for rows in (4, 9)
    )
    assert some < every
    tight = shape_of_size(teacher, ids, f"{every - 1}B")
    assert 4 <= tight.rows < 9
    table = kept_table(teacher, ids, rows=tight.rows + 1, stems=True)
    assert student_nbytes(teacher, table, tight) > every - 1
    roomy = shape_of_size(teacher, ids, "100KB")
    assert (roomy.rows, roomy.dim) == (9, 64)  # more than the teacher has
    table = kept_table(teacher, ids)
    assert filled_shape(teacher, table, roomy) == replace(roomy, dim=6, filters=5)


def test_a_size_that_cannot_be_is_answered_with_the_least() -> None:
    teacher = tiny_classifier()
    ids = teacher.encode(TEXTS)
    with pytest.raises(InputError, match=r"at least ([\d,]+) bytes, and 500 are allowed") as found:
        shape_of_size(teacher, ids, "500B")
    least = str(found.value).partition("at least ")[2].partition(" bytes")[0].replace(",", "")
    assert shape_of_size(teacher, ids, f"{least}B").rows == 1
    with pytest.raises(SpecError, match="such as 64KB, received '64 apples'"):
        shape_of_size(teacher, ids, "64 apples")


def test_a_size_counts_the_words_that_the_student_reads() -> None:
    teacher = tiny_classifier()
    words = {*list(teacher.embedding.vocabulary)[2:], *(f"w{number:04}" for number in range(3000))}
    ids, other = teacher.encode(TEXTS), WordTokenizer(sorted(words), Normalization())
    shape = shape_of_size(teacher, ids, "3KB", tokenizer=other)
    assert 9 < shape.rows < 3000
    table = kept_table(teacher, ids, rows=shape.rows, tokenizer=other, stems=shape.stems)
    assert student_nbytes(teacher, table, shape) <= 3000


def test_shapes_are_checked() -> None:
    assert StudentShape(kernels="INT8").kernels == "int8"
    with pytest.raises(InputError, match="a student's encoder is one of cnn, mean, received 'fnet"):
        StudentShape(encoder="fnet")
    with pytest.raises(SpecError, match="a student's size is named by itself"):
        StudentShape(codec="auto:300KB")
    with pytest.raises(InputError, match="dim must lie in"):
        StudentShape(dim=0)
    for rows in (0, None):  # so many as the teacher has
        assert StudentShape(rows=rows, dim=32, codec="svd:32|int8").rows is rows
        with pytest.raises(SpecError, match="the rank is at most 32, the table's columns"):
            StudentShape(rows=rows, dim=32, codec="svd:33|int8")
    with pytest.raises(SpecError, match="the rank is at most 5, the table's rows"):
        StudentShape(rows=5, dim=32, codec="svd:32|int8")


@pytest.mark.parametrize(("labels", "dim", "codec"), [(16, 8, "svd|tcq:2"), (17, 16, "svd|tcq:1")])
def test_many_labels_take_more_columns_of_fewer_bits(labels: int, dim: int, codec: str) -> None:
    words = WordTokenizer([f"w{number:04}" for number in range(6000)], Normalization())
    matrix = np.random.default_rng(0).normal(size=(6002, 32)).astype(np.float32)
    table = compress(Vectors(words.vocabulary, matrix, tokenizer=words), "float32")
    config = CnnConfig(columns=32, max_length=9, filters=64)
    arrays = {n: np.ones(s, np.float32) for n, s in head_shapes(config, labels).items()}
    teacher = Classifier(table, tuple(f"label {i}" for i in range(labels)), config, arrays)
    ids = teacher.encode([" ".join(words.vocabulary)])
    shape = shape_of_size(teacher, ids, "20KB")
    assert (shape.dim, shape.codec) == (dim, codec)
    sizes = [20_000, *range(2500, 60_000, 7919)]
    for size in sizes:
        shape = shape_of_size(teacher, ids, f"{size}B")
        kept = kept_table(teacher, ids, rows=shape.rows, stems=shape.stems)
        assert student_nbytes(teacher, kept, shape) <= size
