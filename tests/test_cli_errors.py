"""What the command line says when something is wrong: exit code, one line, nothing half done."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from embzip.classifier import Classifier, load_model
from tests.commands import error_of, run_main, write_inputs

SCRIPT = Path(sys.executable).parent / "embzip"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a corpus, examples, a table and a classifier."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    return tmp_path


CORPUS_COMMANDS = [
    ["build-bpe", "{}", "--vocab", "50"],
    ["build-words", "{}"],
    ["train-vectors", "{}", "--tokenizer", "words.tsv"],
]
# Every command that reads a file, with the place of that file marked.
READERS = [
    *CORPUS_COMMANDS,
    ["train-vectors", "corpus.txt", "--tokenizer", "{}"],
    ["transfer", "{}", "--tokenizer", "words.tsv"],
    ["transfer", "table.embz", "--tokenizer", "{}"],
    ["transfer", "table.embz", "--tokenizer", "words.tsv", "--counts", "{}"],
    ["prune", "{}", "--max-vocab", "2"],
    ["compress", "{}", "--codec", "int8"],
    ["compress", "table.embz", "--codec", "int8", "--texts", "{}"],
    ["compress", "table.embz", "--codec", "int8", "--labelled", "{}"],
    ["compress", "table.embz", "--codec", "int8", "--counts", "{}"],
    ["compress", "table.embz", "--codec", "int8", "--metric-of", "{}"],
    ["append", "{}", "table.embz"],
    ["append", "table.embz", "{}"],
    ["train", "{}", "--vectors", "table.embz"],
    ["train", "test.tsv", "--vectors", "{}"],
    ["train", "test.tsv", "--vectors", "table.embz", "--dev", "{}"],
    ["rebuild", "{}", "--codec", "int8"],
    ["rebuild", "model.embz", "--embedding", "{}"],
    ["rebuild", "model.embz", "--codec", "int8", "--tune", "{}"],
    ["evaluate", "{}", "test.tsv"],
    ["evaluate", "model.embz", "{}"],
    ["evaluate", "model.embz", "test.tsv", "--against", "{}"],
    ["predict", "{}", "corpus.txt"],
    ["predict", "model.embz", "{}"],
    ["inspect", "{}"],
    ["compare", "{}", "model.embz"],
    ["compare", "model.embz", "{}"],
    ["compare", "model.embz", "model.embz", "--test", "{}"],
    ["run", "{}"],
]


def put(command: Sequence[str], name: str) -> list[str]:
    return [part.replace("{}", name) for part in command]


def tokenizer_file() -> None:
    run_main(["build-words", "corpus.txt", "--min-count", 1, "-o", "words.tsv"])


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_case_01_missing_file(
    command: list[str], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tokenizer_file()
    capfd.readouterr()
    assert "nowhere.embz: no such file" in error_of(put(command, "nowhere.embz"), capfd)


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_case_02_a_directory(
    command: list[str], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tokenizer_file()
    (folder / "dir.embz").mkdir()
    capfd.readouterr()
    message = error_of(put(command, "dir.embz"), capfd)
    # A folder may be a table of model2vec.
    assert re.search("dir.embz: expected a file.*, found a directory", message)


@pytest.mark.parametrize("command", CORPUS_COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("case", "content", "expected"),
    [
        ("03 empty", b"", "bad.txt"),
        ("04 white space", b" \n\t\n", "bad.txt"),
        ("05 invalid byte", b"fine\nb\xffd\n", "bad.txt, line 2, offset 6"),
        ("06 cut at the end", b"fine\ncaf\xc3", "bad.txt, line 2, offset 8"),
        ("07 UTF-16", "the goal\n".encode("utf-16"), "looks like UTF-16"),
    ],
    ids=lambda value: value if isinstance(value, str) and value[0] == "0" else "",
)
def test_cases_03_to_07_bad_corpus(
    command: list[str],
    case: str,
    content: bytes,
    expected: str,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    tokenizer_file()
    (folder / "bad.txt").write_bytes(content)
    capfd.readouterr()
    assert expected in error_of(put(command, "bad.txt"), capfd)


@pytest.mark.parametrize(
    "command",
    [
        ["build-words", "{}", "--min-count", "1"],
        ["predict", "model.embz", "{}"],
    ],
    ids=" ".join,
)
def test_case_05_the_remedy_works(
    command: list[str], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.txt").write_bytes(b"fine\nb\xffd\n")
    assert "--errors replace" in error_of(put(command, "bad.txt"), capfd)
    done = subprocess.run(
        [SCRIPT, *put(command, "bad.txt"), "--errors", "replace"], capture_output=True, check=True
    )
    assert done.stdout


@pytest.mark.parametrize("vocab", ["0", "-5", "2147483648", "2000000000"])
def test_case_13_impossible_vocabulary_within_a_second(
    vocab: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start = time.perf_counter()
    assert vocab in error_of(["build-bpe", "corpus.txt", f"--vocab={vocab}"], capfd)
    assert time.perf_counter() - start < 10  # 1 s on a quiet machine; a guard against hanging


@pytest.mark.parametrize("coverage", ["0", "1.1", "nan"])
def test_case_14_impossible_coverage(
    coverage: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build-bpe", "corpus.txt", "--vocab", "30", "--coverage", coverage]
    assert "coverage" in error_of(arguments, capfd)


@pytest.mark.parametrize("threads", ["0", "-7", "10000"])
def test_case_16_impossible_threads(
    threads: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build-bpe", "corpus.txt", "--vocab", "30", f"--threads={threads}"]
    assert threads in error_of(arguments, capfd)


@pytest.mark.parametrize("command", ["build-words corpus.txt", "compress table.embz --codec int8"])
def test_case_19_output_that_cannot_be_written(
    command: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = error_of([*command.split(), "-o", "no/folder/out"], capfd)
    assert "no/folder does not exist" in missing
    (folder / "old").mkdir()
    assert "old: expected the name of a file" in error_of([*command.split(), "-o", "old"], capfd)


def test_an_existing_file_is_replaced_only_when_asked(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "corpus.words.tsv").write_text("precious")
    message = error_of(["build-words", "corpus.txt"], capfd)
    assert message.startswith("corpus.words.tsv already exists")
    assert (folder / "corpus.words.tsv").read_text() == "precious"
    assert run_main(["build-words", "corpus.txt", "--min-count", 1, "--force"]) == 0
    assert (folder / "corpus.words.tsv").read_text() != "precious"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"sports the goal\n", "bad.tsv, line 1: expected label<TAB>text, found no tab"),
        (b"\tthe goal\n", "bad.tsv, line 1: expected label<TAB>text, found an empty label"),
        (b"", "bad.tsv"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [["train", "{}", "--vectors", "table.embz"], ["evaluate", "model.embz", "{}"]],
    ids=" ".join,
)
def test_case_21_labelled_files(
    command: list[str],
    content: bytes,
    expected: str,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (folder / "bad.tsv").write_bytes(content)
    assert expected in error_of(put(command, "bad.tsv"), capfd)


def test_case_21_one_class_only(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "one.tsv").write_text("sports\tthe goal\n" * 20)
    message = error_of(["train", "one.tsv", "--vectors", "table.embz"], capfd)
    assert "at least two different labels" in message


def test_case_21_test_labels_unseen_in_training(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "new.tsv").write_text("weather\tthe goal\n")
    assert run_main(["evaluate", "model.embz", "new.tsv"]) == 0
    assert "weather" in capfd.readouterr().out


def test_case_44_rows_that_are_not_finite(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "nan.txt").write_text("2 2\none 1 2\ntwo nan 3\n")
    assert "nan.txt, row 1" in error_of(["compress", "nan.txt", "--codec", "int8"], capfd)


def test_case_46_binary_read_as_text_says_which_flag(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "v.bin").write_bytes(b"1 2\none " + np.float32([1, 2]).tobytes() + b"\n")
    arguments = ["compress", "v.bin", "--codec", "float32", "--format"]
    assert "--format binary" in error_of([*arguments, "text"], capfd)
    assert run_main([*arguments, "binary"]) == 0


class Canary:
    """Leaves a file behind where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, ("canary", "w")


def test_case_47_a_pickle_runs_no_code(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "vectors.kv").write_bytes(pickle.dumps(Canary()))
    message = error_of(["compress", "vectors.kv", "--codec", "int8"], capfd)
    assert "save_word2vec_format" in message
    assert not (folder / "canary").exists()


@pytest.mark.parametrize("spec", ["int8|svd:2", "svd:9|int8", "nothing", "", "svd:2"])
def test_codecs_that_cannot_be(spec: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    error_of(["compress", "table.embz", "--codec", spec], capfd)


def test_case_53_a_truncated_embz(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = (folder / "model.embz").read_bytes()
    (folder / "cut.embz").write_bytes(whole[: len(whole) // 2])
    for command in (["inspect", "{}"], ["predict", "{}", "corpus.txt"], ["compare", "{}", "{}"]):
        assert "cut.embz" in error_of(put(command, "cut.embz"), capfd)


def test_a_table_where_a_classifier_belongs(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for command in ("predict {} corpus.txt", "evaluate {} test.tsv", "rebuild {} --codec int8"):
        message = error_of(command.format("table.embz").split(), capfd)
        assert "table.embz: expected a classifier, found only an embedding" in message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "Usage: embzip"),
        ("nothing", "Unknown command"),
        ("nothing --help", "Unknown command"),
        ("--force", "--force"),
        ("build-words corpus.txt --nothing", "--nothing"),
        ("build-words corpus.txt --min-count 3.7", "3.7"),
        ("build-words corpus.txt --no-force", "--no-force"),
        ("inspect model.embz table.embz", "table.embz"),
        ("build-bpe", "CORPUS"),
        ("build-bpe corpus.txt --vocab many", "--vocab"),
        ("build-bpe corpus.txt --engine other", "--engine"),
        ("build-words corpus.txt --errors ignore", "--errors"),
        ("compress table.embz", "--codec"),
        ("compress table.embz --codec int8 --words corpus.txt", "--words"),
        ("prune table.embz", "--max-vocab"),
        ("transfer table.embz", "--tokenizer"),
        ("train test.tsv", "--vectors"),
        ("train test.tsv --vectors table.embz --windows 1;2", "--windows"),
        ("train-vectors corpus.txt", "--tokenizer"),
        ("rebuild model.embz", "exactly one of --embedding and --codec"),
        ("rebuild model.embz --codec int8 --embedding table.embz", "exactly one of"),
        ("evaluate model.embz", "TEST.tsv"),
        ("inspect", "PATH"),
        ("compare model.embz", "AFTER.embz"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: str, says: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_main(arguments.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    if arguments:
        assert len(err.splitlines()) == 2
        assert "--help` says what there is" in err


def test_options_stand_before_between_and_after_files_and_the_last_of_two_holds(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["-o=2.tsv", "--min-count", 9, "corpus.txt", "--min-count=1", "corpus.txt", "--json"]
    assert run_main(["build-words", *options]) == 0
    assert json.loads(capfd.readouterr().out)["rows"] == 5
    assert "the\t4" in (folder / "2.tsv").read_text(), "both files are read"


def test_a_message_is_one_line_even_where_a_name_is_not(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "two lines: no such file" in error_of(["inspect", "two\nlines"], capfd)


def test_a_file_name_that_is_no_utf8_comes_out_as_it_is(folder: Path) -> None:
    name = b"caf\xe9.txt"
    Path(os.fsdecode(name)).write_text("the goal\n" * 3)
    done = subprocess.run([SCRIPT, "build-words", name], capture_output=True, check=True)
    assert done.stdout.endswith(b"\ncaf\xe9.words.tsv\n")
    missing = subprocess.run([SCRIPT, "inspect", b"\xe9"], capture_output=True, check=False)
    assert missing.stderr == b"embzip: error: \xe9: no such file\n"


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_labels_come_out_in_utf8_in_any_locale(folder: Path, locale: str) -> None:
    model = load_model("model.embz")
    Classifier(model.embedding, ("спорт", "экономика"), model.config, model.arrays).save("ru.embz")
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [SCRIPT, "predict", "ru.embz", "corpus.txt"], capture_output=True, env=environment,
        check=True,
    )  # fmt: skip
    assert done.stdout.decode("utf-8").startswith("спорт\t0.5000\n")


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    (folder / "many.txt").write_text("the goal\n" * 20_000)
    process = subprocess.Popen(
        [SCRIPT, "predict", "model.embz", "many.txt"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(60)


def test_a_full_disk_behind_stdout_is_one_line(folder: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [SCRIPT, "inspect", "model.embz"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr == (
        b"embzip: error: standard output: cannot be written: No space left on device\n"
    )


def test_ctrl_c_ends_with_one_line_and_130(folder: Path) -> None:
    process = subprocess.Popen(
        [SCRIPT, "predict", "model.embz"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Background jobs of a shell ignore the signal, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdin is not None
    # More than a pipe holds, so it has begun to read; less than a block, so it has not answered.
    process.stdin.write(b"the goal\n" * 9_000)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"embzip: interrupted\n")


def test_stdout_holds_one_object_and_stderr_the_warnings(folder: Path) -> None:
    """With --json and a warning: a real process, nothing mixed."""
    (folder / "bad.txt").write_bytes(b"the goal\nb\xffd the\n")
    done = subprocess.run(
        [SCRIPT, "build-bpe", "bad.txt", "--vocab", "900", "--errors", "replace", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["path"] == "bad.bpe.model"
    assert done.stdout.count("\n") == 1
    assert done.stderr
    assert all(line.startswith("embzip: warning: ") for line in done.stderr.splitlines())
