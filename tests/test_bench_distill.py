"""Parts of the script that measures students: cells, intervals, fastText's sizes, tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embzip import Example
from embzip.classifier.student_shape import StudentShape
from embzip.evaluation.accuracy import macro_f1
from scripts import bench_distill_tables
from scripts.bench_distill import cells_asked
from scripts.bench_distill_cells import Cell, cells_of, kept, right_of, told
from scripts.bench_distill_fasttext_child import largest_cutoff
from scripts.bench_distill_intervals import holm, interval, two_class_f1
from scripts.bench_distill_shapes import beside_picked, crossed_gain, neighbours
from scripts.bench_distill_texts import with_texts
from scripts.bench_distill_ways import OTHERS, beside_others, with_false_words
from tests.models import tiny_classifier


def record(right: list[bool], **other: Any) -> dict[str, Any]:
    """Return a record of rows of which some are right."""
    examples = [Example(text=str(row), label="ab"[row % 2]) for row in range(len(right))]
    pairs = zip(examples, right, strict=True)
    return {**told([e.label if good else "wrong" for e, good in pairs], examples), **other}


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of no cells, instead of the project's."""
    monkeypatch.setattr("scripts.bench_distill_cells.CELLS", tmp_path)
    kept.cache_clear()
    return tmp_path


def test_a_cell_is_found_by_its_name(cells: Path) -> None:
    made = [
        Cell("student", "debian-topic", 0, "64KB"),
        Cell("student", "debian-topic", 0, "64KB", "own"),
        Cell("student", "20ng", 12, "250KB", "folds"),
        Cell("student", "20ng", 12, "250KB"),
    ]
    for number, cell in enumerate(made):
        cell.write({"number": number})
    assert {cell: found["number"] for cell, found in cells_of("student").items()} == {
        cell: number for number, cell in enumerate(made)
    }
    assert sorted(path.name for path in cells.rglob("*.json"))[-1] == "debian-topic-0-64KB.json"
    Cell("teacher", "trec", 1).write({})
    assert list(cells_of("teacher")) == [Cell("teacher", "trec", 1)]


def test_teachers_come_first_and_one_unquantized_fasttext_a_set() -> None:
    asked = list(cells_asked(["fasttext", "student", "teacher"], ["r8"], [1], ["9KB"], "own"))
    assert [(cell.part, cell.name) for cell in asked] == [
        ("teacher", "r8-1"),
        ("student", "r8-1-9KB-own"),
        ("fasttext-full", "r8-1"),
        ("fasttext", "r8-1-9KB"),
    ]


def test_a_cell_keeps_which_rows_are_right() -> None:
    right = np.random.default_rng(0).random(1003) < 0.8
    made = record(right.tolist())
    assert right_of(made).tolist() == right.tolist()
    assert made["accuracy"] == pytest.approx(right.mean())


def test_macro_f1_of_resampled_rows_is_that_of_the_rows_drawn() -> None:
    rng = np.random.default_rng(1)
    expected, right = rng.integers(2, size=80), rng.random(80) < 0.7
    predicted = np.where(right, expected, 1 - expected)
    drawn = rng.multinomial(80, np.full(80, 1 / 80), 5)
    found = two_class_f1(drawn.astype(np.float32), right, expected)
    for counts, one in zip(drawn, found, strict=True):
        rows = np.repeat(np.arange(80), counts)
        truth, guess = (list(map(str, labels[rows])) for labels in (expected, predicted))
        assert one == pytest.approx(macro_f1(truth, guess), abs=1e-6)


def test_the_interval_is_wider_where_seeds_differ() -> None:
    rng = np.random.default_rng(2)
    before = {seed: record([True] * 2000) for seed in range(3)}

    def after(*rates: float) -> dict[int, dict[str, Any]]:
        rows = (rng.random(2000) >= rate for rate in rates)
        return {seed: record(right.tolist()) for seed, right in enumerate(rows)}

    same, apart = after(0.1, 0.1, 0.1), after(0.0, 0.1, 0.2)
    low, high = interval(Path(), "trec", before, same, [0, 1, 2])
    assert low < -0.1 < high
    assert high - low < 0.03
    low, high = interval(Path(), "trec", before, apart, [0, 1, 2])
    assert high - low > 0.08


def test_holm_is_the_largest_so_far_of_the_smaller_ones() -> None:
    assert holm([0.02, 0.001, 0.9, 0.01]) == pytest.approx([0.04, 0.004, 0.9, 0.03])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


class Rows:
    """A fastText model, as far as `largest_cutoff` asks it."""

    def __init__(self, words: list[str], pairs: int, dim: int) -> None:
        self.words, self.matrix = words, np.ones((len(words) + pairs, dim), np.float32)

    def get_input_matrix(self) -> Any:
        return self.matrix

    def get_words(self) -> list[str]:
        return self.words

    def get_labels(self) -> list[str]:
        return ["__label__a", "__label__b"]


def test_a_cutoff_counts_words_pairs_labels_and_the_codebook() -> None:
    model = Rows(["</s>", "goal", "vote"], 300, 8)
    fixed = 152 + 4 * 256 * 8 + 2 * (10 + 10 + 4 * 8)
    assert largest_cutoff(model, fixed + 3 * (4 + 10 + 4) + 10 * 12, False) == 13
    assert largest_cutoff(model, fixed + 1024 + 16 + 3 * (4 + 10 + 5) + 10 * 13, True) == 13
    assert largest_cutoff(model, 10**6, False) == 303
    model.matrix[7] *= 2  # a pair, after the end of the line
    assert largest_cutoff(model, fixed + 18 + 12 + 17, False) == 2


def test_tables_say_what_the_cells_hold(cells: Path) -> None:
    tables = bench_distill_tables
    assert tables.tables(Path()) == "no cells yet"
    kept.cache_clear()
    whole, worse = [True] * 1000, [True] * 993 + [False] * 7
    sizes = {"bytes": 26_000_000, "int8_packed_bytes": 6_000_000}
    seconds = {"seconds": 30.0, "vector_seconds": 2.0, "words": 20_000}
    for seed in (0, 1):
        Cell("teacher", "trec", seed).write(record(whole, **sizes, **seconds, dev_accuracy=1.0))
        # A size is chosen by dev, whatever test says.
        for size, right, dev in (
            ("20KB", whole, 0.991), ("50KB", worse, 0.996), ("100KB", whole, 1.0)
        ):  # fmt: skip
            kilobytes = int(size.removesuffix("KB"))
            said = {"packed_bytes": 950 * kilobytes, "seconds": 20.0, "dev_accuracy": dev}
            found = record(right, **said)
            Cell("student", "trec", seed, size).write(found)
        Cell("fasttext", "trec", seed, "50KB").write({"none": "none so small"})
        Cell("fasttext", "trec", seed, "100KB").write(
            record([True] * 900 + [False] * 100, bytes=95_000)
        )
    smaller, curves, losses, beside, reached, taken = tables.tables(Path()).split("\n\n|")[1:]
    rows = smaller.splitlines()
    assert rows[2].startswith("| trec | 20,000 | 2 | 0.5 | 50KB | 47.5 | 547 | 126 | 1.0000 | 0.99")
    assert rows[3].startswith("| trec | 20,000 | 2 | 1 | 20KB | 19.0 | 1368 | 316 | 1.0000 | 1.0")
    assert rows[2].endswith("| no |")
    assert "547 at a loss of at most 0.5 (1 of 1 sets reach it), 1368 at" in smaller
    assert "| student | 1.0000 (2) |  | 0.9930 (2) |  | 1.0000 (2) |  | 1.0000 (2) |" in curves
    assert "| trec | fastText |  |  | - |  | 0.9000 (2) |  |  |" in curves
    assert "| trec |  |  |  |  | +10.00 (3.2e-30, 3.2e-30) |  |" in beside
    assert "| trec | fastText at 100 KB | 0.9000 | 95 | 20KB | 5.0 |" in reached
    assert "| trec | 26.0 | 6.00 | 2 | 30 |  |  |  |" in taken
    assert "| trec | -0.90, +0.00 | -0.40, -0.70 | +0.00, +0.00 |" in losses
    for table in (smaller, curves, losses, beside, reached, taken):
        grid = [line for line in ("|" + table).splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in grid}) == 1
    for seed, megabytes in ((0, 812), (1, 790)):
        found = record(whole, seconds=20.0, peak_mb=megabytes)
        Cell("student", "trec", seed, "64KB").write(found)
    kept.cache_clear()
    assert "| trec | 26.0 | 6.00 | 2 | 30 |  | 20 | 812 |" in tables.teachers()


def test_a_picked_shape_is_judged_on_texts_that_did_not_pick_it(cells: Path) -> None:
    shape = {"rows": 9000, "dim": 16, "filters": 64, "codec": "svd|tcq:2", "kernels": "int4"}
    rights = [
        [True] * 6 + [False] * 2,  # of --size
        [True] * 4 + [False] * 4,  # best on the first half, of the second it has none
        [False] * 1 + [True] * 6 + [False] * 1,  # best on the second: it has three of the first
    ]
    made = {
        "students": [
            record(right, shape={**shape, "rows": 9000 + place}, log_loss=0.5 - place / 10)
            for place, right in enumerate(rights)
        ],
        "first_half": [True] * 4 + [False] * 4,
    }
    # 2 of 4 less none of 4, and 4 of 4 less 3 of 4.
    assert crossed_gain(made) == pytest.approx((0.5 + 0.25) / 2)
    assert beside_picked() == ""
    Cell("shapes", "trec", 0, "64KB").write(made)
    assert (
        "| trec | 64KB | 2 | 9,000 x 16, 64, 2 bits, int4 | 9,002 x 16, 64, 2 bits, int4 "
        "| 0.7500 | +0.00 | +37.50 | 0.500 | 0.300 |"
    ) in beside_picked()
    assert "Mean +0.00, fair +37.50; worst +0.00, fair +37.50 points." in beside_picked()


def test_texts_without_labels_stand_beside_none(cells: Path) -> None:
    assert with_texts() == ""
    right = {"teacher": 6, "half": 5, "more copies": 7, "texts": 8}
    made = {
        name: record([True] * good + [False] * (8 - good), kl=good / 100)
        for name, good in right.items()
    }
    Cell("texts", "r8", 2, "64KB").write({"labelled": 4000, "unlabelled": 4100, **made})
    assert with_texts().endswith(
        "| r8 | 2 | 64KB | 4,000 | 4,100 | 0.7500 | 0.6250 | 0.8750 | 1.0000 "
        "| 0.0500 | 0.0700 | 0.0800 |"
    )


def test_one_unknown_word_in_256_has_a_row() -> None:
    small = tiny_classifier()
    texts = [f"lion {number}q zoo" for number in range(20_000)]
    clean = small.encode(texts)
    read = list(with_false_words(small, texts))
    assert [ids[::2] for ids in read] == [ids[::2] for ids in clean]  # known words stay
    false = [ids[1] for ids in read if ids[1] != clean[0][1]]
    assert 50 < len(false) < 110
    mixed = ["the lion's café, say…", "", "Zoo-lion w’s 3.5 naïve"]
    read = small.tokenizer.encode(mixed)  # not cut yet
    assert list(map(len, with_false_words(small, mixed))) == list(map(len, read))
    assert set(false) <= set(range(2, small.embedding.rows))
    assert len(set(false)) == small.embedding.rows - 2


def test_other_ways_stand_beside_the_usual_one(cells: Path) -> None:
    assert beside_others() == ""
    found = {"as it is": {"rows": 5000, "accuracy": 0.81, "log_loss": 0.5}}
    for number, name in enumerate(OTHERS):
        found[name] = {"rows": 5400, "accuracy": 0.8 + number / 100, "log_loss": 0.499}
    Cell("ways", "trec", 0, "30KB").write(found)
    Cell("ways", "trec", 1, "30KB").write({"none": "none so small"})
    assert beside_others().splitlines()[4:] == [
        "| trec | 0 | 30KB | 5,000 | 5,400 | 0.8100, 0.5000 | -1.00, -0.0010 | +0.00, -0.0010 "
        "| +1.00, -0.0010 | +2.00, -0.0010 | +3.00, -0.0010 | +4.00, -0.0010 |"
    ]


def test_neighbours_differ_in_one_thing() -> None:
    shape = StudentShape(codec="svd|tcq:1")
    near = list(neighbours(shape))
    assert [(each.dim, each.filters) for each in near[:6]] == [
        (8, 64), (24, 64), (32, 64), (16, 32), (16, 96), (16, 128),
    ]  # fmt: skip
    assert [(each.codec, each.kernels) for each in near[6:]] == [
        ("svd|tcq:1.5", "int4"), ("svd|tcq:1", "int8"),
    ]  # fmt: skip
