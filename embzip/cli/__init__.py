"""The command line: one command a library function of the same name.

A command parses, calls and prints; whatever decides anything is in the library. This file lists
the commands and turns what went wrong into one line and an exit code.
"""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

import typer

from embzip.cli import (
    artefacts,
    classifiers,
    exports,
    factorizing,
    kits,
    pruning,
    rebuilding,
    reports,
    tables,
    tokenizers,
    training,
)
from embzip.cli.terminal import one_line, show_warning
from embzip.errors import EmbzipError

# In the order in which the main job uses them; `embzip --help` keeps it.
COMMANDS: tuple[Callable[..., None], ...] = (
    tokenizers.build_bpe,
    tokenizers.build_words,
    tables.train_vectors,
    tables.transfer,
    pruning.prune,
    tables.compress,
    training.train,
    rebuilding.rebuild,
    classifiers.evaluate,
    classifiers.predict,
    exports.export,
    kits.kit,
    factorizing.factorize,
    artefacts.inspect,
    artefacts.slim,
    reports.compare,
    reports.run,
    reports.report,
    reports.demo,
)

app = typer.Typer(
    name="embzip",
    help=(
        "Make the embedding table of a text classifier 10 to 500 times smaller, and prove on "
        "your own test set what it cost.\n\n"
        "`embzip run RECIPE.toml -o DIR` does the whole job; the other commands are its steps. "
        "`embzip COMMAND --help` explains each."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: codec chains and [brackets] are shown as they are typed
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in COMMANDS:
    app.command()(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process.

    Exit codes: 0 done; 1 an `EmbzipError`, said in one line on stderr; 2 wrong usage; 130
    interrupted.

    Parameters
    ----------
    arguments
        What stands after `embzip`; by default, the process's own.
    """
    _prepare_process()
    code = 0
    try:
        app(arguments, prog_name="embzip")
    except EmbzipError as error:
        typer.echo(f"embzip: error: {one_line(error)}", err=True)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _prepare_process() -> None:
    """Set what belongs to a process of our own, and so never to the library."""
    warnings.showwarning = show_warning
    # Most of TensorFlow's notices; `terminal.without_notices` drops what comes at its import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's stand-in may not have it
            # Labels and file names come out as the bytes they went in as, in any locale.
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
