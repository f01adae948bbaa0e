"""Runs a command of the command line in the process of the test."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from embzip.cli import main


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
