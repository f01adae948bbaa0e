"""Names of inputs: patterns, `file://` and URLs, in the library and on the command line."""

import gzip
import sys
from pathlib import Path

import pytest

import embzip
from embzip.corpus import read_examples, read_texts
from embzip.errors import EmbzipError, InputError, MissingFileError, OutputError
from embzip.files.locations import file_at, files_at
from embzip.files.names import base_name, is_url, located
from embzip.tokenizers.counts import read_counts
from tests.commands import outcome, stdout_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files of a corpus in two folders, and labelled ones."""
    monkeypatch.chdir(tmp_path)
    Path("corpus/more").mkdir(parents=True)
    Path("corpus/b.txt").write_text("the sun\n")
    Path("corpus/a.txt.gz").write_bytes(gzip.compress(b"the sea\n"))
    Path("corpus/more/c.txt").write_text("a ship\n")
    Path("1.tsv").write_text("sport\tthree goals\n")
    Path("2.tsv").write_text("vote\tthe vote\n")
    return tmp_path


def test_files_of_a_pattern_are_sorted_and_folders_are_none() -> None:
    assert files_at("corpus/*") == ["corpus/a.txt.gz", "corpus/b.txt"]
    assert files_at("corpus/**/*.txt") == ["corpus/b.txt", "corpus/more/c.txt"]
    assert list(read_texts("corpus/*")) == ["the sea", "the sun"]
    assert list(read_texts(Path("corpus/*"))) == ["the sea", "the sun"]
    assert [each.label for each in read_examples("[12].tsv")] == ["sport", "vote"]


def test_a_name_that_a_file_has_is_no_pattern() -> None:
    Path("corpus/[b].txt").write_text("literally\n")
    assert list(read_texts("corpus/[b].txt")) == ["literally"]


def test_each_reading_of_a_pattern_is_of_the_same_files() -> None:
    texts = read_texts("corpus/*.txt")
    assert list(texts) == ["the sun"]
    Path("corpus/z.txt").write_text("came later\n")
    assert list(texts) == ["the sun"]
    Path("corpus/b.txt").unlink()
    with pytest.raises(MissingFileError, match=r"corpus/b\.txt: no such file"):
        list(texts)


def test_a_folder_that_is_there_is_no_pattern() -> None:
    for name in ("data[v1]", "data1", "all*"):
        Path(name).mkdir()
        Path(name, "a.txt").write_text(f"{name}\n")
    assert files_at("data[v1]/*.txt") == ["data[v1]/a.txt"]
    assert files_at("data[1]/*.txt") == ["data1/a.txt"]
    assert files_at("all*/*.txt") == ["all*/a.txt"]
    assert files_at("*.tsv", "corpus/more/../..") == [
        "corpus/more/../../1.tsv", "corpus/more/../../2.tsv"
    ]  # fmt: skip
    assert files_at("*.txt", Path("data[v1]").absolute()) == [
        str(Path("data[v1]/a.txt").absolute())
    ]


def test_the_users_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In quotes and in recipes, where no shell has read it."""
    monkeypatch.setenv("HOME", str(folder / "corpus"))
    assert list(read_texts("~/b.txt")) == list(read_texts("~/b*")) == ["the sun"]
    assert list(read_texts(Path("~/b.txt"))) == ["the sun"]
    Path("~").mkdir()
    Path("~/b.txt").write_text("here\n")
    assert list(read_texts("~/b.txt")) == ["here"]


def test_names_without_folders_and_queries() -> None:
    assert base_name("data/a.tsv") == base_name(Path("data/a.tsv")) == "a.tsv"
    assert base_name("s3://b/what?.tsv") == "what?.tsv"
    assert base_name("simplecache::https://h/x/a.tsv?sig=a/b#c") == "a.tsv"


def test_a_pattern_without_a_file_and_one_of_several_where_one_is_read() -> None:
    with pytest.raises(MissingFileError, match=r"corpus/\*\.zip: no file matches this pattern"):
        list(read_texts("corpus/*.zip"))
    with pytest.raises(InputError, match=r"2 match this pattern, such as 1\.tsv and 2\.tsv: name"):
        read_counts("*.tsv")
    assert file_at("1*") == "1.tsv"


def test_labelled_files_may_be_a_pattern_of_the_corpus() -> None:
    texts = read_texts(["*.tsv", "corpus/*.txt"], labelled="*.tsv")
    assert list(texts) == ["three goals", "the vote", "the sun"]
    with pytest.raises(InputError, match="must be one of the corpus"):
        list(read_texts("corpus/*", labelled="1.tsv"))


def test_a_file_url_is_a_path_and_needs_no_fsspec(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert list(read_texts(f"file://{folder}/corpus/*")) == ["the sea", "the sun"]
    assert located(f"file://{folder}/1.tsv") == folder / "1.tsv"
    Path("a b.txt").write_text("blank\n")
    Path("c%20d.txt").write_text("as it is\n")
    assert list(read_texts((folder / "a b.txt").as_uri())) == ["blank"]
    assert list(read_texts(f"file://localhost{folder}/a%20*")) == ["blank"]
    assert list(read_texts(f"file://{folder}/c%20d.txt")) == ["as it is"]
    assert not is_url("file:///a") and not is_url(Path("s3://a/b")) and not is_url("C:/a")  # noqa: PT018
    embzip.save(embzip.compress([[1.0]], "float16"), "t.embz")
    assert embzip.load(f"file://{folder}/t.embz").shape == (1, 1)
    with pytest.raises(EmbzipError, match=r"URL needs fsspec.*`uv sync --extra scale` in a check"):
        list(read_texts("memory://a"))


def test_commands_take_patterns(folder: Path) -> None:
    stdout_of("build-words", "corpus/a.txt.gz", "corpus/b.txt", "--min-count", 1, "-o", "one.tsv")
    stdout_of("build-words", "corpus/*", "--min-count", 1, "-o", "two.tsv")
    stdout_of("build-words", f"file://{folder}/corpus/*", "--min-count", 1, "-o", "three.tsv")
    first = Path("one.tsv").read_bytes()
    assert Path("two.tsv").read_bytes() == Path("three.tsv").read_bytes() == first
    made = stdout_of("build-words", "corpus/*", "--min-count", 1).splitlines()
    assert made[-1] == "a.txt.words.tsv", "the first file names the result"


SAID = {
    "build-words corpus/*.zip": "corpus/*.zip: no file matches this pattern",
    "build-words --labelled 1.tsv *.tsv": "1.tsv is named as text and by --labelled: name it once",
    "build-words corpus/* -o corpus/b.txt": "corpus/b.txt: is the input corpus/b.txt too",
    "build-words foo://a/b": "foo://a/b: unknown protocol 'foo'",
    "build-words s3://a//b": "s3://a//b: fsspec needs a further package for this protocol (",
    "build-words corpus/b.txt -o s3://a/b.tsv": "s3:/a/b.tsv: a result is written to a file of",
    "compress corpus/* --codec int8": "corpus/*: one file is read here, and 2 match this pattern",
    "compress foo://a --codec int8": "foo://a: unknown protocol 'foo'",
    "train foo://t --vectors corpus/b.txt": "foo://t: unknown protocol 'foo'",
    "predict s3://a/model.embz 1.tsv": "s3://a/model.embz: fsspec needs a further package",
    "inspect s3://a/model.embz": "this is a URL, and a file of this machine is read here: copy it",
    "search s3://a/b.tsv": "s3://a/b.tsv: fsspec needs a further package for this protocol (",
    "search *.txt": "*.txt: no file matches this pattern",
    "search 1.tsv --teacher foo://a": "foo://a: unknown protocol 'foo'",
}


@pytest.mark.parametrize("command", SAID)
def test_what_cannot_be_read_is_one_line(command: str, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    done = outcome(*command.split())
    lines = done.stderr.strip().splitlines()
    assert (done.code, done.stdout) in ((1, ""), (2, ""))
    assert len(lines) == done.code, done.stderr
    assert SAID[command] in lines[0]
    assert sorted(folder.rglob("*")) == before


def test_results_are_written_here() -> None:
    with pytest.raises(OutputError, match="a result is written to a file of this machine, and"):
        embzip.save(embzip.compress([[1.0]], "float16"), "s3://bucket/table.embz")
