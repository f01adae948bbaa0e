"""Runs a command of the command line in the process of the test, on small files."""

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from embzip.classifier import Classifier, CnnConfig, head_shapes
from embzip.cli import main
from embzip.compression import compress
from embzip.embz.format import save
from embzip.tokenizers import WordTokenizer
from embzip.tokenizers.base import Normalization
from embzip.vectors.base import Vectors


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it wrote."""

    code: int
    stdout: str
    stderr: str


def outcome(*arguments: object, stdin: str = "") -> Outcome:
    """Run a command, as `main` does, and return how it ended."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        patch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    for stream in (out, err):
        stream.flush()
    written = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]  # type: ignore[attr-defined]
    return Outcome(end.value.code, *written)


def stdout_of(*arguments: object, stdin: str = "") -> str:
    """Run a command that must succeed, and return what it printed."""
    done = outcome(*arguments, stdin=stdin)
    assert done.code == 0, done.stderr
    return done.stdout


def run_main(arguments: Sequence[object]) -> int:
    """Run a command and return its exit code; what it prints goes where the test's own goes."""
    with pytest.raises(SystemExit) as end:
        main(list(map(str, arguments)))
    assert isinstance(end.value.code, int)
    return end.value.code


def error_of(arguments: Sequence[object], capfd: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail with exit code 1; return its one line without the prefix."""
    before = {path: path.stat().st_mtime_ns for path in Path.cwd().iterdir()}
    code = run_main(arguments)
    out, err = capfd.readouterr()
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("embzip: error: ")
    assert "Traceback" not in err
    after = {path: path.stat().st_mtime_ns for path in Path.cwd().iterdir()}
    assert after == before, "no output, no temporary file, nothing replaced"
    return err.removeprefix("embzip: error: ").strip()


def write_inputs(folder: Path, labels: tuple[str, str] = ("business", "sports")) -> None:
    """Write a corpus, examples, a words file, a table and a classifier into a folder."""
    tokenizer = WordTokenizer(["goal", "market", "the"], Normalization())
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    rows[0] = 0
    vectors = Vectors(tokenizer.vocabulary, rows, np.array([0, 1, 5, 5, 9]), tokenizer)
    table = compress(vectors, "float32")
    config = CnnConfig(columns=4, max_length=8, filters=2, windows=(1, 2))
    arrays = {name: np.ones(shape, np.float32) for name, shape in head_shapes(config, 2).items()}
    Classifier(table, labels, config, arrays).save(folder / "model.embz")
    save(table, folder / "table.embz", counts=True)
    (folder / "corpus.txt").write_text("the goal\nthe market\n")
    (folder / "test.tsv").write_text("sports\tthe goal\nbusiness\tthe market\n")
