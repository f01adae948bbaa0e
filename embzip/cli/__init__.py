"""The command line: one command a library function of the same name.

A command parses, calls and prints; whatever decides anything is in the library. This file lists
the commands and turns what went wrong into one line and an exit code.
"""

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Literal, NoReturn

from cyclopts import App, CycloptsError, Parameter

from embzip.cli import terminal
from embzip.cli.parameters import UsageError
from embzip.cli.terminal import drop_stdout, log, show_warning, write
from embzip.errors import EmbzipError

# In the order in which the main job uses them; `embzip --help` keeps it. A command's module is
# imported when the command is used.
COMMANDS = {
    "build-bpe": "tokenizers",
    "build-words": "tokenizers",
    "train-vectors": "tables",
    "transfer": "tables",
    "prune": "pruning",
    "compress": "compressing",
    "append": "compressing",
    "similar": "similar",
    "convert": "converting",
    "codecs": "codecs",
    "train": "training",
    "distill": "distilling",
    "rebuild": "rebuilding",
    "evaluate": "evaluating",
    "predict": "predicting",
    "gate": "gates",
    "search": "searching",
    "export": "exports",
    "kit": "kits",
    "factorize": "factorizing",
    "inspect": "artefacts",
    "slim": "artefacts",
    "compare": "reports",
    "run": "reports",
    "report": "reports",
    "demo": "searching",
    "completion": "completing",
}
HELP = {"-h", "--help"}
VERSION = {"--version", "-V"}
DEBUG = "--debug"
LOUDNESS: Mapping[str, Literal["quiet", "verbose"]] = {
    "-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose"
}  # fmt: skip

app = App(
    name="embzip",
    help_flags=(),  # `explaining` writes the help
    version_flags=(),
    default_parameter=Parameter(negative=(), allow_repeating=True),
)
for _name, _module in COMMANDS.items():
    app.command(f"embzip.cli.{_module}:{_name.replace('-', '_')}", name=_name)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process.

    Exit codes: 0 done; 1 an `EmbzipError` or what else went wrong, said in one line on stderr; 2
    wrong usage; 3 and 4 what `embzip gate` answers; 130 interrupted. With --debug, a traceback of
    what is no `EmbzipError`. With --quiet, no word on stderr of what goes on; with --verbose, also
    what TensorFlow says there.

    Parameters
    ----------
    arguments
        What stands after `embzip`; by default, the process's own.
    """
    _prepare_process()
    given = sys.argv[1:] if arguments is None else arguments
    asked = [LOUDNESS[word] for word in given if word in LOUDNESS]
    terminal.loudness = asked[-1] if asked else "usual"
    # `-` would be read as an option without a name. As a path, ./- is - again.
    tokens = ["./-" if word == "-" else word for word in given if word not in (DEBUG, *LOUDNESS)]
    code = 0
    try:
        code = _run(tokens)
    except (CycloptsError, UsageError) as error:
        command = f" {tokens[0]}" if tokens[0] in COMMANDS else ""
        log(f"error: {error}")
        log(f"`embzip{command} --help` says what there is")
        code = 2
    except EmbzipError as error:
        log(f"error: {error}")
        code = 1
    except BrokenPipeError:  # whoever read our output has enough of it
        drop_stdout()
        code = 1
    except KeyboardInterrupt:
        log("interrupted")
        code = 130
    except Exception as error:  # what nobody expected is said in one line
        if DEBUG in given:
            raise
        from embzip.cli.failures import explained

        log(f"error: {explained(error, tokens[1:])}")
        code = 1
    sys.exit(code)


def _run(tokens: Sequence[str]) -> int:
    name, *options = tokens or [""]
    if name in VERSION:
        from embzip.report.record import embzip_version

        write([f"embzip {embzip_version()}\n"])
        return 0
    if name == "help":
        name, *options = [*options, "--help"]
    if name in ("", *HELP) or (name in COMMANDS and not HELP.isdisjoint(options)):
        from embzip.cli.explaining import explain

        (sys.stdout if name else sys.stderr).write(explain(app, name))
        return 0 if name else 2
    command, given, _ = app.parse_args([name, *options], print_error=False, exit_on_error=False)
    code: int | None = command(*given.args, **given.kwargs)
    return code or 0


def _prepare_process() -> None:
    """Set what belongs to a process of our own, and so never to the library."""
    warnings.showwarning = show_warning
    # Most of TensorFlow's notices; `terminal.without_notices` drops what comes at its import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's stand-in may not have it
            # Labels and file names come out as the bytes they went in as, in any locale.
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
