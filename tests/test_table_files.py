"""Compressed tables as files: weighed by texts or counts, measured by a classifier, appended to."""

import json
from pathlib import Path

import numpy as np
import pytest

from embzip.compression import compress
from embzip.embz.format import load, save
from embzip.errors import InputError
from embzip.table_files import append_file, compress_file
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.vectors.base import Vectors
from embzip.vectors.converting import write_vectors
from embzip.vocabulary import Vocabulary
from tests.commands import outcome, stdout_of
from tests.models import tiny_classifier

WORDS = [f"w{number:03d}" for number in range(400)]


def vectors() -> Vectors:
    rng = np.random.default_rng(0)
    return Vectors(Vocabulary(WORDS), rng.normal(size=(400, 8)).astype(np.float32))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_vectors(vectors(), "v.vec")
    Path("texts.txt").write_text("W007 w007 w008\nw007 unheard w009\n" * 5)
    Path("labelled.tsv").write_text("a\tW007 w007 w008\nb\tw007 unheard w009\n" * 5)
    Path("counts.tsv").write_text("w007\t15\nw008\t5\nw009\t5\n")
    return tmp_path


def test_texts_and_counts_weigh_alike(here: Path) -> None:
    tables = [
        compress_file(vectors(), "a.embz", "tcq:1", texts="texts.txt"),
        compress_file(vectors(), "b.embz", "tcq:1", texts="labelled.tsv", labelled=True),
        compress_file(vectors(), "c.embz", "tcq:1", counts={"w007": 15, "w008": 5, "w009": 5}),
    ]
    for option, name in (("texts", "texts.txt"), ("labelled", "labelled.tsv"), ("counts",) * 2):
        file = name if "." in name else f"{name}.tsv"
        stdout_of(
            "compress", "v.vec", "--codec", "tcq:1", f"--{option}", file, "-o", f"{option}.embz"
        )
        tables.append(load(f"{option}.embz"))
    weights = np.ones(400)
    weights[7:10] = np.sqrt([15, 5, 5])
    expected = compress(vectors(), "tcq:1", weights=weights).decode()
    for each in tables:
        np.testing.assert_array_equal(each.decode(), expected)


def test_frequent_rows_err_less(here: Path) -> None:
    counts = dict.fromkeys(WORDS[:40], 10**6)
    plain, weighed = (
        compress_file(vectors(), "t.embz", "tcq:1", counts=each) for each in (None, counts)
    )
    errors = [np.square(t.decode() - vectors().matrix)[:40].sum() for t in (plain, weighed)]
    assert errors[1] < 0.5 * errors[0]


def test_the_metric_of_a_classifier(here: Path) -> None:
    model = tiny_classifier()
    model.save("model.embz")
    printed = stdout_of(
        "compress", "model.embz", "--codec", "svd:2|int8", "--metric-of", "model.embz", "--json"
    )
    assert json.loads(printed)["codec"] == "svd:2|int8"
    plain = compress(model.embedding, "svd:2|int8").decode()
    assert not np.allclose(load("model.compressed.embz").decode(), plain, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--texts", "texts.txt", "--counts", "counts.tsv"], 2, "give one of"),
        (["--counts", "none.tsv"], 1, "none of the table's 400 tokens"),
        (["--metric-of", "model.embz"], 1, "metric must be 8 x 8"),
    ],
)
def test_bad_options(here: Path, options: list[str], code: int, message: str) -> None:
    Path("none.tsv").write_text("other\t3\n")
    tiny_classifier().save("model.embz")
    done = outcome("compress", "v.vec", "--codec", "int8", *options)
    assert done.code == code
    assert message in done.stderr


def test_append_writes_a_longer_table(here: Path) -> None:
    stdout_of("compress", "v.vec", "--codec", "svd|coarse:8|tcq:4", "-o", "t.embz")
    Path("new.vec").write_text("2 8\nzebra 1 2 3 4 5 6 7 8\nzulu 0 0 1 0 0 0 0 0\n")
    printed = json.loads(stdout_of("append", "t.embz", "new.vec", "--json"))
    assert (printed["rows"], printed["appended"]) == (402, 2)
    longer = load("t.appended.embz")
    assert list(longer.vocabulary or [])[400:] == ["zebra", "zulu"]
    np.testing.assert_array_equal(longer[:400], load("t.embz").decode())
    assert "SNR of the new ones" in stdout_of("append", "t.embz", "new.vec", "-o", "u.embz")
    again = outcome("append", "t.appended.embz", "new.vec")
    assert again.code == 1
    assert "has 'zebra' already" in again.stderr


def test_a_classifiers_table_takes_no_rows(here: Path) -> None:
    tiny_classifier().save("model.embz")
    with pytest.raises(InputError, match="is a classifier, whose rows were trained"):
        append_file("model.embz", vectors(), "t.embz")


def test_words_get_new_ids(here: Path) -> None:
    words = WordTokenizer(["cat", "the"], Normalization())
    matrix = np.eye(4, 8, dtype=np.float32)
    save(
        compress(Vectors(words.vocabulary, matrix, np.arange(4), words), "int8"),
        "t.embz",
        counts=True,
    )
    new = Vectors(Vocabulary(["sea"]), np.full((1, 8), 3, np.float32))
    made = append_file("t.embz", new, "u.embz", pack=True)
    assert made.appended == 1
    table = load("u.embz")
    np.testing.assert_array_equal(table.vector("sea"), np.full(8, 3))
    np.testing.assert_array_equal(table.counts, [0, 1, 2, 0, 3])
