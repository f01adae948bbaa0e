"""Help in plain text: an overview of the commands, and one command with its options.

cyclopts reads what an option means from the docstring of the command, or of the record that the
option belongs to; argparse lays it out. The pages of cyclopts itself are drawn with rich, which
takes longer to load than most commands to run, and do not fill paragraphs.
"""

import inspect
import shutil
import textwrap
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from functools import partial
from typing import Any

from cyclopts import App

ABOUT = """\
Make the embedding table of a text classifier 10 to 500 times smaller, and prove on your own test \
set what it cost.

`embzip run RECIPE.toml -o DIR` does the whole job; the other commands are its steps. \
`embzip COMMAND --help` explains each. -q says nothing of what goes on, -v also what TensorFlow \
says of it; --version; with --debug, an unexpected error shows where it arose."""


def explain(app: App, name: str) -> str:
    """Return the help of a command, or the overview where no command has that name."""
    width = min(100, shutil.get_terminal_size().columns)
    if name not in app:
        summaries = [f"  {each:<15}{_text(app[each]).splitlines()[0]}" for each in app]
        lines = ["Usage: embzip COMMAND ...", "", _filled(ABOUT, width), "", *summaries, ""]
        return "\n".join(lines)
    parser = ArgumentParser(
        description=_filled(_text(app[name]), width),
        formatter_class=partial(RawDescriptionHelpFormatter, max_help_position=28, width=width),
    )
    words = []
    for argument in arguments(app, name):
        meaning = _meaning(argument).replace("%", "%%") + _default(argument)
        if argument.index is not None:
            several = argument.field_info.kind is inspect.Parameter.VAR_POSITIONAL
            more = several and "..." not in argument.name
            words.append(f"{argument.name}..." if more else argument.name)
            words[-1] = words[-1] if argument.required else f"[{words[-1]}]"
            parser.add_argument(argument.name, metavar=words[-1], help=meaning)
            continue
        flag = argument.hint in (bool, bool | None)
        options: dict[str, Any] = (
            {"action": "store_true"}
            if flag
            else {"metavar": argument.parameter.metavar, "choices": argument.get_choices()}
        )
        names = sorted(argument.names, key=len) if not argument.negatives else argument.names
        parser.add_argument(*names, help=meaning, **options)
    parser.usage = " ".join(["embzip", name, "[OPTIONS]", *words])
    return parser.format_help()


def arguments(app: App, name: str) -> list[Any]:
    """Return the arguments and options of a command, explained, as cyclopts has them."""
    found = app[name].assemble_argument_collection(
        default_parameter=app.default_parameter, parse_docstring=True
    )
    return [argument for argument in found if argument.show]


def _meaning(argument: Any) -> str:
    """Return the help of an option; {stages} in it becomes the names of the codecs' stages."""
    text = str(argument.parameter.help or "")
    if "{stages}" in text:
        from embzip.codecs.listing import stage_names

        text = text.replace("{stages}", stage_names())
    return text


def _default(argument: Any) -> str:
    value = argument.field_info.default
    if argument.required:
        return " [required]"
    if isinstance(value, bool):
        value = argument.names[not value] if argument.negatives else None
    return f" [default: {value}]" if isinstance(value, int | float | str) else ""


def _text(command: App) -> str:
    """Return the docstring of a command without its parameters."""
    return (inspect.getdoc(command.default_command) or "").partition("\n\nParameters\n---")[0]


def _filled(text: str, width: int) -> str:
    return "\n\n".join(textwrap.fill(paragraph, width) for paragraph in text.split("\n\n"))
