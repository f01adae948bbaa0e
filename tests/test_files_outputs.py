"""A suffix decides the format, and an output is never an input."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from embzip.errors import OutputError
from embzip.files.outputs import FOLDER, check_apart, format_of, output_path

TABLES = {".embz": "embz", ".vec": "text", ".bin": "binary"}
GRAPHS = {".pb": "frozen", FOLDER: "savedmodel"}


def test_an_output_is_named_after_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert output_path("/data/corpus.txt", ".bpe.model") == Path("corpus.bpe.model")
    assert output_path("/data/corpus", ".bpe.model") == Path("corpus.bpe.model")
    assert output_path("-", ".words.tsv") == Path("stdin.words.tsv")
    Path("corpus.bpe.model").touch()
    with pytest.raises(OutputError, match="already exists: choose another name with -o"):
        output_path("corpus.txt", ".bpe.model")
    assert output_path("corpus.txt", ".bpe.model", force=True) == Path("corpus.bpe.model")
    assert output_path("x", ".y", "corpus.bpe.model") == Path("corpus.bpe.model")
    with pytest.raises(OutputError, match="does not exist: create it first"):
        output_path("x", ".y", tmp_path / "absent" / "file")
    with pytest.raises(OutputError, match=r"corpus\.bpe\.model is no folder: choose another name"):
        output_path("x", ".y", "corpus.bpe.model/file")


@pytest.mark.parametrize(
    ("name", "formats", "expected"),
    [
        ("a.embz", TABLES, "embz"),
        ("a.VEC", TABLES, "text"),
        ("a.b.Bin", TABLES, "binary"),
        ("a", TABLES, "embz"),
        ("-", TABLES, "embz"),
        ("graph.pb", GRAPHS, "frozen"),
        ("graph", GRAPHS, "savedmodel"),
        ("graph.savedmodel", GRAPHS, "savedmodel"),
        ("model.ckpt-1000", GRAPHS, "savedmodel"),
    ],
)
def test_a_suffix_decides_the_format(
    name: str, formats: dict[str, str], expected: str, tmp_path: Path
) -> None:
    path = name if name == "-" else tmp_path / name
    assert format_of(path, formats) == expected


@pytest.mark.parametrize("name", ["a.npy", "a.vec.gz", "a.onnx", "a.ebmz", "a.txt"])
def test_an_unfit_suffix_is_refused_with_the_list(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"must be \.embz, \.vec, \.bin: choose"):
        format_of(tmp_path / name, TABLES)
    if name != "a.ebmz":  # of a folder any name will do, but for those of files
        with pytest.raises(OutputError, match=r"\.pb or a name without a suffix \(savedmodel\)"):
            format_of(tmp_path / name, GRAPHS)


def test_what_stands_in_the_place_of_an_output(tmp_path: Path) -> None:
    folder, fifo = tmp_path / "folder", tmp_path / "fifo"
    folder.mkdir()
    os.mkfifo(fifo)
    with pytest.raises(OutputError, match="found a directory"):
        format_of(folder, TABLES)
    with pytest.raises(OutputError, match="found a FIFO"):
        format_of(fifo, TABLES)
    with pytest.raises(OutputError, match="is not a folder that contains mark"):
        format_of(folder, GRAPHS, marker="mark")
    (folder / "mark").touch()
    assert format_of(folder, GRAPHS, marker="mark") == "savedmodel"
    leader, follower = pty.openpty()
    assert format_of(os.ttyname(follower), GRAPHS) == "frozen", "a device takes one file"
    os.close(leader)
    os.close(follower)


def test_an_output_is_never_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in.tsv", "other.tsv"):
        Path(name).write_text(name)
    Path("link.tsv").symlink_to("in.tsv")
    os.link("in.tsv", "hard.tsv")
    Path("dir").mkdir()
    for spelling in ("in.tsv", "dir/../in.tsv", tmp_path / "in.tsv", "link.tsv", "hard.tsv"):
        with pytest.raises(OutputError, match=r"is the input in\.tsv too"):
            check_apart(spelling, ["other.tsv", None, "in.tsv"])
    check_apart("new.tsv", ["in.tsv", "other.tsv", "absent.tsv"])
    check_apart("other.tsv", ["in.tsv"])


def test_folders_prefixes_and_stdin_are_inputs_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("saved/variables").mkdir(parents=True)
    Path("saved/model.embz").touch()
    for inside in ("saved/x.pb", "saved/variables/x.pb"):
        with pytest.raises(OutputError, match="lies in the input saved"):
            check_apart(inside, ["saved"])
    with pytest.raises(OutputError, match="is the input saved too"):
        check_apart("saved", ["saved"])
    with pytest.raises(OutputError, match="is a folder that holds the input saved/model"):
        check_apart("saved", ["saved/model.embz"])
    Path("model.index").touch()
    with pytest.raises(OutputError, match="is the input model too"):
        check_apart("./model", ["model"])
    Path("texts").write_text("a\n")
    kept = os.dup(0)
    with open("texts") as file:
        os.dup2(file.fileno(), 0)
    try:
        with pytest.raises(OutputError, match="texts: is the input - too"):
            check_apart("texts", ["-"])
        check_apart("other", ["-"])
        check_apart("-", ["other", None, "-"])
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_stdout_that_is_an_input(tmp_path: Path) -> None:
    path = tmp_path / "texts"
    path.write_text("a\n")
    program = (
        "from embzip.files.outputs import check_apart\n"
        "import sys\n"
        "check_apart('-', [None, sys.argv[1]])\n"
    )
    with path.open("a") as stdout:
        done = subprocess.run(
            [sys.executable, "-c", program, path],
            stdout=stdout, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert f"standard output is the input {path} too: send it elsewhere" in done.stderr
    assert path.read_text() == "a\n"
