"""A corpus of labelled and unlabelled files: the option --labelled names the labelled ones."""

from pathlib import Path

import pytest

from embzip.embz.format import load
from tests.commands import outcome, stdout_of, write_inputs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    Path("1.tsv").write_text("sport\tthree goals\n" * 9, "utf-8")
    Path("2.tsv").write_text("vote\tthe vote\n" * 9, "utf-8")
    Path("more.txt").write_text("a sport of three\n" * 9, "utf-8")
    texts = ("three goals", "the vote", "a sport of three")
    Path("all.txt").write_text("".join(f"{text}\n" * 9 for text in texts), "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "suffix"),
    [("build-words", "tsv"), ("build-bpe --vocab 30", "model")],
)
def test_labelled_files_and_others_are_one_corpus(command: str, suffix: str, folder: Path) -> None:
    """Labelled files come first and without their labels, as in a recipe."""
    stdout_of(*command.split(), "all.txt", "-o", f"one.{suffix}")
    mixed = ("more.txt", "--labelled", "1.tsv", "--labelled", "2.tsv")
    stdout_of(*command.split(), *mixed, "-o", f"two.{suffix}")
    assert Path(f"one.{suffix}").read_bytes() == Path(f"two.{suffix}").read_bytes()
    assert stdout_of(*command.split(), *mixed).splitlines()[-1].startswith("more.")


def test_a_labelled_file_alone_names_the_result(folder: Path) -> None:
    made = stdout_of("build-words", "--labelled", "1.tsv").splitlines()
    assert made[-1] == "1.words.tsv"


def test_vectors_of_labelled_files_and_others(folder: Path) -> None:
    stdout_of("build-words", "all.txt", "-o", "words.tsv")
    options = ("--tokenizer", "words.tsv", "--dim", 4)
    stdout_of("train-vectors", "all.txt", *options, "-o", "1.embz")
    mixed = ("--labelled", "1.tsv", "more.txt", "--labelled", "2.tsv")
    stdout_of("train-vectors", *mixed, *options, "-o", "2.embz")
    one, two = load("1.embz"), load("2.embz")
    assert two.counts is not None
    assert dict(zip(two.vocabulary or (), two.counts.tolist(), strict=True)) == {
        "<PAD>": 0, "<UNK>": 0, "a": 9, "goals": 9, "of": 9, "sport": 9, "the": 9, "three": 18,
        "vote": 9,
    }  # fmt: skip
    assert (one[list(range(one.rows))] == two[list(range(two.rows))]).all()


def test_a_labelled_file_may_be_standard_input(folder: Path) -> None:
    stdin = Path("1.tsv").read_text("utf-8")
    stdout_of("build-words", "more.txt", "--labelled", "-", "-o", "words.tsv", stdin=stdin)
    assert "goals\t9\n" in Path("words.tsv").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (
            "build-words",
            2,
            "name a text file as CORPUS, or by --labelled one of label<TAB>text lines",
        ),
        ("build-words 1.tsv --labelled 1.tsv", 2, "1.tsv is named as text and by --labelled"),
        ("build-words 1.tsv --labelled -o words.tsv", 2, "--labelled requires an argument"),
        ("predict model.embz more.txt --labelled 1.tsv", 2, "as FILE or by --labelled, not both"),
        ("predict model.embz more.txt --unknown no", 2, "label of texts below --threshold P: give"),
        ("predict model.embz more.txt --proba --top 2", 2, "give no other form with it"),
        ("predict model.embz more.txt --proba --json", 2, "give no other form with it"),
        ("predict model.embz more.txt --top 2.5", 2, "expected a whole number, received '2.5'"),
        ("build-words more.txt --labelled all.txt", 1, "all.txt, line 1: expected label<TAB>text"),
        ("build-bpe --labelled model.embz", 1, "model.embz: expected label<TAB>text lines"),
        ("train-vectors words.tsv --tokenizer more.txt", 1, "words.tsv: expected text"),
    ],
)
def test_labelled_files_are_named_once(words: str, code: int, says: str, folder: Path) -> None:
    stdout_of("build-words", "all.txt", "-o", "words.tsv")
    done = outcome(*words.split())
    assert (done.code, done.stdout) == (code, "")
    assert says in done.stderr
