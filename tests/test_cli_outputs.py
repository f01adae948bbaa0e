"""Where results go: suffixes, inputs that are outputs, stdout and devices, and what is printed."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from embzip.cli import COMMANDS
from embzip.embz.format import load
from tests.commands import error_of, outcome, run_main, stdout_of, write_inputs

SCRIPT = Path(sys.executable).parent / "embzip"

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202e\ud800-\udfff]")

# Every command that writes a file, with its inputs, without -o.
WRITERS = {
    "build-bpe": ["corpus.txt", "--vocab", "50"],
    "build-words": ["corpus.txt", "--min-count", "1"],
    "train-vectors": ["corpus.txt", "--tokenizer", "words.tsv", "--dim", "2"],
    "transfer": ["table.embz", "--tokenizer", "bpe.model", "--counts", "counts.tsv"],
    "prune": ["table.embz", "--max-vocab", "2"],
    "compress": ["table.embz", "--codec", "int8", "--counts", "counts.tsv"],
    "append": ["table.embz", "new.vec"],
    "train": ["test.tsv", "--vectors", "table.embz", "--dev", "dev.tsv"],
    "distill": ["model.embz", "--train", "test.tsv", "--rows", "1", "--dev", "dev.tsv"],
    "rebuild": ["model.embz", "--codec", "int8", "--tune", "test.tsv"],
    "export": ["model.embz", "--compute", "int8", "--calibrate", "corpus.txt"],
    "kit": ["model.embz", "other.embz"],
    "factorize": ["model.embz", "--rank", "1", "--train", "test.tsv"],
    "slim": ["saved.h5"],
    "compare": ["model.embz", "other.embz", "--test", "test.tsv"],
}
# `convert` is told its output by position: tests/test_vectors_converting.py has it.
NOT_FILES = {
    *(
        "evaluate",
        "predict",
        "gate",
        "inspect",
        "run",
        "report",
        "demo",
        "search",
        "similar",
        "completion",
    ),
    "convert",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with small inputs of every kind."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    run_main(["build-words", "corpus.txt", "--min-count", 1, "-o", "words.tsv"])
    for name, source in (
        ("other.embz", "model.embz"), ("dev.tsv", "test.tsv"), ("counts.tsv", "words.tsv"),
    ):  # fmt: skip
        Path(name).write_bytes(Path(source).read_bytes())
    Path("bpe.model").write_text("no model, and never read")
    Path("new.vec").write_text("1 4\nzzz 1 2 3 4\n")
    Path("saved.h5").write_bytes(b"\x89HDF\r\n\x1a\n and never read")
    return tmp_path


def test_every_command_is_covered() -> None:
    assert WRITERS.keys() | NOT_FILES >= COMMANDS.keys() - {"codecs"}


@pytest.mark.parametrize("command", WRITERS)
def test_an_output_that_is_an_input_is_refused_before_any_work(
    command: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    suffix = SUFFIXES.get(command, ".embz")
    given, link = Path(f"given{suffix}"), Path(f"link{suffix}")
    link.symlink_to(given)
    for name in [word for word in WRITERS[command] if Path(word).is_file()]:
        given.write_bytes(Path(name).read_bytes())
        capfd.readouterr()
        words = [str(given) if word == name else word for word in WRITERS[command]]
        for spelling in (given, folder / given, link):
            message = error_of([command, *words, "-o", spelling], capfd)
            assert f"{spelling}: is the input {given} too: choose another name" in message


def test_stdin_that_is_redirected_from_the_output(folder: Path) -> None:
    with Path("corpus.txt").open() as stdin:
        done = subprocess.run(
            [SCRIPT, "build-words", "-", "-o", "corpus.txt"],
            stdin=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "corpus.txt: is the input - too" in done.stderr
    assert Path("corpus.txt").read_text() == "the goal\nthe market\n"


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["train-vectors", "corpus.txt", "--tokenizer", "words.tsv", "-o", "v.npy"], ".embz, .vec"),
        (["prune", "table.embz", "--max-vocab", "2", "-o", "v.vec.gz"], ".embz, .vec, .txt, .bin"),
        (["compress", "table.embz", "--codec", "int8", "-o", "small.vec"], "must be .embz"),
        (["compress", "table.embz", "--codec", "int8", "-o", "small.txt"], "must be .embz"),
        (["train", "test.tsv", "--vectors", "table.embz", "-o", "m.keras"], "must be .embz"),
        (["rebuild", "model.embz", "--codec", "int8", "-o", "m.pb"], "must be .embz"),
        (["export", "model.embz", "-o", "m.embz"], ".onnx, .mjs, .js, .html, .c or a name"),
        (["export", "model.embz", "--to", "litert", "-o", "m.onnx"], "must be .tflite"),
        (["kit", "model.embz", "-o", "m.json"], "must be .embz"),
        (["slim", "saved.h5", "-o", "m.embz"], ".h5, .hdf5, .keras, .pb"),
        (["build-words", "corpus.txt", "-o", "w.embz"], "must be .tsv, .txt"),
        (["build-bpe", "corpus.txt", "-o", "w.tsv"], "must be .model, .bpe, .yttm"),
        (["compare", "model.embz", "model.embz", "-o", "r.pdf"], ".json, .md, .html"),
    ],
)
def test_an_unfit_suffix_is_refused(
    arguments: list[str], allowed: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert allowed in error_of(arguments, capfd)


def test_a_suffix_chooses_the_format_in_any_case(folder: Path) -> None:
    for name in ("v.TXT", "v.Bin", "v.EMBZ"):
        stdout_of("prune", "table.embz", "--max-vocab", 2, "-o", name)
    assert Path("v.TXT").read_bytes().startswith(b"2 4\n")
    assert Path("v.Bin").read_bytes().startswith(b"2 4\n")
    assert load("v.EMBZ").rows == 4, "with <PAD> and <UNK>"
    stdout_of("export", "model.embz", "-o", "m.ONNX")
    assert [each.name for each in onnx.load("m.ONNX").graph.output] == ["probabilities:0"]


def test_a_result_goes_to_stdout(folder: Path) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run([SCRIPT, *words], capture_output=True, check=False)

    stdout_of("compress", "table.embz", "--codec", "int8", "-o", "file.embz")
    piped = run("compress", "table.embz", "--codec", "int8", "-o", "-")
    assert piped.stdout == Path("file.embz").read_bytes()
    assert b"as int8" in piped.stderr
    assert not Path("-").exists()
    words = run("build-words", "corpus.txt", "--min-count", "1", "-o", "-")
    assert words.stdout == Path("words.tsv").read_bytes()
    both = run("compress", "table.embz", "--codec", "int8", "-o", "-", "--json")
    assert (both.returncode, both.stdout) == (2, b"")
    assert b"-o - and --json cannot go together" in both.stderr
    slimmed = run("slim", "saved.h5", "-o", "-")
    assert b"keras" not in slimmed.stderr.split(b":")[1], "the kind stays what it is"
    folder_ = run("export", "model.embz", "--to", "savedmodel", "-o", "-")
    assert (folder_.returncode, folder_.stdout) == (2, b"")


def test_a_result_goes_through_a_device(folder: Path) -> None:
    leader, follower = pty.openpty()
    device = os.ttyname(follower)
    record = json.loads(
        stdout_of("build-words", "corpus.txt", "--min-count", 1, "-o", device, "--json")
    )
    assert record["path"] == device
    expected = Path("words.tsv").read_bytes().replace(b"\n", b"\r\n")
    assert os.read(leader, 10_000) == expected
    os.close(leader)
    os.close(follower)


def test_labels_are_printed_and_not_obeyed(folder: Path) -> None:
    labels = ("\x1b]0;owned\x07\x1b[31mred", "a\nb\tc\u202e\ud800")
    write_inputs(folder, labels)
    lines = stdout_of("predict", "model.embz", "corpus.txt").split("\n")
    assert len(lines) == 3, "one a text"
    assert lines[-1] == ""
    shown = {r"\x1b]0;owned\x07\x1b[31mred", r"a\nb\tc\u202e\ud800"}
    for line in lines[:2]:
        label, probability = line.split("\t")
        assert label in shown
        assert re.fullmatch(r"[01]\.\d{4}", probability)
    record = json.loads(stdout_of("predict", "model.embz", "corpus.txt", "--json"))
    assert {each["label"] for each in record["predictions"]} <= set(labels)
    for arguments in (
        ["evaluate", "model.embz", "test.tsv"],
        ["inspect", "model.embz"],
        ["compare", "model.embz", "model.embz", "--test", "test.tsv"],
    ):
        done = outcome(*arguments)
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f\u202e\ud800-\udfff]", done.stdout + done.stderr
        )


def test_names_in_messages_are_printed_and_not_obeyed(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert r"\x1b[2Jabsent.txt" in error_of(["build-words", "\x1b[2Jabsent.txt"], capfd)


def test_what_nobody_expected_is_one_line_and_a_traceback_on_request(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()

    def raised_by_a_library(*_: object, **__: object) -> None:
        json.loads("{")

    monkeypatch.setattr("embzip.artefacts.inspect", raised_by_a_library)
    message = error_of(["inspect", "table.embz"], capfd)
    assert message.startswith("table.embz: embzip ")
    assert "JSONDecodeError" in message
    with pytest.raises(json.JSONDecodeError):
        outcome("inspect", "table.embz", "--debug")

    class Mistaken:
        format = None

    monkeypatch.setattr("embzip.artefacts.inspect", lambda _: Mistaken())
    message = error_of(["inspect", "table.embz"], capfd)
    assert message.startswith("a mistake in embzip ")
    assert "AttributeError" in message
    assert "please report it" in message
    monkeypatch.setattr("embzip.artefacts.inspect", lambda _: Path("x" * 300).read_bytes())
    assert error_of(["inspect", "table.embz"], capfd).endswith("x: File name too long")


# What a result ends in where that is not .embz.
SUFFIXES = {
    "build-bpe": ".model",
    "build-words": ".tsv",
    "slim": ".h5",
    "compare": ".html",
    "export": ".tflite",
}
